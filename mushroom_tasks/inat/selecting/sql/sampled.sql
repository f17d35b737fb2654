-- Of each chosen species the first N photos that the caps let through.
--
-- Every observation gives its first photo before any gives its second: two photos of one mushroom teach less than
-- photos of two. The order depends on ids and the seed alone, so a larger photos_per_species only adds photos.
--
-- A limit on the hash (chosen.below) does not change the first photos of observations, nor their order, for all that
-- come before one of them have smaller hashes. So N of them below the limit are the first N of all.
INSERT INTO sampled
WITH hashed AS (
    SELECT a.*, md5(%(seed)s || ':photo:' || a.photo_id)::uuid AS hash
    FROM chosen AS c
    JOIN allowed AS a ON a.species_id = c.species_id
    WHERE NOT c.is_settled
      AND md5(%(seed)s || ':photo:' || a.photo_id) COLLATE "C" < c.below
      AND NOT EXISTS (
          SELECT FROM dropped AS d WHERE d.photo_id = a.photo_id AND d.observation_number = a.observation_number
      )
),
within_observation AS (
    SELECT *, row_number() OVER (PARTITION BY observation_number ORDER BY hash, photo_id) AS nth_of_observation
    FROM hashed
),
within_observer AS (
    SELECT *, row_number() OVER (
        PARTITION BY species_id, observer_id ORDER BY nth_of_observation, hash, photo_id
    ) AS nth_of_observer
    FROM within_observation
),
within_species AS (
    SELECT *, row_number() OVER (PARTITION BY species_id ORDER BY nth_of_observation, hash, photo_id) AS nth_of_species
    FROM within_observer
    WHERE nth_of_observer <= %(max_photos_per_observer)s
)
SELECT species_id, photo_row, observation_number, nth_of_observation
FROM within_species
WHERE nth_of_species <= %(photos_per_species)s;
ANALYZE sampled;
