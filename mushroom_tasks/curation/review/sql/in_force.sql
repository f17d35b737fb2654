-- The decisions in force: the last row of each photo and species, where that is no undo of the first.
SELECT photo_id, taxon_id, verdict, decided_by, decided_at
FROM (
    SELECT DISTINCT ON (photo_id, taxon_id) photo_id, taxon_id, verdict, decided_by, decided_at
    FROM review_decisions
    ORDER BY photo_id, taxon_id, id DESC
) AS last
WHERE verdict IS NOT NULL
ORDER BY photo_id, taxon_id
