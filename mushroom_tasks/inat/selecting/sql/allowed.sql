-- Photos that may be selected: a row per photo and observation, as narrow as can be, for there are millions.
--
-- species_of (made before this runs) maps a taxon to its species: varieties, subspecies and forms roll up, while
-- hybrids, genera and inactive taxa are not in it. An observation whose taxon is missing upstream joins nothing.
--
-- One pass over either table. Each observation gets a small number in place of its uuid: sorting by it later is
-- several times as quick, and goes with the order of the rows. A handful of species comes through the indexes
-- ix_observations_taxon_id and ix_photos_observation_uuid instead. observation_row and photo_row say where the rows
-- lie, to find the few that are selected again; this transaction sees the tables as they were at its start.
CREATE TEMPORARY TABLE eligible ON COMMIT DROP AS
SELECT (row_number() OVER ())::integer AS observation_number, o.ctid AS observation_row, o.observation_uuid, s.species_id
FROM observations AS o
JOIN species_of AS s ON s.taxon_id = o.taxon_id
WHERE s.is_wanted AND {observation_passes};
ANALYZE eligible;

CREATE TEMPORARY TABLE allowed ON COMMIT DROP AS
SELECT e.observation_number, p.ctid AS photo_row, e.species_id, p.observer_id, p.photo_id
FROM photos AS p
JOIN eligible AS e ON e.observation_uuid = p.observation_uuid
WHERE p.license = ANY(%(licenses)s);
ANALYZE allowed;
