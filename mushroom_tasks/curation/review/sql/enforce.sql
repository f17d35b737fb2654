-- Repeats the verdicts of one batch, the last of the log, in the items of all sets.
UPDATE review_items AS i
SET
    verdict = d.verdict,
    decided_by = CASE WHEN d.verdict IS NOT NULL THEN d.decided_by END,
    decided_at = CASE WHEN d.verdict IS NOT NULL THEN d.decided_at END
FROM review_decisions AS d
WHERE d.batch = CAST(:batch AS uuid) AND i.photo_id = d.photo_id AND i.taxon_id = d.taxon_id;
