-- Drops the tables that were kept for a rollback, all of them or none. {previous} is filled in.
DROP TABLE IF EXISTS
    {previous}.taxa, {previous}.observations, {previous}.photos, {previous}.observers, {previous}.withdrawn_photos;
DROP SCHEMA IF EXISTS {previous};
