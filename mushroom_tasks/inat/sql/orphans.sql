-- What the kept rows point to without finding it. None of it stops a load: upstream has such rows in every snapshot.
--
-- photo_ids_shared      photo_ids on more than one observation
-- photos_wo_observer    photos whose observer has no row (accounts that were deleted): attribution shows the id
-- observations_wo_photo observations none of whose photos is published
SELECT
    (SELECT count(*) FROM (SELECT FROM incoming.photos GROUP BY photo_id HAVING count(*) > 1) AS shared) AS photo_ids_shared,
    (SELECT count(*) FROM incoming.photos AS p
     WHERE NOT EXISTS (SELECT FROM incoming.observers AS o WHERE o.observer_id = p.observer_id)) AS photos_without_observer,
    (SELECT count(*) FROM incoming.observations AS o
     WHERE NOT EXISTS (SELECT FROM incoming.photos AS p WHERE p.observation_uuid = o.observation_uuid)) AS observations_without_photo;
