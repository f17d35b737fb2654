-- Counts anew how far the review of the species of one batch has come, in all sets.
UPDATE review_species AS s
SET (waiting, decided) = (
    SELECT
        count(*) FILTER (WHERE i.verdict IS NULL AND (i.is_outlier OR i.doubt IS NOT NULL)),
        count(i.verdict)
    FROM review_items AS i
    WHERE i.set_id = s.set_id AND i.taxon_id = s.taxon_id
)
WHERE s.taxon_id IN (SELECT d.taxon_id FROM review_decisions AS d WHERE d.batch = CAST(:batch AS uuid));
