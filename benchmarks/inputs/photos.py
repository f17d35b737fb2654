"""Made-up photos of iNaturalist's medium size: 500 x 375 pixels, about 47 kB, no two alike, always the same.

Each is cut from a large drawing whose detail falls off with its frequency as in a photograph, and saved as a JPEG of
an ordinary quality; so they are as large, and as dear to decode, as their content makes them. All lie one behind the
other in one file, from which the server sends them without touching them.

    pack = write_photos(Path("/tmp/photos"), 10_000)
    pack.read(17)
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 500, 375
EXTENSION = "jpg"
_QUALITY = 85
_DRAWING = (1500, 2000)  # rows, columns
_FALLS = (1.1, 1.2, 1.3, 1.4)  # how steeply detail falls off, from a thicket to a smooth cap; for about 47 kB


@dataclass(frozen=True)
class Pack:
    """Photos in one file: photo `i`, from 0, lies at bytes `ends[i - 1]` to `ends[i]` and has the id `i + 1`."""

    path: Path
    ends: tuple[int, ...]

    @property
    def ids(self) -> range:
        """Return the ids of all photos."""
        return range(1, len(self.ends) + 1)

    def place(self, photo_id: int) -> tuple[int, int]:
        """Return where a photo lies: offset and length; KeyError where there is none of that id."""
        if not 0 < photo_id <= len(self.ends):
            raise KeyError(photo_id)
        start = self.ends[photo_id - 2] if photo_id > 1 else 0
        return start, self.ends[photo_id - 1] - start

    def read(self, photo_id: int) -> bytes:
        """Return a photo's bytes."""
        offset, length = self.place(photo_id)
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def fingerprint(self) -> str:
        """Return what `fingerprint_of` gives for these photos."""
        return fingerprint_of([self.read(photo_id) for photo_id in self.ids])


def write_photos(folder: Path, count: int, seed: int = 1) -> Pack:
    """Write so many photos into a folder; the same bytes for the same numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    drawings = [_drawing(rng, fall) for fall in _FALLS]
    ends, end = [], 0
    with (folder / "photos.bin").open("wb") as file:
        for nth in range(count):
            drawing = drawings[nth % len(drawings)]
            left = int(rng.integers(0, drawing.width - WIDTH + 1))
            top = int(rng.integers(0, drawing.height - HEIGHT + 1))
            buffer = io.BytesIO()
            drawing.crop((left, top, left + WIDTH, top + HEIGHT)).save(buffer, "JPEG", quality=_QUALITY)
            end += file.write(buffer.getvalue())
            ends.append(end)
    np.save(folder / "ends.npy", np.array(ends, dtype=np.int64))
    return Pack(folder / "photos.bin", tuple(ends))


def open_photos(folder: Path) -> Pack:
    """Return the photos that were written into a folder."""
    return Pack(folder / "photos.bin", tuple(int(end) for end in np.load(folder / "ends.npy")))


def fingerprint_of(contents: Sequence[bytes]) -> str:
    """Return one sha256 of many files, whatever their names and order."""
    sums = sorted(hashlib.sha256(content).digest() for content in contents)
    return hashlib.sha256(b"".join(sums)).hexdigest()


def _drawing(rng: np.random.Generator, fall: float) -> Image.Image:
    light, blue, red = (_noise(rng, fall), _noise(rng, fall + 0.4), _noise(rng, fall + 0.4))
    planes = np.stack([128 + 45 * light, 118 + 12 * blue, 134 + 12 * red], axis=-1)
    return Image.fromarray(np.clip(planes, 0, 255).astype(np.uint8), "YCbCr").convert("RGB")


def _noise(rng: np.random.Generator, fall: float) -> NDArray[np.float64]:
    """Return noise whose amplitude is 1 / frequency ** fall; mean 0, standard deviation 1."""
    rows, columns = _DRAWING
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None])
    frequency[0, 0] = 1.0
    waves = (rng.normal(size=frequency.shape) + 1j * rng.normal(size=frequency.shape)) / frequency**fall
    noise = np.fft.irfft2(waves, s=_DRAWING)
    return np.asarray((noise - noise.mean()) / noise.std())
