-- The new tables take the place of the old ones, at the end of the load's transaction.
--
-- Moving tables, not TRUNCATE and INSERT: readers are kept out for milliseconds, not for the minutes that the rows
-- take, and see either all old or all new rows. The locks are taken in one order, so that readers cannot deadlock.
-- {schema} is filled in.
LOCK TABLE {schema}.taxa, {schema}.observations, {schema}.photos, {schema}.observers IN ACCESS EXCLUSIVE MODE;
DROP TABLE {schema}.taxa, {schema}.observations, {schema}.photos, {schema}.observers;
ALTER TABLE incoming.taxa SET SCHEMA {schema};
ALTER TABLE incoming.observations SET SCHEMA {schema};
ALTER TABLE incoming.photos SET SCHEMA {schema};
ALTER TABLE incoming.observers SET SCHEMA {schema};
DROP SCHEMA incoming;
