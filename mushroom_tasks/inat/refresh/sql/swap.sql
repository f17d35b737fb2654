-- The new tables take the place of the current ones, at the end of the load's transaction; those move to the schema
-- {previous}, where they wait for a rollback.
--
-- Moving tables, not TRUNCATE and INSERT: readers are kept out for milliseconds, not for the minutes that the rows
-- take, and see either all old or all new rows. The tables are locked already (lock.sql).
-- {schema} and {previous} are filled in.
CREATE SCHEMA {previous};
ALTER TABLE {schema}.taxa SET SCHEMA {previous};
ALTER TABLE {schema}.observations SET SCHEMA {previous};
ALTER TABLE {schema}.photos SET SCHEMA {previous};
ALTER TABLE {schema}.observers SET SCHEMA {previous};
ALTER TABLE {schema}.withdrawn_photos SET SCHEMA {previous};
ALTER TABLE incoming.taxa SET SCHEMA {schema};
ALTER TABLE incoming.observations SET SCHEMA {schema};
ALTER TABLE incoming.photos SET SCHEMA {schema};
ALTER TABLE incoming.observers SET SCHEMA {schema};
ALTER TABLE incoming.withdrawn_photos SET SCHEMA {schema};
DROP SCHEMA incoming;
