-- Counts how far the review of each species of a new set has come, through decisions that were made before.
UPDATE review_species AS s
SET waiting = c.waiting, decided = c.decided
FROM (
    SELECT
        taxon_id,
        count(*) FILTER (WHERE verdict IS NULL AND (is_outlier OR doubt IS NOT NULL)) AS waiting,
        count(verdict) AS decided
    FROM review_items
    WHERE set_id = :set_id
    GROUP BY taxon_id
) AS c
WHERE s.set_id = :set_id AND s.taxon_id = c.taxon_id;
