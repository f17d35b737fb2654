-- Repeats the decisions in force in the items of a new set.
UPDATE review_items AS i
SET verdict = d.verdict, decided_by = d.decided_by, decided_at = d.decided_at
FROM (
    SELECT DISTINCT ON (photo_id, taxon_id) photo_id, taxon_id, verdict, decided_by, decided_at
    FROM review_decisions
    ORDER BY photo_id, taxon_id, id DESC
) AS d
WHERE i.set_id = :set_id AND i.photo_id = d.photo_id AND i.taxon_id = d.taxon_id AND d.verdict IS NOT NULL;
