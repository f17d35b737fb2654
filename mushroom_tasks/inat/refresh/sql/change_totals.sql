-- Totals of the compared photos (see compare.sql): each photo counts once, whatever the number of its species.
--
-- photos_without_species  of all that differ, those that count for no species on either side (genera, hybrids)
-- reclassified            moved although their observations name the taxa they named: the taxonomy changed
-- observers_renamed       observers whose name or login changed: the credit lines of their photos change with it
SELECT
    (SELECT count(DISTINCT photo_id) FROM photos) AS photos_before,
    (SELECT count(DISTINCT photo_id) FROM incoming.photos) AS photos_after,
    count(*) FILTER (WHERE kind = 'added') AS added,
    count(*) FILTER (WHERE kind = 'removed') AS removed,
    count(*) FILTER (WHERE kind = 'moved') AS moved,
    count(*) FILTER (WHERE kind = 'moved' AND is_same_taxon) AS reclassified,
    count(*) FILTER (WHERE kind = 'changed') AS changed,
    count(*) FILTER (WHERE kind = 'changed' AND is_relicensed) AS relicensed,
    count(*) FILTER (WHERE kind = 'changed' AND is_regraded) AS regraded,
    count(*) FILTER (WHERE species_before = '{}' AND species_after = '{}') AS photos_without_species,
    (SELECT count(*) FROM counted) AS species,
    (SELECT count(*) FROM counted WHERE photos_before = 0) AS species_gained,
    (SELECT count(*) FROM counted WHERE photos_after = 0) AS species_lost,
    (SELECT count(*)
     FROM observers AS b
     JOIN incoming.observers AS a USING (observer_id)
     WHERE (b.login, b.name) IS DISTINCT FROM (a.login, a.name)) AS observers_renamed
FROM compared;
