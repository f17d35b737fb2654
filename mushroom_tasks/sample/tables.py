"""The four metadata tables of a sample bucket, and its truth.

Written as iNaturalist writes them: tab-separated, gzip, nothing quoted, so names hold quotes as they are. Besides
the planned photos they hold what a real snapshot is full of: plants, other quality grades, names above species,
hybrids, inactive and missing taxa, fungi outside the wanted phyla, one photo on two observations. The photos of
those other rows have no file: a workflow that asks for one has selected wrongly.

    write_tables(Store("sample"), make_plan(species=8, photos_per_species=40, seed=1))
"""

from __future__ import annotations

import gzip
import io
import uuid
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import numpy as np

from mushroom_tasks.sample import taxa
from mushroom_tasks.sample.plan import FIRST_OBSERVER_ID, OBSERVERS, Plan, PlannedPhoto
from mushroom_tasks.storage import Store

TABLES = {
    "taxa": "taxon_id ancestry rank_level rank name active",
    "observations": "observation_uuid observer_id latitude longitude positional_accuracy taxon_id quality_grade "
    "observed_on anomaly_score",
    "photos": "photo_uuid photo_id observation_uuid observer_id extension license width height position",
    "observers": "observer_id login name",
}
_TRUTH = "photo_id label true_label kind fault"
_LICENSES = ("CC-BY-NC", "CC-BY", "CC0", "CC-BY-NC-SA", "CC-BY-NC-ND", "CC-BY-SA")
_LICENSE_SHARES = (0.6, 0.18, 0.1, 0.05, 0.05, 0.02)
_ORIGINAL_SIZES = ((2048, 1536), (1536, 2048), (2048, 1365), (1600, 1200), (2048, 2048))
_NAMES = (
    "",
    'O\'Brien "Bri"',
    "Åsa Öberg",
    "Łukasz Żak",
    "菌子",
    'R. "Rob" Vane',
    "D'Arcy Lunn",
    "Zoë",
    "Ines Portela",
)
_MISSING_TAXON_ID = 9_999_999
_OTHER_PHOTO_ID = 31_000_000  # photos that have no file
_VARIETY_EVERY = 9
_DUPLICATES = 4
_PLANT_OBSERVATIONS = 1500

Row = tuple[object, ...]


def write_tables(store: Store, plan: Plan) -> dict[str, int]:
    """Write the four tables and `truth.csv`; return the number of rows of each table."""
    rows = _Rows(plan).tables()
    for name, columns in TABLES.items():
        store.write_bytes(f"{name}.csv.gz", _gzip(columns.split(), rows[name]))
    truth = [(p.photo_id, p.label.label, p.shown.label if p.shown else "-", p.kind, p.fault) for p in plan.photos]
    store.write_text("truth.csv", _lines([_TRUTH.split(), *truth], ","))
    return {name: len(found) for name, found in rows.items()}


def _gzip(columns: Sequence[str], rows: Iterable[Row]) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as file:
        file.write(_lines([columns, *rows], "\t").encode())
    return buffer.getvalue()


def _lines(rows: Iterable[Sequence[object]], separator: str) -> str:
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


class _Rows:
    """Collects observations and photos; the plan's first, then all that a workflow has to leave aside."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rng = np.random.default_rng([plan.seed, 1])
        self._taxonomy = taxa.build_taxonomy()
        self._observations: list[Row] = []
        self._photos: list[Row] = []

    def tables(self) -> dict[str, list[Row]]:
        """Return the rows of each table; those of observations and photos in no order, as upstream's."""
        self._add_planned()
        self._add_others()
        return {
            "taxa": self._taxonomy.rows,
            "observations": self._shuffled(self._observations),
            "photos": self._shuffled(self._photos),
            "observers": [self._observer(FIRST_OBSERVER_ID + i) for i in range(OBSERVERS)],
        }

    def _add_planned(self) -> None:
        by_observation: dict[int, list[PlannedPhoto]] = {}
        for photo in self._plan.photos:
            by_observation.setdefault(photo.observation, []).append(photo)
        doubled = 0
        for number, photos in sorted(by_observation.items()):
            first = photos[0]
            observation = self._observation(self._planned_taxon(first, number), first.observer_id, "research")
            for photo in photos:
                row = self._photo(photo.photo_id, observation, photo.observer_id, photo.position)
                if doubled < _DUPLICATES and photo.kind == "clean" and number % 5 == 0:
                    # Someone uses one photo for two observations: the same photo_uuid and photo_id again.
                    second = self._observation(self._planned_taxon(first, number), first.observer_id, "research")
                    self._photos.append((*row[:2], second, *row[3:]))
                    doubled += 1

    def _planned_taxon(self, photo: PlannedPhoto, number: int) -> int:
        ids = self._taxonomy.ids
        finer = {taxa.VARIETY.split(" var.")[0]: taxa.VARIETY, taxa.FORM.split(" f.")[0]: taxa.FORM}
        name = photo.label.name
        return ids[finer[name] if name in finer and number % _VARIETY_EVERY == 0 else name]

    def _add_others(self) -> None:
        ids, species = self._taxonomy.ids, self._plan.species
        for plant in self._rng.choice(taxa.PLANTS, size=_PLANT_OBSERVATIONS).tolist():
            self._other(ids[plant], "research")
        for one in species:
            for grade in ("needs_id", "needs_id", "casual"):
                self._other(ids[one.name], grade)
            self._other(ids[one.genus], "research")
        for name in (taxa.INACTIVE, taxa.HYBRID, taxa.OUTSIDE):
            for _ in range(6):
                self._other(ids[name], "research")
        for taxon in (_MISSING_TAXON_ID, ""):
            for _ in range(6):
                self._other(taxon, "needs_id")

    def _other(self, taxon_id: int | str, grade: str) -> None:
        observer = FIRST_OBSERVER_ID + int(self._rng.integers(OBSERVERS))
        observation = self._observation(taxon_id, observer, grade)
        for position in range(int(self._rng.integers(1, 3))):
            self._photo(_OTHER_PHOTO_ID + len(self._photos), observation, observer, position)

    def _observation(self, taxon_id: int | str, observer_id: int, grade: str) -> str:
        rng, own = self._rng, self._uuid()
        day = date(2016, 1, 1) + timedelta(days=int(rng.integers(3500)))
        self._observations.append(
            (
                own,
                observer_id,
                f"{rng.uniform(45, 60):.10f}",
                f"{rng.uniform(5, 30):.10f}",
                ("", "5", "20", "300")[rng.integers(4)],
                taxon_id,
                grade,
                day.isoformat(),
                f"{rng.gamma(2.0, 0.4):.4f}",
            )
        )
        return own

    def _photo(self, photo_id: int, observation: str, observer_id: int, position: int) -> Row:
        license_code = self._rng.choice(_LICENSES, p=_LICENSE_SHARES)
        width, height = _ORIGINAL_SIZES[self._rng.integers(len(_ORIGINAL_SIZES))]
        row = (self._uuid(), photo_id, observation, observer_id, "jpg", license_code, width, height, position)
        self._photos.append(row)
        return row

    def _observer(self, observer_id: int) -> Row:
        return observer_id, f"walker_{observer_id}", _NAMES[observer_id % len(_NAMES)]

    def _shuffled(self, rows: list[Row]) -> list[Row]:
        return [rows[i] for i in self._rng.permutation(len(rows)).tolist()]

    def _uuid(self) -> str:
        return str(uuid.UUID(bytes=self._rng.bytes(16), version=4))
