"""Writes the sample bucket: invented fungi, drawn by code, in the exact layout of iNaturalist's open data.

It lets the whole workflow run, and be tested, without a network and without anyone's photos. `truth.csv` says what
each photo really shows: for measuring pruning, never as an input of the workflow.

    report = write_bucket(Path("sample"), species=8, photos_per_species=40, seed=1)
"""

from __future__ import annotations

import json
import logging
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mushroom_tasks.errors import SettingsError
from mushroom_tasks.progress import Progress
from mushroom_tasks.sample.drawing.junk import draw_junk
from mushroom_tasks.sample.drawing.scene import draw_fungus
from mushroom_tasks.sample.files import UNDRAWN, encode
from mushroom_tasks.sample.plan import Plan, PlannedPhoto, make_plan
from mushroom_tasks.sample.tables import write_tables
from mushroom_tasks.storage import Store

logger = logging.getLogger(__name__)

# Raise it whenever the drawings, the plan or the tables change: older buckets are then written anew.
VERSION = 3
MARKER = "sample.json"


@dataclass(frozen=True)
class SampleReport:
    """What a sample bucket holds.

    `photos` counts the photos filed under the species that were asked for; those of the species with too few come
    on top. `contaminated` of them do not show their species, `broken` have a file that is faulty or gone.
    `drawn` counts the photos drawn by this call: 0 where the bucket was there already.
    """

    folder: Path
    species: int
    photos: int
    contaminated: int
    broken: int
    observers: int
    photo_rows: int
    observation_rows: int
    drawn: int


def write_bucket(
    folder: Path,
    *,
    species: int = 8,
    photos_per_species: int = 40,
    seed: int = 1,
    progress_folder: Path | None = None,
) -> SampleReport:
    """Write a sample bucket into a folder, or complete one that was interrupted.

    The same parameters give the same bytes. A folder that holds this very bucket is left as it is.

    Raises
    ------
    SettingsError
        Where a parameter is out of range, or the folder holds something else; nothing is changed then.
    StorageFull
        Where no space is left; call again to complete.
    """
    plan = make_plan(species=species, photos_per_species=photos_per_species, seed=seed)
    parameters = {"species": species, "photos_per_species": photos_per_species, "seed": seed}
    done = _claim(folder, parameters)
    if done is not None:
        return done
    store = Store(folder)
    rows = write_tables(store, plan)
    drawn = _write_photos(store, plan, progress_folder)
    report = _report(folder, plan, rows, drawn)
    _mark(store, parameters, report)
    return report


def _claim(folder: Path, parameters: dict[str, int]) -> SampleReport | None:
    """Return the report of a finished bucket, or make the folder ready to be written.

    Raises SettingsError where the folder is not ours to write.
    """
    marker = folder / MARKER
    if not marker.exists():
        _refuse_foreign(folder)
        _mark(Store(folder), parameters, None)
        return None
    state = _read_marker(marker)
    if state.get("parameters") != parameters:
        raise SettingsError(
            f"{folder} holds a sample bucket of other parameters: {state.get('parameters')}. Received: {parameters}. "
            "Choose another folder, or remove this one."
        )
    if state.get("version") != VERSION:
        logger.info("%s was written by another version of the sample bucket: writing it anew", folder)
        _mark(Store(folder), parameters, None)
        shutil.rmtree(folder / "photos", ignore_errors=True)
        return None
    report = state.get("report")
    return SampleReport(**{**report, "folder": folder, "drawn": 0}) if report else None


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"a sample bucket needs a folder. Received a file: {str(folder)!r}")
    present = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    # A first marker that was cut off while being written is ours.
    foreign = [name for name in present if not name.startswith(f"{MARKER}.")]
    if foreign:
        raise SettingsError(
            f"{folder} already holds something that is no sample bucket ({', '.join(foreign[:5])}); nothing was "
            "changed. Choose an empty or new folder."
        )


def _read_marker(marker: Path) -> dict[str, Any]:
    try:
        state = json.loads(marker.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise SettingsError(f"{marker} cannot be read: {error}. Remove the folder, or choose another one.") from error
    if not isinstance(state, dict):
        raise SettingsError(f"{marker} is no marker of a sample bucket. Choose another folder.")
    return state


def _mark(store: Store, parameters: dict[str, int], report: SampleReport | None) -> None:
    counts = {k: v for k, v in asdict(report).items() if k not in ("folder", "drawn")} if report else None
    store.write_json(MARKER, {"version": VERSION, "parameters": parameters, "report": counts})


def _write_photos(store: Store, plan: Plan, progress_folder: Path | None) -> int:
    drawn = 0
    with Progress("sample", total=len(plan.photos), unit="photos", folder=progress_folder) as progress:
        for photo in plan.photos:
            path = f"photos/{photo.photo_id}/medium.jpg"
            if not store.exists(path):
                data = draw_file(photo, plan.seed)
                if data is not None:
                    store.write_bytes(path, data)
                    drawn += 1
            progress.advance()
    return drawn


def draw_file(photo: PlannedPhoto, seed: int) -> bytes | None:
    """Return the bytes of one planned photo, None where its file is missing on purpose."""
    if photo.fault in UNDRAWN:
        return UNDRAWN[photo.fault]
    rng = np.random.default_rng([seed, photo.photo_id])
    kind = photo.kind.partition(":")[2]
    image = draw_fungus(photo.shown.recipe, rng) if photo.shown else draw_junk(kind, photo.label.recipe, rng)
    return encode(image, photo.fault)


def _report(folder: Path, plan: Plan, rows: dict[str, int], drawn: int) -> SampleReport:
    wanted = [photo for photo in plan.photos if photo.label in plan.species]
    kinds = Counter(photo.kind == "clean" for photo in wanted)
    return SampleReport(
        folder=folder,
        species=len(plan.species),
        photos=len(wanted),
        contaminated=kinds[False],
        broken=sum(bool(photo.fault) for photo in wanted),
        observers=len({photo.observer_id for photo in wanted}),
        photo_rows=rows["photos"],
        observation_rows=rows["observations"],
        drawn=drawn,
    )
