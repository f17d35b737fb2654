-- What is odd about the kept rows. None of it stops a load by itself: upstream has such rows in every snapshot. But
-- beyond ingest.max_orphan_ratio the files do not fit each other.
--
-- observations_of_inactive_taxa  named by a taxon that iNaturalist has swapped for another: they count for no species
-- observations_of_hybrids        of any rank with "hybrid" in its name: they count for no species
-- observations_below_species     of subspecies, varieties and forms: they count for the species above, where that is
--                                there and active
-- photo_ids_shared               on more than one observation (about 130,000 upstream, of all taxa)
-- photos_without_observer        whose observer has no row (accounts that were deleted): attribution shows the id
-- observations_without_photo     none of whose photos is published
--
-- What an observation counts for is said per taxon first; there are far fewer of those.
WITH kinds AS (
    SELECT
        t.taxon_id,
        NOT t.active AS is_inactive,
        t.active AND position('hybrid' IN t.rank) > 0 AS is_hybrid,
        t.active AND position('hybrid' IN t.rank) = 0 AND EXISTS (
            SELECT FROM incoming.taxa AS s
            WHERE s.taxon_id = ANY(string_to_array(nullif(t.ancestry, ''), '/')::bigint[])
              AND s.rank = 'species' AND s.active
        ) AS is_below_species
    FROM incoming.taxa AS t
    WHERE NOT t.active OR position('hybrid' IN t.rank) > 0 OR t.rank_level < 10
),
named AS (
    SELECT
        count(*) FILTER (WHERE k.is_inactive) AS observations_of_inactive_taxa,
        count(*) FILTER (WHERE k.is_hybrid) AS observations_of_hybrids,
        count(*) FILTER (WHERE k.is_below_species) AS observations_below_species
    FROM incoming.observations AS o
    JOIN kinds AS k ON k.taxon_id = o.taxon_id
)
SELECT
    named.*,
    (SELECT count(*) FROM (SELECT FROM incoming.photos GROUP BY photo_id HAVING count(*) > 1) AS shared) AS photo_ids_shared,
    (SELECT count(*) FROM incoming.photos AS p
     WHERE NOT EXISTS (SELECT FROM incoming.observers AS o WHERE o.observer_id = p.observer_id)) AS photos_without_observer,
    (SELECT count(*) FROM incoming.observations AS o
     WHERE NOT EXISTS (SELECT FROM incoming.photos AS p WHERE p.observation_uuid = o.observation_uuid)) AS observations_without_photo
FROM named;
