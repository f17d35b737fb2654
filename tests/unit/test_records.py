"""Records: every kind of photo as a plain JPEG, whole after any kill, and found again by its checksum."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from mushroom_tasks import imaging
from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.records import SIDE, Records, write_records
from mushroom_tasks.storage import Store


def noise(seed: int, width: int = 48, height: int = 32) -> Image.Image:
    coarse = np.random.default_rng(seed).uniform(0, 255, (4, 6, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(noise(3), quality=95, exif=exif)


KINDS = {
    "grey": lambda: encoded(noise(1).convert("L"), quality=95),
    "cmyk": lambda: encoded(noise(2).convert("CMYK"), quality=95),
    "turned": turned,
    "png": lambda: encoded(noise(4), "PNG"),
    "alpha": lambda: encoded(noise(5).convert("RGBA"), "PNG"),
    "large": lambda: encoded(noise(6, 1000, SIDE + 88), quality=95),
}


class Photos:
    """A store with photos; `rows` is what names them."""

    def __init__(self, folder: Path, files: list[bytes]) -> None:
        self.store, self.files = Store(folder / "store"), files
        self.sha256 = [hashlib.sha256(data).hexdigest() for data in files]
        paths = [f"photos/{number}.jpg" for number in range(len(files))]
        for path, data in zip(paths, files, strict=True):
            self.store.write_bytes(path, data)
        self.rows = pa.table({"sha256": self.sha256, "path": paths})

    def write(self, cache: Path, shard_bytes: int = 2500) -> Records:
        return write_records(self.rows, self.store, cache, shard_bytes=shard_bytes)

    def read(self, records: Records) -> list[bytes]:
        return records.read(records.indices(self.sha256))


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    return Photos(tmp_path, [encoded(noise(seed), quality=90) for seed in range(12)])


def shards(cache: Path) -> list[Path]:
    return sorted(cache.glob("records/*/*.tfrecord"))


def test_write_records__keeps_plain_jpegs_byte_for_byte_in_several_shards(photos: Photos, tmp_path: Path) -> None:
    records = photos.write(tmp_path / "cache")
    assert photos.read(records) == photos.files
    assert len(records) == 12
    assert len(shards(tmp_path / "cache")) == len(records.shards) > 2
    np.testing.assert_array_equal(records.sizes(np.arange(12)), [[32, 48]] * 12)


def test_write_records__are_tfrecords_that_tensorflow_reads(photos: Photos, tmp_path: Path) -> None:
    import tensorflow as tf

    records = photos.write(tmp_path / "cache")
    found = [record.numpy() for record in tf.data.TFRecordDataset([str(path) for path in records.shards])]
    assert found == records.read(np.arange(len(records)))


@pytest.mark.parametrize("kind", KINDS)
def test_write_records__makes_an_upright_rgb_jpeg_of_every_kind(kind: str, tmp_path: Path) -> None:
    import tensorflow as tf

    data = KINDS[kind]()
    photos = Photos(tmp_path, [data])
    records = photos.write(tmp_path / "cache")
    (record,) = photos.read(records)
    pixels = tf.io.decode_jpeg(record).numpy()
    expected = imaging.decode(data)
    if kind == "large":
        assert min(pixels.shape[:2]) == SIDE
        expected = expected.resize(pixels.shape[1::-1], Image.Resampling.BILINEAR)
    assert pixels.shape == (*records.sizes(np.array([0]))[0], 3)
    assert np.abs(pixels - np.asarray(expected, dtype=float)).mean() < 4


def test_write_records__writes_once(photos: Photos, tmp_path: Path) -> None:
    photos.write(tmp_path / "cache")
    photos.store.delete("photos", recursive=True)
    photos.rows = photos.rows.take(np.arange(12)[::-1])
    assert photos.read(photos.write(tmp_path / "cache")) == photos.files


def test_write_records__does_not_care_about_labels(photos: Photos, tmp_path: Path) -> None:
    photos.write(tmp_path / "cache")
    photos.rows = photos.rows.append_column("scientific_name", pa.array(["Boletus edulis"] * 12))
    photos.write(tmp_path / "cache")
    assert len(list((tmp_path / "cache" / "records").iterdir())) == 1


def test_write_records__goes_on_after_the_last_whole_shard(photos: Photos, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    whole = photos.write(cache)
    folder = whole.shards[0].parent
    # As a kill leaves it: the third shard half written, the fourth with an index that never came.
    for path in (*whole.shards[3:], *(folder / f"{number:05d}.index.npy" for number in range(2, len(whole.shards)))):
        path.unlink()
    whole.shards[2].rename(whole.shards[2].with_suffix(".part"))
    finished = set(whole.entries["sha256"][whole.shard < 2])
    for sha256, path in zip(photos.sha256, photos.rows["path"].to_pylist(), strict=True):
        if sha256.encode() in finished:
            photos.store.delete(path)  # these are not read again
    again = photos.write(cache)
    assert photos.read(again) == photos.files
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize("damage", ["cut off", "gone", "index cut off"])
def test_write_records__writes_a_broken_shard_anew(photos: Photos, tmp_path: Path, damage: str) -> None:
    records = photos.write(tmp_path / "cache")
    shard = records.shards[1]
    if damage == "gone":
        shard.unlink()
    else:
        broken = shard if damage == "cut off" else shard.with_name("00001.index.npy")
        broken.write_bytes(broken.read_bytes()[:-30])
    assert photos.read(photos.write(tmp_path / "cache")) == photos.files


def test_write_records__names_photo_that_is_gone_or_damaged(photos: Photos, tmp_path: Path) -> None:
    photos.store.write_bytes("photos/5.jpg", photos.files[5][:-400])
    with pytest.raises(LearningError, match=r"photos/5\.jpg no longer decodes \(truncated"):
        photos.write(tmp_path / "cache")
    photos.store.delete("photos/5.jpg")
    with pytest.raises(LearningError, match=r"photos/5\.jpg is gone"):
        photos.write(tmp_path / "cache")
    photos.store.write_bytes("photos/5.jpg", photos.files[5])
    assert photos.read(photos.write(tmp_path / "cache")) == photos.files


def test_write_records__refuses_an_empty_table(photos: Photos, tmp_path: Path) -> None:
    with pytest.raises(LearningError, match="empty table"):
        write_records(photos.rows.slice(0, 0), photos.store, tmp_path)


def test_read__refuses_a_damaged_record_and_names_its_shard(photos: Photos, tmp_path: Path) -> None:
    records = photos.write(tmp_path / "cache")
    shard = records.shards[1]
    content = bytearray(shard.read_bytes())
    content[40] ^= 1
    shard.write_bytes(content)
    (first, *_) = np.flatnonzero(records.shard == 1)
    with pytest.raises(LearningError, match=rf"{shard.name} is damaged. Delete that file"):
        records.read(np.array([first]))
    assert len(records.read(np.flatnonzero(records.shard == 0))) > 1
    shard.unlink()
    with pytest.raises(LearningError, match=rf"{shard.name} cannot be read"):
        records.read(np.array([first]))


def test_indices__refuses_photo_in_no_record(photos: Photos, tmp_path: Path) -> None:
    records = photos.write(tmp_path / "cache")
    with pytest.raises(LearningError, match="in no record"):
        records.indices([photos.sha256[0], "f" * 64])
