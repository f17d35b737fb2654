-- The photos that are published no more, as they are after this load: those known before that did not come back, and
-- those that the last load had and this one has not, on any observation. Taken from `compared` (see compare.sql), so a
-- load of other roots, which leaves out photos that are still published, withdraws none.
CREATE TABLE incoming.withdrawn_photos (LIKE withdrawn_photos INCLUDING DEFAULTS INCLUDING STORAGE);
INSERT INTO incoming.withdrawn_photos
SELECT photo_id, extension, snapshot_id
FROM withdrawn_photos AS w
WHERE NOT EXISTS (SELECT FROM incoming.photos AS p WHERE p.photo_id = w.photo_id);
ALTER TABLE incoming.withdrawn_photos ADD CONSTRAINT pk_withdrawn_photos PRIMARY KEY (photo_id, extension);
