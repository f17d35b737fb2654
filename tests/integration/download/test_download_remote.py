"""photos.download into an S3-compatible store, beside the same into a folder."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs
from moto.server import ThreadedMotoServer
from PIL import Image
from worst_bucket import SETTINGS, Bucket, body, photo, rows

from mushroom_tasks.manifests import DOWNLOADS, manifest_fingerprint, manifest_writer, read_batches, read_manifest
from mushroom_tasks.photos.download import download, download_batches
from mushroom_tasks.storage import Store


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store in a bucket of an S3-compatible server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    name = f"mushrooms-{uuid.uuid4().hex}"  # moto keeps buckets for as long as the process lives
    s3fs.S3FileSystem().mkdir(name)
    yield Store(f"s3://{name}/store")
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_download__writes_the_same_to_s3_as_to_a_folder(bucket: Bucket, remote: Store, store: Store) -> None:
    contents = {photo_id: photo(photo_id) for photo_id in range(60)}
    for photo_id, data in contents.items():
        bucket.serve(photo_id, body(data))
    bucket.serve(60, body(b"", 404))
    settings = SETTINGS.model_copy(update={"small_side": 16, "connections": 16})
    for target in (store, remote):
        with manifest_writer(target, "d.parquet", DOWNLOADS, "f00d") as out:
            batches = rows(*range(61)).to_batches()
            totals = download_batches(batches, bucket.address, target, settings, total=61, write=out.write_batch)
        assert (totals.new, totals.reused, totals.failures.by_reason) == (60, 0, {"missing": 1})

    assert manifest_fingerprint(remote, "d.parquet") == "f00d"
    table = read_manifest(remote, "d.parquet", DOWNLOADS)
    assert table.equals(read_manifest(store, "d.parquet", DOWNLOADS))
    assert remote.read_bytes("d.parquet") == store.read_bytes("d.parquet")
    for row in table.slice(0, 60).to_pylist():
        assert remote.read_bytes(row["path"]) == contents[row["photo_id"]]
        assert remote.read_bytes(row["small_path"]) == store.read_bytes(row["small_path"])
        assert Image.open(io.BytesIO(remote.read_bytes(row["small_path"]))).size == (21, 16)


def test_download__goes_on_in_s3_where_it_was(bucket: Bucket, remote: Store) -> None:
    for photo_id in range(12):
        bucket.serve(photo_id, body(photo(photo_id)))
    first = download(rows(*range(10)), bucket.address, remote, SETTINGS)
    remote.fs.pipe_file(remote.path("photos/medium/003/3.jpg"), photo(3)[:-300])
    remote.delete("photos/medium/004/4.jpg")
    bucket.requests.clear()
    again = download(rows(*range(12)), bucket.address, remote, SETTINGS)
    assert sorted(bucket.requests) == [3, 4, 10, 11]
    assert again.slice(0, 10).equals(first)
    bucket.requests.clear()
    trusting = download(rows(*range(12)), bucket.address, remote, SETTINGS, earlier=again)
    assert not bucket.requests
    assert trusting.equals(again)


def test_read_batches__reads_any_length_piece_by_piece(store: Store, tmp_path: Path) -> None:
    table = download(rows(*range(50), extension="none at all"), str(_folder(tmp_path)), store, SETTINGS)
    with manifest_writer(store, "d.parquet", DOWNLOADS, "f") as out:
        for batch in table.to_batches(max_chunksize=20):
            out.write_batch(batch)
    pieces = list(read_batches(store, "d.parquet", DOWNLOADS, ["photo_id"], rows=7))
    assert max(piece.num_rows for piece in pieces) <= 7
    assert [photo_id for piece in pieces for photo_id in piece["photo_id"].to_pylist()] == list(range(50))


def _folder(tmp_path: Path) -> Path:
    (tmp_path / "bucket" / "photos").mkdir(parents=True)
    return tmp_path / "bucket"
