"""A folder of tiny labelled photos, as people have them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SPECIES = {"Amanita muscaria": (200, 40, 30), "Boletus edulis": (140, 100, 50), "Clitocybe nuda": (110, 80, 170)}


def photo(seed: int, colour: tuple[int, int, int] = (120, 120, 120), kind: str = "JPEG") -> bytes:
    """A photo of 40 x 36 px whose content depends on the seed."""
    pixels = np.clip(np.random.default_rng(seed).normal(0, 20, (36, 40, 3)) + colour, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def write_metadata(folder: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    path = folder / "metadata.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def herbarium(folder: Path, *, photos: int = 12, observers: int = 6) -> Path:
    """So many photos of each of three species, by so many observers in turn."""
    rows = []
    for number, (species, colour) in enumerate(SPECIES.items()):
        for nth in range(photos):
            name = f"{species.replace(' ', '_')}/{nth:02d}.jpg"
            write(folder, name, photo(1000 * number + nth, colour))
            rows.append((name, f"Observer {nth % observers}", "2024-09-01"))
    write_metadata(folder, ("file", "observer", "date"), rows)
    return folder
