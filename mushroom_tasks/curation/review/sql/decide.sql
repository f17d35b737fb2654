-- Appends decisions to the log, all with one time: that of the statement, for the transaction may have waited.
-- Those of a file bring their own time.
INSERT INTO review_decisions (photo_id, taxon_id, verdict, decided_by, decided_at, batch)
SELECT
    given.photo_id,
    given.taxon_id,
    given.verdict,
    given.decided_by,
    coalesce(given.decided_at, statement_timestamp()),
    CAST(:batch AS uuid)
FROM unnest(
    CAST(:photo_ids AS bigint[]),
    CAST(:taxon_ids AS bigint[]),
    CAST(:verdicts AS text[]),
    CAST(:decided_by AS text[]),
    CAST(:decided_at AS timestamptz[])
) AS given (photo_id, taxon_id, verdict, decided_by, decided_at);
