-- When and where species are observed: a count per species, cell of %(degrees)s degrees and month.
--
-- species_of (made before this runs) maps a taxon to its species. All observations of a species count, with photos or
-- without, selected or not. Left out are:
-- - casual ones, which lack a date or a place, or show what was planted or kept, or stand where nothing grows;
-- - those of observers of the validation and test splits (the same hash as in selecting/sql/selected.sql), so that what
--   is measured with the prior on these splits was not read off their own observations.
-- A place is obscured by up to 0.2 degrees where a taxon is threatened: next to nothing beside a cell.
-- The poles and the antimeridian fall into the last row and column.
CREATE TEMPORARY TABLE seasons ON COMMIT DROP AS
SELECT
    s.species_id AS taxon_id,
    least(floor((o.latitude + 90) / %(degrees)s), 180 / %(degrees)s - 1)::smallint AS cell_row,
    least(floor((o.longitude + 180) / %(degrees)s), 360 / %(degrees)s - 1)::smallint AS cell_column,
    coalesce(extract(month FROM o.observed_on), 0)::smallint AS month, -- 0: not known
    count(*) AS observations
FROM observations AS o
JOIN species_of AS s ON s.taxon_id = o.taxon_id
WHERE
    o.quality_grade <> 'casual'
    AND o.latitude BETWEEN -90 AND 90
    AND o.longitude BETWEEN -180 AND 180
    AND ('x' || left(md5(%(seed)s || ':observer:' || o.observer_id), 8))::bit(32)::bigint / 4294967296.0
        >= %(held_out_share)s
GROUP BY 1, 2, 3, 4;
