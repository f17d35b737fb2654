-- The species that are taken, and which of their photos are looked at first.
--
-- Of a common species, the first N photos can be found among those whose hash is below a limit. The limit is a guess:
-- large enough where an observation has two photos or fewer and the caps take little. Where it was too small,
-- settled.sql finds out. "g" comes after every hash.
CREATE TEMPORARY TABLE chosen ON COMMIT DROP AS
SELECT
    species_id,
    CASE WHEN share < 1 THEN lpad(to_hex(floor(share * 4294967296)::bigint), 8, '0') ELSE 'g' END COLLATE "C" AS below,
    false AS is_settled
FROM (
    SELECT *, 2.5 * (%(photos_per_species)s * 1.25 + 60) / available AS share
    FROM counted
    WHERE available >= %(min_photos_per_species)s
    ORDER BY species_rank
    LIMIT %(species_limit)s
) AS largest;
ANALYZE chosen;

CREATE TEMPORARY TABLE sampled (
    species_id bigint, photo_row tid, observation_number integer, nth_of_observation bigint
) ON COMMIT DROP;
