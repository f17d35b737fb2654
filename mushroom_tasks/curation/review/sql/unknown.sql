-- Those of the given photos that no review set shows under the given species.
SELECT given.photo_id, given.taxon_id
FROM unnest(CAST(:photo_ids AS bigint[]), CAST(:taxon_ids AS bigint[])) AS given (photo_id, taxon_id)
WHERE NOT EXISTS (
    SELECT FROM review_items AS i WHERE i.photo_id = given.photo_id AND i.taxon_id = given.taxon_id
);
