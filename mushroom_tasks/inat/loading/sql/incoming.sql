-- The tables that a load fills, as the current ones are, without keys and indexes: those are made when the rows
-- are in, which is several times faster.
--
-- All of a load is one transaction, this schema included: a load that is killed, or loses its connection, leaves
-- nothing behind, and nobody but the load ever sees the schema.
CREATE SCHEMA incoming;
CREATE TABLE incoming.taxa (LIKE taxa INCLUDING DEFAULTS INCLUDING STORAGE);
CREATE TABLE incoming.observations (LIKE observations INCLUDING DEFAULTS INCLUDING STORAGE);
CREATE TABLE incoming.photos (LIKE photos INCLUDING DEFAULTS INCLUDING STORAGE);
CREATE TABLE incoming.observers (LIKE observers INCLUDING DEFAULTS INCLUDING STORAGE);
