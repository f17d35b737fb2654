-- The selection: the species with the most photos (ties go to the smaller taxon_id), and of each the first N.
--
-- The split depends on observer and seed alone: all photos of an observer fall into one split, and no later snapshot
-- moves them. The first 32 bits of the hash, as a share of their range, are compared with the shares. The test share
-- lies first, so another validation share leaves the test split as it was.
CREATE TEMPORARY TABLE selected ON COMMIT DROP AS
WITH chosen AS (
    SELECT DISTINCT species_id, available
    FROM ranked
    WHERE available >= %(min_photos_per_species)s
    ORDER BY available DESC, species_id
    LIMIT %(species_count)s
),
shares AS (
    SELECT observer_id, ('x' || left(md5(%(seed)s || ':observer:' || observer_id), 8))::bit(32)::bigint / 4294967296.0 AS share
    FROM (SELECT DISTINCT observer_id FROM ranked) AS observers_of_ranked
)
SELECT
    r.photo_id,
    r.photo_uuid,
    r.observation_uuid,
    r.observer_id,
    u.login,
    u.name AS observer_name,
    r.species_id AS taxon_id,
    t.name AS scientific_name,
    r.license,
    r.extension,
    r.position,
    r.latitude,
    r.longitude,
    r.observed_on,
    CASE
        WHEN h.share < %(test_share)s THEN 'test'
        WHEN h.share < %(test_share)s + %(validation_share)s THEN 'validation'
        ELSE 'train'
    END AS split
FROM ranked AS r
JOIN chosen AS c ON c.species_id = r.species_id
JOIN shares AS h ON h.observer_id = r.observer_id
JOIN taxa AS t ON t.taxon_id = r.species_id
LEFT JOIN observers AS u ON u.observer_id = r.observer_id -- accounts that were deleted have no row
WHERE r.nth_of_species <= %(photos_per_species)s;
