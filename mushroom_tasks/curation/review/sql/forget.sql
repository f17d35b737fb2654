-- Drops all review sets but those that were queued last. The log of decisions is not touched.
WITH kept AS (SELECT id FROM review_sets ORDER BY queued_at DESC, id DESC LIMIT :keep_sets),
items AS (DELETE FROM review_items WHERE set_id NOT IN (SELECT id FROM kept)),
species AS (DELETE FROM review_species WHERE set_id NOT IN (SELECT id FROM kept))
DELETE FROM review_sets WHERE id NOT IN (SELECT id FROM kept);
