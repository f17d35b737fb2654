-- The last row of the log for each of the given photos and species, an undo as well.
SELECT last.photo_id, last.taxon_id, last.verdict, last.decided_at
FROM unnest(CAST(:photo_ids AS bigint[]), CAST(:taxon_ids AS bigint[])) AS given (photo_id, taxon_id)
CROSS JOIN LATERAL (
    SELECT d.photo_id, d.taxon_id, d.verdict, d.decided_at
    FROM review_decisions AS d
    WHERE d.photo_id = given.photo_id AND d.taxon_id = given.taxon_id
    ORDER BY d.id DESC
    LIMIT 1
) AS last;
