-- The candidates that the caps let through, numbered within their species in the order they are taken.
--
-- Every observation gives its first photo before any gives its second: two photos of one mushroom teach less than
-- photos of two. The order depends on ids and the seed alone, so a larger photos_per_species only adds photos.
CREATE TEMPORARY TABLE ranked ON COMMIT DROP AS
WITH within_observation AS (
    SELECT *, row_number() OVER (PARTITION BY observation_uuid ORDER BY hash, photo_id) AS nth_of_observation
    FROM candidates
    WHERE NOT is_disputed
),
within_observer AS (
    SELECT *, row_number() OVER (
        PARTITION BY species_id, observer_id ORDER BY nth_of_observation, hash, photo_id
    ) AS nth_of_observer
    FROM within_observation
    WHERE nth_of_observation <= %(max_photos_per_observation)s
)
SELECT
    *,
    row_number() OVER (PARTITION BY species_id ORDER BY nth_of_observation, hash, photo_id) AS nth_of_species,
    count(*) OVER (PARTITION BY species_id) AS available
FROM within_observer
WHERE nth_of_observer <= %(max_photos_per_observer)s;
