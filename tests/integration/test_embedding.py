"""The stage `embed_shard`: one decode gives embedding, quality and hash, and each is kept by itself."""

from __future__ import annotations

import hashlib
import io
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pictures import scenery

from mushroom_tasks import imaging, manifests
from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.embedding_store import EmbeddingStore
from mushroom_tasks.learning.embeddings import embedder_fingerprint
from mushroom_tasks.photos.looks import LookStore, look
from mushroom_tasks.settings import Settings, load_settings
from mushroom_tasks.stages import embed_shard
from mushroom_tasks.storage import Store

PHOTOS = {11: 1, 12: 2, 75: 3, 140: 1}  # photo_id -> seed; the first and the last have the same content
DOWNLOADS = "1-2-3-1"


def jpeg(seed: int) -> bytes:
    buffer = io.BytesIO()
    scenery(seed, (160, 120)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_downloads(store: Store, photos: dict[int, int], *, small: bool = False) -> str:
    """Photos in the store and the manifest of their download, whose name is returned."""
    records = []
    for photo_id, seed in photos.items():
        data, path = jpeg(seed), f"photos/medium/{photo_id}.jpg"
        store.write_bytes(path, data)
        record = {"photo_id": photo_id, "status": "ok", "path": path, "sha256": hashlib.sha256(data).hexdigest()}
        if small:
            copy = imaging.smaller(data, 64)
            assert copy is not None
            store.write_bytes(f"small/{photo_id}.jpg", copy)
            record |= {"small_path": f"small/{photo_id}.jpg", "small_sha256": hashlib.sha256(copy).hexdigest()}
        records.append(record)
    records.append({"photo_id": 99, "status": "failed", "failure": "missing"})
    name = f"{'-'.join(map(str, photos.values()))}{'-small' if small else ''}"
    table = pa.Table.from_pylist(records, schema=manifests.DOWNLOADS)
    manifests.write_manifest(store, f"downloads/{name}.parquet", table, manifests.DOWNLOADS, name)
    return name


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose photos are embedded; the backbone is built once for most tests."""
    home = tmp_path_factory.mktemp("embedded")
    settings = settings_of(home)
    downloads = write_downloads(Store(settings.store), PHOTOS)
    results = [embed_shard(settings, downloads, shard, 2) for shard in (0, 1)]
    assert [(result.done, result.reused) for result in results] == [(2, 0), (2, 0)]
    return home


def settings_of(home: Path) -> Settings:
    return load_settings({"home": home, "embedding": {"batch_size": 4}})


@pytest.fixture
def settings(embedded: Path, tmp_path: Path) -> Settings:
    shutil.copytree(embedded, tmp_path / "home")
    return settings_of(tmp_path / "home")


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.store)


def read(store: Store, downloads: str) -> pa.Table:
    table = manifests.read_manifest(store, f"downloads/{downloads}.parquet", manifests.DOWNLOADS)
    return manifests.for_learning(table.filter(pc.equal(table["status"], "ok")))


def written(store: Store, folder: str) -> dict[str, int]:
    """When each file of a folder of the store was written."""
    return {str(path): path.stat().st_mtime_ns for path in Path(store.path(folder)).rglob("*.parquet")}


def test_embed_shard__keeps_embedding_and_look_of_each_photo(settings: Settings, store: Store) -> None:
    rows = read(store, DOWNLOADS)
    assert EmbeddingStore(store, embedder_fingerprint(settings.embedding)).matrix(rows).shape == (4, 1280)
    found = LookStore(store).read(rows)
    for row, seed in zip(found.to_pylist(), PHOTOS.values(), strict=True):
        expected = look(imaging.decode(jpeg(seed)))
        assert row["hash"] == expected.hash
        for name, value in expected.quality._asdict().items():
            assert row[name] == pytest.approx(value, rel=1e-6)


def test_embed_shard__measures_photos_of_before_without_embedding_them_again(
    settings: Settings, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    rows, embedded = read(store, DOWNLOADS), written(store, "embeddings")
    measured = LookStore(store).read(rows)
    store.delete("looks", recursive=True)

    with caplog.at_level("INFO"):
        result = embed_shard(settings, DOWNLOADS, 0, 1)

    assert (result.done, result.reused) == (4, 4)
    assert written(store, "embeddings") == embedded
    assert LookStore(store).read(rows).equals(measured)
    assert [record.message.partition(":")[0] for record in caplog.records] == ["measure"]


def test_embed_shard__again_does_nothing(settings: Settings, store: Store) -> None:
    before = written(store, "")
    # Neither is the photo read: what is known of it is known.
    store.delete("photos", recursive=True)

    assert embed_shard(settings, DOWNLOADS, 0, 1).reused == 4
    assert written(store, "") == before


def test_embed_shard__a_photo_with_other_content_is_looked_at_again(settings: Settings, store: Store) -> None:
    downloads = write_downloads(store, PHOTOS | {12: 9})

    assert embed_shard(settings, downloads, 0, 1).reused == 3
    assert LookStore(store).read(read(store, downloads))["hash"][1].as_py() == look(imaging.decode(jpeg(9))).hash


def test_embed_shard__looks_at_the_copy_that_training_reads(settings: Settings, store: Store) -> None:
    downloads = write_downloads(store, {11: 1}, small=True)
    store.delete("photos", recursive=True)
    embed_shard(settings, downloads, 0, 1)

    data = store.read_bytes("small/11.jpg")
    assert LookStore(store).read(read(store, downloads))["hash"][0].as_py() == look(imaging.decode(data)).hash


def test_embed_shard__a_photo_that_is_gone_is_named_when_it_is_to_be_measured(settings: Settings, store: Store) -> None:
    store.delete("looks", recursive=True)
    store.delete("photos/medium/12.jpg")

    with pytest.raises(LearningError, match=r"medium/12\.jpg is gone"):
        embed_shard(settings, DOWNLOADS, 0, 1)
    assert sorted(LookStore(store).missing(read(store, DOWNLOADS))["photo_id"].to_pylist()) == list(PHOTOS)
