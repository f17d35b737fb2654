-- Everything that writes decisions, or repeats them in the items, takes turns: so the order of the log is the order in
-- which the items were changed, and two people who decide the same photo at once leave both in agreement. A turn takes
-- milliseconds. Released with the transaction.
SELECT pg_advisory_xact_lock(:key);
