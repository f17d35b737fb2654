-- What a load changes, photo by photo: the current tables beside those of schema incoming, both of the same roots.
--
-- species_before and species_after (made before this runs) map taxa to the species they count for, by the taxonomy of
-- each side: a photo moves when its observation is identified anew, and also when a taxon is merged, split or renamed.
--
-- A month changes a few percent, so rows are matched first and only photos with a row that differs are looked at
-- closely. A photo may be on several observations (about 130,000 are): photos are told apart by photo_id, and each
-- counts for every species that its observations name.
--
-- Compared is what a data set uses. anomaly_score and positional_accuracy are left out: iNaturalist computes the first
-- one anew for millions of observations, and neither is part of a data set. So are width and height of the original,
-- and photo_uuid, which goes with photo_id: the narrower the rows, the fewer of them spill from memory.
CREATE TEMPORARY TABLE changed_observations ON COMMIT DROP AS
SELECT b.observation_uuid
FROM observations AS b
JOIN incoming.observations AS a USING (observation_uuid)
LEFT JOIN species_before AS sb ON sb.taxon_id = b.taxon_id
LEFT JOIN species_after AS sa ON sa.taxon_id = a.taxon_id
WHERE (sb.species_id, b.quality_grade, b.latitude, b.longitude, b.observed_on)
    IS DISTINCT FROM (sa.species_id, a.quality_grade, a.latitude, a.longitude, a.observed_on);
ANALYZE changed_observations;

-- A row of a changed observation is either in the current table, or new and so found by the first part.
CREATE TEMPORARY TABLE touched ON COMMIT DROP AS
SELECT photo_id
FROM photos AS b
FULL JOIN incoming.photos AS a USING (photo_id, observation_uuid)
WHERE (b.observer_id, b.extension, b.license, b.position)
    IS DISTINCT FROM (a.observer_id, a.extension, a.license, a.position)
UNION
SELECT photo_id FROM photos JOIN changed_observations USING (observation_uuid);
ANALYZE touched;

CREATE TEMPORARY TABLE compared ON COMMIT DROP AS
WITH photo_rows AS (
    SELECT false AS is_after, p.photo_id, p.license, o.quality_grade, o.taxon_id, s.species_id
    FROM touched
    JOIN photos AS p USING (photo_id)
    JOIN observations AS o USING (observation_uuid)
    LEFT JOIN species_before AS s USING (taxon_id)
    UNION ALL
    SELECT true, p.photo_id, p.license, o.quality_grade, o.taxon_id, s.species_id
    FROM touched
    JOIN incoming.photos AS p USING (photo_id)
    JOIN incoming.observations AS o USING (observation_uuid)
    LEFT JOIN species_after AS s USING (taxon_id)
),
sides AS (
    SELECT
        photo_id,
        is_after,
        coalesce(array_agg(DISTINCT species_id) FILTER (WHERE species_id IS NOT NULL), '{}') AS species,
        array_agg(DISTINCT taxon_id) AS taxa,
        array_agg(DISTINCT license) AS licenses,
        array_agg(DISTINCT quality_grade) AS grades
    FROM photo_rows
    GROUP BY photo_id, is_after
)
SELECT
    photo_id,
    CASE
        WHEN b.photo_id IS NULL THEN 'added'
        WHEN a.photo_id IS NULL THEN 'removed'
        WHEN b.species <> a.species THEN 'moved'
        ELSE 'changed'
    END AS kind,
    coalesce(b.species, '{}') AS species_before,
    coalesce(a.species, '{}') AS species_after,
    b.taxa = a.taxa AS is_same_taxon,
    b.licenses <> a.licenses AS is_relicensed,
    b.grades <> a.grades AS is_regraded
FROM (SELECT * FROM sides WHERE NOT is_after) AS b
FULL JOIN (SELECT * FROM sides WHERE is_after) AS a USING (photo_id);
ANALYZE compared;
