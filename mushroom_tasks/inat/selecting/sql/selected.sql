-- The selection: what was sampled, with all columns, and its split.
--
-- The rows are fetched from where they lie, in the order in which they lie: a few seconds less than another pass over
-- both tables, which the planner would prefer, for it takes any order for random reads of a disk.
CREATE TEMPORARY TABLE found ON COMMIT DROP AS
SELECT s.species_id, s.photo_row, e.observation_row
FROM sampled AS s
JOIN eligible AS e ON e.observation_number = s.observation_number
ORDER BY s.photo_row;
ANALYZE found;

SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
CREATE TEMPORARY TABLE taken ON COMMIT DROP AS
SELECT
    f.species_id, p.photo_id, p.photo_uuid, p.observation_uuid, p.observer_id, p.license, p.extension, p.position,
    o.latitude, o.longitude, o.observed_on
FROM found AS f
JOIN photos AS p ON p.ctid = f.photo_row
JOIN observations AS o ON o.ctid = f.observation_row;
ANALYZE taken;
SET LOCAL enable_hashjoin = on;
SET LOCAL enable_mergejoin = on;

-- The split depends on observer and seed alone: all photos of an observer fall into one split, and no later snapshot
-- moves them. The first 32 bits of the hash, as a share of their range, are compared with the shares. The test share
-- lies first, so another validation share leaves the test split as it was.
CREATE TEMPORARY TABLE selected ON COMMIT DROP AS
WITH hashed AS (
    SELECT
        *,
        ('x' || left(md5(%(seed)s || ':observer:' || observer_id), 8))::bit(32)::bigint / 4294967296.0 AS share
    FROM taken
)
SELECT
    h.photo_id,
    h.photo_uuid,
    h.observation_uuid,
    h.observer_id,
    u.login,
    u.name AS observer_name,
    h.species_id AS taxon_id,
    t.name AS scientific_name,
    h.license,
    h.extension,
    h.position,
    h.latitude,
    h.longitude,
    h.observed_on,
    CASE
        WHEN h.share < %(test_share)s THEN 'test'
        WHEN h.share < %(test_share)s + %(validation_share)s THEN 'validation'
        ELSE 'train'
    END AS split
FROM hashed AS h
JOIN taxa AS t ON t.taxon_id = h.species_id
LEFT JOIN observers AS u ON u.observer_id = h.observer_id; -- accounts that were deleted have no row
