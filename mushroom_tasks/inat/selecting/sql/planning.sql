-- How this transaction may plan and work; nothing outlives it.
--
-- Groups here are about as many as rows. Sorting them, mostly in order as they come, takes a third of the time of a
-- hash table that outgrows work_mem (3 s against 9 s for 10 million rows). A join by hashing may take twice work_mem.
-- Compiling these plans costs more than it saves. A row read through an index costs about what any other does, on an
-- SSD or in memory: a few species then come through the indexes.
SET LOCAL work_mem = '256MB';
SET LOCAL enable_hashagg = off;
SET LOCAL jit = off;
SET LOCAL random_page_cost = 1.1;
CREATE TEMPORARY TABLE in_countries (observation_uuid uuid) ON COMMIT DROP;
