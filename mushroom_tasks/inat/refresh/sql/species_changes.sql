-- The compared photos (see compare.sql), counted per species: those without a change are left out.
--
-- A photo whose observations name two species counts for both, so sums over species may exceed the totals; photos that
-- count for no species (genera, hybrids) are in the totals alone. What a species had before follows from what it has.
CREATE TEMPORARY TABLE shared_photos ON COMMIT DROP AS
SELECT photo_id FROM incoming.photos GROUP BY photo_id HAVING count(*) > 1;
ANALYZE shared_photos;

CREATE TEMPORARY TABLE counted ON COMMIT DROP AS
WITH of_species AS (
    SELECT c.*, s.taxon_id, s.taxon_id = ANY(species_before) AS is_before, s.taxon_id = ANY(species_after) AS is_after
    FROM compared AS c
    CROSS JOIN LATERAL (
        SELECT unnest(c.species_before) AS taxon_id
        UNION
        SELECT unnest(c.species_after)
    ) AS s
),
counts AS (
    SELECT
        taxon_id,
        count(*) FILTER (WHERE kind = 'added') AS added,
        count(*) FILTER (WHERE kind = 'removed') AS removed,
        count(*) FILTER (WHERE kind = 'moved' AND NOT is_before) AS moved_in,
        count(*) FILTER (WHERE kind = 'moved' AND NOT is_after) AS moved_out,
        count(*) FILTER (WHERE kind = 'changed') AS changed,
        count(*) FILTER (WHERE kind = 'changed' AND is_relicensed) AS relicensed,
        count(*) FILTER (WHERE kind = 'changed' AND is_regraded) AS regraded
    FROM of_species
    WHERE kind <> 'moved' OR is_before <> is_after
    GROUP BY taxon_id
),
rows_of_species AS (
    SELECT s.species_id AS taxon_id, count(*) AS photo_rows
    FROM incoming.photos AS p
    JOIN incoming.observations AS o USING (observation_uuid)
    JOIN species_after AS s ON s.taxon_id = o.taxon_id
    GROUP BY s.species_id
),
-- Rows that repeat a photo within a species. Counting distinct pairs of all rows would sort millions for these few.
repeated_of_species AS (
    SELECT taxon_id, sum(photo_rows - 1) AS photo_rows
    FROM (
        SELECT photo_id, s.species_id AS taxon_id, count(*) AS photo_rows
        FROM shared_photos
        JOIN incoming.photos AS p USING (photo_id)
        JOIN incoming.observations AS o USING (observation_uuid)
        JOIN species_after AS s ON s.taxon_id = o.taxon_id
        GROUP BY photo_id, s.species_id
    ) AS shared
    GROUP BY taxon_id
),
photos_of_species AS (
    SELECT r.taxon_id, r.photo_rows - coalesce(d.photo_rows, 0)::bigint AS photos
    FROM rows_of_species AS r
    LEFT JOIN repeated_of_species AS d USING (taxon_id)
)
SELECT
    taxon_id,
    coalesce(a.name, b.name) AS scientific_name,
    coalesce(p.photos, 0) - c.added - c.moved_in + c.removed + c.moved_out AS photos_before,
    coalesce(p.photos, 0) AS photos_after,
    c.added,
    c.removed,
    c.moved_in,
    c.moved_out,
    c.changed,
    c.relicensed,
    c.regraded
FROM counts AS c
LEFT JOIN photos_of_species AS p USING (taxon_id)
LEFT JOIN incoming.taxa AS a USING (taxon_id)
LEFT JOIN taxa AS b USING (taxon_id);
