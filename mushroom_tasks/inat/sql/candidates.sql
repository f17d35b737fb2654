-- Photos that may be selected: one row per photo.
--
-- species_of (made before this runs) maps a taxon to its species: varieties, subspecies and forms roll up, while
-- hybrids, genera and inactive taxa are not in it. An observation whose taxon is missing upstream joins nothing.
--
-- About 130,000 photo_ids are on two observations. Where both say the same species, the row with the smaller
-- observation_uuid counts; where they disagree (a picture of two mushrooms, or one of them is wrong), no label can be
-- trusted, and the photo is left out (is_disputed). Only rows that pass the filters have a say.
--
-- The hash decides what is sampled. md5 gives the same order on every machine and version of PostgreSQL.
CREATE TEMPORARY TABLE candidates ON COMMIT DROP AS
SELECT DISTINCT ON (photo_id)
    p.photo_id,
    p.photo_uuid,
    p.observation_uuid,
    p.observer_id,
    s.species_id,
    p.license,
    p.extension,
    p.position,
    o.latitude,
    o.longitude,
    o.observed_on,
    md5(%(seed)s || ':photo:' || p.photo_id)::uuid AS hash,
    count(*) OVER of_photo > 1 AS is_shared,
    min(s.species_id) OVER of_photo <> max(s.species_id) OVER of_photo AS is_disputed
FROM photos AS p
JOIN observations AS o ON o.observation_uuid = p.observation_uuid
JOIN species_of AS s ON s.taxon_id = o.taxon_id
WHERE o.quality_grade = ANY(%(quality_grades)s)
  AND p.license = ANY(%(licenses)s)
WINDOW of_photo AS (PARTITION BY p.photo_id)
ORDER BY photo_id, observation_uuid;
