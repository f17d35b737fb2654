-- Adds the photos that this load misses, with the number of the load; see withdrawn.sql.
INSERT INTO incoming.withdrawn_photos
SELECT DISTINCT p.photo_id, p.extension, CAST(:snapshot_id AS bigint)
FROM compared AS c
JOIN photos AS p USING (photo_id)
WHERE c.kind = 'removed';
