-- Which chosen species have all their photos; the others are sampled once more, of all their photos.
--
-- A species is settled where no limit was set on the hash, or where N first photos of observations were found below it.
UPDATE chosen AS c
SET is_settled = true
WHERE c.below = 'g' OR c.species_id IN (
    SELECT species_id FROM sampled WHERE nth_of_observation = 1
    GROUP BY species_id HAVING count(*) >= %(photos_per_species)s
);
DELETE FROM sampled AS s USING chosen AS c WHERE s.species_id = c.species_id AND NOT c.is_settled;
UPDATE chosen SET below = 'g' WHERE NOT is_settled;
