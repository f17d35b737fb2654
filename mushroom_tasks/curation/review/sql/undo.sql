-- Appends, for each photo of a batch, the verdict that was in force before it; null where there was none. Photos that
-- were decided again since are left alone: an undo takes back what it names, and nobody else's decision.
INSERT INTO review_decisions (photo_id, taxon_id, verdict, decided_by, decided_at, batch, undoes)
SELECT
    d.photo_id,
    d.taxon_id,
    before.verdict,
    :decided_by,
    statement_timestamp(),
    CAST(:batch AS uuid),
    d.batch
FROM review_decisions AS d
LEFT JOIN LATERAL (
    SELECT b.verdict
    FROM review_decisions AS b
    WHERE b.photo_id = d.photo_id AND b.taxon_id = d.taxon_id AND b.id < d.id
    ORDER BY b.id DESC
    LIMIT 1
) AS before ON true
WHERE d.batch = CAST(:undone AS uuid)
    AND NOT EXISTS (
        SELECT
        FROM review_decisions AS later
        WHERE later.photo_id = d.photo_id AND later.taxon_id = d.taxon_id AND later.id > d.id
    );
