-- The photos that are published no more, as far as they were known before this load: those that did not come back.
-- withdrawn_now.sql adds those that this load misses.
CREATE TABLE incoming.withdrawn_photos (LIKE withdrawn_photos INCLUDING DEFAULTS INCLUDING STORAGE);
INSERT INTO incoming.withdrawn_photos
SELECT photo_id, extension, snapshot_id
FROM withdrawn_photos AS w
WHERE NOT EXISTS (SELECT FROM incoming.photos AS p WHERE p.photo_id = w.photo_id);
ALTER TABLE incoming.withdrawn_photos ADD CONSTRAINT pk_withdrawn_photos PRIMARY KEY (photo_id, extension);
