"""photos.jpeg: what it calls whole decodes, whatever was done to the file."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from PIL import Image

from mushroom_tasks import imaging
from mushroom_tasks.errors import PhotoError
from mushroom_tasks.photos import jpeg

KINDS = {
    "baseline": {},
    "optimised": {"optimize": True, "quality": 95},
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_blocks": 3},
    "progressive with restarts": {"progressive": True, "restart_marker_rows": 1},
    "no subsampling": {"subsampling": 0},
}


def _photo(seed: int = 0, mode: str = "RGB", size: tuple[int, int] = (96, 72), **options: object) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _is_whole(data: bytes) -> bool:
    found = jpeg.probe(data)
    assert found is None or found == imaging.probe(data)
    return found is not None


def _decodes(data: bytes) -> bool:
    try:
        imaging.decode(data)
    except PhotoError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_probe__of_every_kind_of_photo(kind: str, mode: str) -> None:
    assert _is_whole(_photo(mode=mode, **KINDS[kind]))


def _notes() -> dict[str, object]:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "\xff\xd9" * 100
    return {"exif": exif, "comment": b"\xff\xd9 is no end here", "icc_profile": bytes(300)}


def test_probe__with_notes_and_with_bytes_after_the_end() -> None:
    data = _photo(**_notes())
    assert jpeg.probe(data) == ("JPEG", 72, 96)
    assert _is_whole(data)
    assert _is_whole(_photo(icc_profile=bytes(70_000)))
    assert _is_whole(_photo() + b"more")


@pytest.mark.parametrize("kind", KINDS)
def test_probe__of_no_photo_that_breaks_off(kind: str) -> None:
    data = _photo(**KINDS[kind])
    for length in {*range(0, len(data), 41), *range(len(data) - 20, len(data))}:
        assert not _is_whole(data[:length]), f"{length} of {len(data)} bytes"


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"<html>" * 50, b"\xff" * 500, bytes(500)])
def test_probe__of_nothing_else(data: bytes) -> None:
    assert not _is_whole(data)


def test_probe__leaves_very_large_photos_to_a_full_decode() -> None:
    data = _photo(mode="L", size=(2100, 2000), quality=1)
    assert _decodes(data)
    assert not _is_whole(data)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_probe__implies_that_a_full_decode_succeeds() -> None:
    """Bytes changed, cut out, doubled and swapped, in headers and in coded data: no damage is overlooked."""
    chance = random.Random(7)
    whole = [_photo(seed, mode, **options) for seed, options in enumerate(KINDS.values()) for mode in ("RGB", "L")]
    whole += [_photo(1), _photo(2, progressive=True), _photo(3, **_notes()), _photo(4, "CMYK"), _photo(5, **_notes())]
    outcomes = {(False, False): 0, (False, True): 0, (True, True): 0}
    for _ in range(4000):
        data = _damaged(chance, bytearray(chance.choice(whole)))
        found = _is_whole(data)
        decodes = _decodes(data)
        assert decodes or not found, data.hex()
        outcomes[found, decodes] += 1
    assert outcomes[False, False] > 500, "enough of them were damaged"
    assert outcomes[True, True] > 4 * outcomes[False, True], "and few others need a full decode"


def _damaged(chance: random.Random, data: bytearray) -> bytes:
    where = chance.randrange(chance.choice([700, len(data)]))
    length = chance.choice([1, 2, 20, 400])
    match chance.randrange(6):
        case 0:
            del data[where:]
        case 1:
            del data[where : where + length]
        case 2:
            data[where:where] = data[where : where + length]
        case 3:
            data[where : where + 2] = bytes(
                [0xFF, chance.choice([0x00, 0xC0, 0xC4, 0xD0, 0xD8, 0xD9, 0xDA, 0xDC, 0xFF])]
            )
        case _:
            for _ in range(chance.choice([1, 3, 30])):
                data[chance.randrange(chance.choice([700, len(data)]))] = chance.randrange(256)
    return bytes(data)
