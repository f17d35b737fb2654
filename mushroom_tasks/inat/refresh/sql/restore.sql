-- Brings back the tables that the last load replaced, and drops those it made; they are locked already (lock.sql).
-- {schema} and {previous} are filled in.
DROP TABLE {schema}.taxa, {schema}.observations, {schema}.photos, {schema}.observers, {schema}.withdrawn_photos;
ALTER TABLE {previous}.taxa SET SCHEMA {schema};
ALTER TABLE {previous}.observations SET SCHEMA {schema};
ALTER TABLE {previous}.photos SET SCHEMA {schema};
ALTER TABLE {previous}.observers SET SCHEMA {schema};
ALTER TABLE {previous}.withdrawn_photos SET SCHEMA {schema};
DROP SCHEMA {previous};
