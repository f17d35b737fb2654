"""photos.download with a smaller copy for training."""

from __future__ import annotations

import io
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image
from worst_bucket import SETTINGS, Bucket, body, download_one, encode, rows

from mushroom_tasks import imaging
from mushroom_tasks.photos.download import download
from mushroom_tasks.storage import Store

SMALL = {"small_side": 64}


def _scene(width: int = 300, height: int = 200) -> Image.Image:
    """Red, green over blue, white: upright looks like nothing else."""
    image = Image.new("RGB", (width, height), "white")
    image.paste("red", (0, 0, width // 2, height // 2))
    image.paste("green", (width // 2, 0, width, height // 2))
    image.paste("blue", (0, height // 2, width // 2, height))
    return image


def _copy(store: Store, row: dict[str, object]) -> Image.Image:
    assert row["small_path"] == "photos/medium-64/007/7.jpg"
    data = store.read_bytes(str(row["small_path"]))
    assert row["small_sha256"] == sha256(data).hexdigest()
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_download__makes_a_smaller_copy_of_every_format(bucket: Bucket, store: Store, kind: str) -> None:
    data = encode(_scene(), kind)
    row = download_one(bucket, store, body(data), **SMALL)
    copy = _copy(store, row)
    assert (copy.format, copy.mode, copy.size) == ("JPEG", "RGB", (96, 64))
    assert (row["format"], row["width"], row["height"]) == (kind, 300, 200)
    assert store.read_bytes(row["path"]) == data
    expected = np.asarray(_scene().resize((96, 64), Image.Resampling.BOX), dtype=int)
    assert np.abs(np.asarray(copy, dtype=int) - expected).mean() < 6


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_download__makes_rgb_copies(bucket: Bucket, store: Store, mode: str) -> None:
    copy = _copy(store, download_one(bucket, store, body(encode(_scene().convert(mode))), **SMALL))
    assert (copy.mode, copy.size) == ("RGB", (96, 64))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_download__makes_upright_copies(bucket: Bucket, store: Store, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(_scene(), quality=95, exif=exif)
    copy = _copy(store, download_one(bucket, store, body(data), **SMALL))
    assert not copy.getexif()
    upright = imaging.decode(data).resize(copy.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(copy, dtype=int) - np.asarray(upright, dtype=int)).mean() < 6


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("length", [300, 1500, -300, -2])
def test_download__finds_damage_while_it_makes_a_copy(
    bucket: Bucket, store: Store, length: int, progressive: bool
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), progressive=progressive)[:length]
    row = download_one(bucket, store, body(data), **SMALL)
    assert row["failure"] in ("truncated", "not_an_image")
    assert store.list("photos") == []


def test_download__copies_nothing_that_is_small_already(bucket: Bucket, store: Store) -> None:
    row = download_one(bucket, store, body(encode(_scene(90, 64))), **SMALL)
    assert (row["status"], row["small_path"], row["small_sha256"]) == ("ok", None, None)
    assert store.list("photos") == ["medium"]


def test_download__makes_missing_copies_without_another_request(bucket: Bucket, store: Store) -> None:
    for photo_id in range(7, 10):
        bucket.serve(photo_id, body(encode(_scene())))
    settings = SETTINGS.model_copy(update=SMALL)
    download(rows(7, 8), bucket.address, store, SETTINGS)
    bucket.requests.clear()
    table = download(rows(7, 8, 9), bucket.address, store, settings)
    assert sorted(bucket.requests) == [9]
    store.delete("photos/medium-64/008/8.jpg")
    again = download(rows(7, 8, 9), bucket.address, store, settings, earlier=table)
    assert again.equals(table)
    assert store.exists("photos/medium-64/008/8.jpg")
    assert sorted(bucket.requests) == [9]
