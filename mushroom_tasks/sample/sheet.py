"""A contact sheet of a sample bucket, a row per species: the picture in the README.

contact_sheet(Path("sample")).save("docs/images/sample.jpg", quality=75)
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageOps

from mushroom_tasks.errors import SettingsError
from mushroom_tasks.imaging import decode

_GAP = 3


def contact_sheet(folder: Path, *, columns: int = 6, tile: tuple[int, int] = (136, 102)) -> Image.Image:
    """Return the first clean photos of each species of a bucket, in rows, as an RGB image.

    Species come in the order of their names; those with fewer than `columns` photos are left out.
    Raises SettingsError where the folder holds no sample bucket.
    """
    truth = folder / "truth.csv"
    if not truth.exists():
        raise SettingsError(f"a contact sheet needs a written sample bucket; no truth.csv. Received: {str(folder)!r}")
    rows: dict[str, list[Path]] = defaultdict(list)
    with truth.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["kind"] == "clean" and not row["fault"]:
                rows[row["label"]].append(folder / "photos" / row["photo_id"] / "medium.jpg")
    full = [paths[:columns] for _, paths in sorted(rows.items()) if len(paths) >= columns]
    width, height = (side + _GAP for side in tile)
    sheet = Image.new("RGB", (width * columns + _GAP, height * len(full) + _GAP), "white")
    for line, paths in enumerate(full):
        for column, path in enumerate(paths):
            photo = ImageOps.fit(decode(path.read_bytes()), tile, Image.Resampling.LANCZOS)
            sheet.paste(photo, (_GAP + column * width, _GAP + line * height))
    return sheet
