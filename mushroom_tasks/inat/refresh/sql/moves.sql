-- From which species to which photos moved, most photos first; null stands for no species (a genus, a hybrid).
SELECT
    f.taxon_id AS from_taxon_id,
    (SELECT t.name FROM taxa AS t WHERE t.taxon_id = f.taxon_id) AS from_name,
    s.taxon_id AS to_taxon_id,
    (SELECT t.name FROM incoming.taxa AS t WHERE t.taxon_id = s.taxon_id) AS to_name,
    count(*) AS photos
FROM compared AS c
LEFT JOIN LATERAL (SELECT unnest(c.species_before) AS taxon_id EXCEPT SELECT unnest(c.species_after)) AS f ON true
LEFT JOIN LATERAL (SELECT unnest(c.species_after) AS taxon_id EXCEPT SELECT unnest(c.species_before)) AS s ON true
WHERE c.kind = 'moved'
GROUP BY f.taxon_id, s.taxon_id
ORDER BY photos DESC, f.taxon_id, s.taxon_id
LIMIT :most;
