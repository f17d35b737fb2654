-- Observations in the box around the countries, whose points are then tested one by one. Those of species that are not
-- wanted too: they have a say in what a shared photo shows (dropped.sql).
SELECT o.observation_uuid, o.longitude, o.latitude
FROM observations AS o
JOIN species_of AS s ON s.taxon_id = o.taxon_id
WHERE o.quality_grade = ANY(%(quality_grades)s)
  AND o.longitude BETWEEN %(area_west)s AND %(area_east)s
  AND o.latitude BETWEEN %(area_south)s AND %(area_north)s
