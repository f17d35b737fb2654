-- Allowed photos that are not to be selected, each once.
--
-- About 130,000 photo_ids are on two observations. Where both say the same species, the row with the smaller
-- observation_uuid counts; where they disagree (a picture of two mushrooms, or one of them is wrong), no label can be
-- trusted, and the photo is left out. Only rows that pass the filters have a say, but those of species that are not
-- wanted do.
CREATE TEMPORARY TABLE repeated ON COMMIT DROP AS
SELECT photo_id FROM allowed GROUP BY photo_id HAVING count(*) > 1
UNION
SELECT a.photo_id
FROM allowed AS a
JOIN photos AS p ON p.photo_id = a.photo_id
JOIN observations AS o ON o.observation_uuid = p.observation_uuid
JOIN species_of AS s ON s.taxon_id = o.taxon_id
WHERE NOT s.is_wanted AND p.license = ANY(%(licenses)s) AND {observation_passes};
ANALYZE repeated;

CREATE TEMPORARY TABLE shared ON COMMIT DROP AS
SELECT
    p.photo_id,
    p.observation_uuid,
    p.observer_id,
    s.is_wanted,
    row_number() OVER (PARTITION BY p.photo_id ORDER BY s.is_wanted DESC, p.observation_uuid) AS nth,
    min(s.species_id) OVER of_photo <> max(s.species_id) OVER of_photo AS is_disputed
FROM repeated AS r
JOIN photos AS p ON p.photo_id = r.photo_id
JOIN observations AS o ON o.observation_uuid = p.observation_uuid
JOIN species_of AS s ON s.taxon_id = o.taxon_id
WHERE p.license = ANY(%(licenses)s) AND {observation_passes}
WINDOW of_photo AS (PARTITION BY p.photo_id);
ANALYZE shared;

CREATE TEMPORARY TABLE dropped ON COMMIT DROP AS
SELECT e.observation_number, e.species_id, s.observer_id, s.photo_id
FROM shared AS s
JOIN eligible AS e ON e.observation_uuid = s.observation_uuid
WHERE s.is_disputed OR s.nth > 1;

-- Observations with more photos than are taken of one give those whose hashes come first. md5 gives the same order on
-- every machine and version of PostgreSQL; here it is made for these few only.
INSERT INTO dropped
SELECT observation_number, species_id, observer_id, photo_id
FROM (
    SELECT a.observation_number, a.species_id, a.observer_id, a.photo_id, row_number() OVER (
        PARTITION BY a.observation_number ORDER BY md5(%(seed)s || ':photo:' || a.photo_id)::uuid, a.photo_id
    ) AS nth_of_observation
    FROM allowed AS a
    JOIN (
        SELECT observation_number FROM allowed
        GROUP BY observation_number HAVING count(*) > %(max_photos_per_observation)s
    ) AS crowded ON crowded.observation_number = a.observation_number
    WHERE NOT EXISTS (
        SELECT FROM dropped AS d WHERE d.photo_id = a.photo_id AND d.observation_number = a.observation_number
    )
) AS numbered
WHERE nth_of_observation > %(max_photos_per_observation)s;
ANALYZE dropped;
