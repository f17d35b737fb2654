-- Removes rows that repeat a key; the first one in the file stays. Runs only where the key cannot be made (key.sql), for
-- numbering the rows of a table takes as long as copying them. {table} and {key} are filled in.
--
-- Upstream a photo may be on several observations (about 130,000 photo_ids appear twice): those are different rows
-- here, for the key of a photo is (photo_id, observation_uuid). What is removed are repetitions of that pair, and of
-- the ids of taxa, observations and observers.
DELETE FROM incoming.{table}
WHERE ctid IN (
    SELECT ctid
    FROM (SELECT ctid, row_number() OVER (PARTITION BY {key} ORDER BY ctid) AS repetition FROM incoming.{table}) AS numbered
    WHERE repetition > 1
);
