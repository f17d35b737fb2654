"""The SQL takes shortcuts (hash limits, subtraction, small numbers for uuids); it has to give what the rules say."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from typing import Any

import pytest
from loaded_rows import Rows
from small_bucket import ROOTS
from sqlalchemy import Engine

from mushroom_tasks.inat.selecting.selection import choose
from mushroom_tasks.settings import SelectionSettings

_SPECIES_OF = {21: 21, 22: 21, 31: 31, 41: 41, 42: 42}


def by_the_rules(rows: Rows, settings: SelectionSettings) -> tuple[set[tuple[int, str]], dict[int, int]]:
    """Return (photo_id, observation_uuid) of what is selected, and what is available per species, step by step."""
    observations = {row["observation_uuid"]: row for row in rows.observations}
    claims = defaultdict(list)
    for photo in rows.photos:
        observation = observations[photo["observation_uuid"]]
        if observation["quality_grade"] in settings.quality_grades and photo["license"] in settings.licenses:
            claims[photo["photo_id"]].append(
                (photo["observation_uuid"], _SPECIES_OF[observation["taxon_id"]], photo["observer_id"])
            )
    undisputed = {i: min(found) for i, found in claims.items() if len({species for _, species, _ in found}) == 1}

    def digest(photo_id: int) -> tuple[str, int]:
        return hashlib.md5(f"{settings.seed}:photo:{photo_id}".encode()).hexdigest(), photo_id

    of_observation, of_observer = Counter[str](), Counter[tuple[int, int]]()
    numbered = []
    for photo_id in sorted(undisputed, key=digest):
        observation, species, observer = undisputed[photo_id]
        of_observation[observation] += 1
        if of_observation[observation] <= settings.max_photos_per_observation:
            numbered.append((of_observation[observation], *digest(photo_id), observation, species, observer))
    per_species = defaultdict(list)
    for _, _, photo_id, observation, species, observer in sorted(numbered):
        of_observer[species, observer] += 1
        if of_observer[species, observer] <= settings.max_photos_per_observer:
            per_species[species].append((photo_id, observation))
    available = {species: len(photos) for species, photos in per_species.items()}
    enough = [species for species, count in available.items() if count >= settings.min_photos_per_species]
    chosen = sorted(enough, key=lambda species: (-available[species], species))[: settings.species_count]
    taken = {photo for species in chosen for photo in per_species[species][: settings.photos_per_species]}
    return taken, available


def _random_rows(seed: int, photos_per_observation: int) -> Rows:
    """Return a few hundred photos of four species: shared ones, disputed ones, large observations, busy observers."""
    draw = random.Random(seed)
    rows, photo_id = Rows(), 0
    for _ in range(450):
        taxon_id = draw.choices([21, 22, 31, 41, 42], [50, 10, 25, 10, 5])[0]
        count = draw.choices([1, draw.randint(1, photos_per_observation), 14], [70, 27, 3])[0]
        photo_ids = list(range(photo_id, photo_id + count))
        photo_id += count
        if photo_id > 20 and draw.random() < 0.05:
            photo_ids.append(draw.randrange(photo_id - count))
        rows.observe(
            taxon_id,
            photo_ids,
            observer_id=int(draw.paretovariate(0.7)) % 60,
            quality_grade=draw.choice(["research", "research", "needs_id"]),
            license=draw.choice(["CC0", "CC-BY", "C"]),
        )
    return rows


@pytest.mark.parametrize("seed", range(3))
def test_choose__gives_what_the_rules_say(engine: Engine, seed: int) -> None:
    rows = _random_rows(seed, photos_per_observation=(2, 6, 12)[seed])
    rows.write(engine)
    draw = random.Random(seed)
    for _ in range(8):
        wanted: dict[str, Any] = {
            "species_count": draw.randint(2, 4),
            "photos_per_species": draw.choice([1, 3, 10, 40, 400]),
            "min_photos_per_species": 1,
            "max_photos_per_observation": draw.choice([1, 2, 10]),
            "max_photos_per_observer": draw.choice([1, 5, 100]),
            "quality_grades": draw.choice([("research",), ("research", "needs_id")]),
            "seed": draw.randint(0, 9),
        }
        settings = SelectionSettings(**wanted)
        taken, available = by_the_rules(rows, settings)
        found = choose(engine, ROOTS, settings)
        pairs = zip(found.photos["photo_id"].to_pylist(), found.photos["observation_uuid"].to_pylist(), strict=True)
        assert set(pairs) == taken, wanted
        counted = zip(found.species["taxon_id"].to_pylist(), found.species["available"].to_pylist(), strict=True)
        assert dict(counted) == available, wanted


def test_choose__samples_again_where_the_first_look_finds_too_little(engine: Engine, caplog: Any) -> None:
    """Large observations: many photos are available, but few first ones of observations lie below the hash limit."""
    rows = Rows()
    for taxon_id in (21, 31):
        for number in range(40):
            first = taxon_id * 1000 + number * 10
            rows.observe(taxon_id, range(first, first + 10), observer_id=number)
    rows.write(engine)
    settings = SelectionSettings(photos_per_species=60, min_photos_per_species=1)
    with caplog.at_level("INFO"):
        found = choose(engine, ROOTS, settings)
    assert "2 species are sampled once more" in caplog.text
    taken, _ = by_the_rules(rows, settings)
    assert set(found.photos["photo_id"].to_pylist()) == {photo_id for photo_id, _ in taken}
