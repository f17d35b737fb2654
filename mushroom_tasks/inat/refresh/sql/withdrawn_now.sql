-- Adds the photos that the last load had and this one has not, on any observation, with the number of this load. Taken
-- from `compared` (see compare.sql), so a load of other roots, which leaves out photos that are still published,
-- withdraws none.
INSERT INTO incoming.withdrawn_photos
SELECT DISTINCT p.photo_id, p.extension, CAST(:snapshot_id AS bigint)
FROM compared AS c
JOIN photos AS p USING (photo_id)
WHERE c.kind = 'removed';
