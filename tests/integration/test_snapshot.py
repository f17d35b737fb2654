"""Snapshots from real folders and real HTTP servers."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from bucket_server import Server
from small_bucket import ordinary

from mushroom_tasks.errors import SnapshotDamaged, SourceChanged, SourceUnreachable
from mushroom_tasks.inat.snapshots.snapshot import fetch, folder_of, look
from mushroom_tasks.inat.tables import FILES
from mushroom_tasks.settings import SourceSettings
from mushroom_tasks.storage import Store

ACCESS = SourceSettings(retries=1, timeout=2)


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    return ordinary().write(tmp_path / "bucket")


@pytest.fixture
def server(bucket: Path) -> Iterator[Server]:
    server = Server(bucket)
    yield server
    server.stop()


def test_fetch__gives_one_fingerprint_for_folder_and_http(
    bucket: Path, server: Server, store: Store, tmp_path: Path
) -> None:
    over_http = fetch(server.address, store, ACCESS, tmp_path / "progress")
    from_folder = fetch(str(bucket), Store(tmp_path / "other"), ACCESS, None)
    assert over_http.fingerprint == from_folder.fingerprint
    assert over_http.folder == folder_of(over_http.fingerprint)
    assert over_http.bytes == sum((bucket / name).stat().st_size for name in FILES)
    for name in FILES:
        assert store.read_bytes(f"{over_http.folder}/{name}") == (bucket / name).read_bytes()
    assert store.exists(f"{over_http.folder}/snapshot.json")
    assert (tmp_path / "progress" / "snapshot.json").exists()


def test_fetch__notices_another_content(bucket: Path, store: Store) -> None:
    first = fetch(str(bucket), store, ACCESS, None)
    changed = ordinary()
    changed.observe(900, 21, 3, [900])
    changed.write(bucket)
    assert fetch(str(bucket), store, ACCESS, None).fingerprint != first.fingerprint
    assert len(store.list("snapshots")) == 2


def test_fetch__does_not_fetch_what_the_store_has(server: Server, store: Store) -> None:
    first = fetch(server.address, store, ACCESS, None)
    server.requests.clear()
    assert fetch(server.address, store, ACCESS, None) == first
    assert {method for method, _ in server.requests} == {"HEAD"}


def test_fetch__does_not_write_again_what_another_mirror_gave(bucket: Path, server: Server, store: Store) -> None:
    first = fetch(str(bucket), store, ACCESS, None)
    written = store.fs.modified(store.path(first.folder, "photos.csv.gz"))
    assert fetch(server.address, store, ACCESS, None).fingerprint == first.fingerprint
    assert store.fs.modified(store.path(first.folder, "photos.csv.gz")) == written
    assert store.list("snapshots") == [first.fingerprint]


def test_fetch__knows_every_publication_of_a_snapshot_again(bucket: Path, server: Server, store: Store) -> None:
    fetch(str(bucket), store, ACCESS, None)
    fetch(server.address, store, ACCESS, None)
    server.requests.clear()
    assert fetch(server.address, store, ACCESS, None) == fetch(server.address, store, ACCESS, None)
    assert {method for method, _ in server.requests} == {"HEAD"}
    assert fetch(str(bucket), store, ACCESS, None).validators == look(str(bucket), ACCESS)


def test_look__recognises_a_publication(bucket: Path, server: Server) -> None:
    assert look(server.address, ACCESS) == look(f"{server.address}/", ACCESS)
    assert set(look(server.address, ACCESS)["taxa.csv.gz"]) == {"etag", "last_modified", "size"}
    before = look(str(bucket), ACCESS)
    os.utime(bucket / "taxa.csv.gz", ns=(1, 1))
    assert look(str(bucket), ACCESS)["taxa.csv.gz"] != before["taxa.csv.gz"]


def test_look__works_where_head_is_unknown(server: Server, bucket: Path) -> None:
    async def no_head(request: web.Request) -> web.StreamResponse:
        if request.method == "HEAD":
            raise web.HTTPMethodNotAllowed("HEAD", ["GET"])
        return web.FileResponse(bucket / "taxa.csv.gz")

    expected = look(server.address, ACCESS)
    server.replace("taxa.csv.gz", no_head)
    assert look(server.address, ACCESS) == expected


@pytest.mark.parametrize("source", ["http://127.0.0.1:1/data", "/nowhere/at/all"])
def test_look__says_that_a_source_is_unreachable(source: str) -> None:
    with pytest.raises(SourceUnreachable, match=r"(127\.0\.0\.1:1.*cannot be reached|nowhere).*setting `source`"):
        look(source, ACCESS)


def test_look__says_which_file_is_missing(bucket: Path, server: Server) -> None:
    (bucket / "photos.csv.gz").unlink()
    with pytest.raises(SourceUnreachable, match=r"photos\.csv\.gz answers 404"):
        look(server.address, ACCESS)
    with pytest.raises(SourceUnreachable, match=r"photos\.csv\.gz"):
        look(str(bucket), ACCESS)


def test_fetch__refuses_a_web_page(server: Server, bucket: Path, store: Store) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>Log in</html>", content_type="text/html")

    server.replace("photos.csv.gz", page)
    with pytest.raises(SourceUnreachable, match=r"photos\.csv\.gz.*web page"):
        fetch(server.address, store, ACCESS, None)
    (bucket / "taxa.csv.gz").write_text("<html>Log in</html>")
    with pytest.raises(SnapshotDamaged, match=r"taxa\.csv\.gz is no gzip file.*<html>"):
        fetch(str(bucket), store, ACCESS, None)
    assert store.list("snapshots") == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[: len(data) // 2], "cut off in the middle of a gzip member, after"),
        (lambda data: data[:-4], "cut off in the middle"),
        (lambda data: data + gzip.compress(b"more")[:-6], "cut off in the middle"),
        (lambda data: data[:-6] + b"xxxxxx", "damaged"),
        (lambda data: data + b"trailing", "damaged"),
        (lambda data: b"", "is empty"),
    ],
)
def test_fetch__refuses_a_damaged_file(
    bucket: Path, store: Store, spoil: Callable[[bytes], bytes], message: str
) -> None:
    path = bucket / "photos.csv.gz"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(SnapshotDamaged, match=rf"photos\.csv\.gz.*{message}"):
        fetch(str(bucket), store, ACCESS, None)
    assert store.list("snapshots") == []


def test_fetch__takes_several_members_and_padding(bucket: Path, store: Store) -> None:
    path = bucket / "photos.csv.gz"
    path.write_bytes(path.read_bytes() + gzip.compress(b"") + b"\0" * 512)
    assert store.exists(f"{fetch(str(bucket), store, ACCESS, None).folder}/photos.csv.gz")


def test_fetch__tries_again_what_fails_in_passing(server: Server, bucket: Path, store: Store) -> None:
    answers, data = iter([503, 200, 0]), (bucket / "observations.csv.gz").read_bytes()

    async def at_first_unwell(request: web.Request) -> web.StreamResponse:
        match next(answers, 200):
            case 503:
                raise web.HTTPServiceUnavailable
            case 0:  # promises the whole file, then breaks off
                return await _broken(request, data)
        return web.FileResponse(bucket / "observations.csv.gz")

    server.replace("observations.csv.gz", at_first_unwell)
    snapshot = fetch(server.address, store, ACCESS, None)
    assert store.read_bytes(f"{snapshot.folder}/observations.csv.gz") == (bucket / "observations.csv.gz").read_bytes()
    assert next(answers, None) is None


async def _broken(request: web.Request, data: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(len(data))})
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    assert request.transport is not None
    request.transport.abort()
    return response


def test_fetch__says_where_a_connection_always_breaks_off(server: Server, bucket: Path, store: Store) -> None:
    data = (bucket / "photos.csv.gz").read_bytes()

    async def broken(request: web.Request) -> web.StreamResponse:
        if request.method == "HEAD":
            return web.FileResponse(bucket / "photos.csv.gz")
        return await _broken(request, data)

    server.replace("photos.csv.gz", broken)
    with pytest.raises(
        (SnapshotDamaged, SourceUnreachable), match=rf"photos\.csv\.gz.*(received \d+ of {len(data)} bytes|reset)"
    ):
        fetch(server.address, store, ACCESS, None)
    assert store.list("snapshots") == []


def test_fetch__goes_on_after_the_files_that_were_finished(server: Server, bucket: Path, store: Store) -> None:
    async def unwell(request: web.Request) -> web.StreamResponse:
        if request.method == "HEAD":
            return web.FileResponse(bucket / "photos.csv.gz")
        raise web.HTTPServiceUnavailable

    server.replace("photos.csv.gz", unwell)
    with pytest.raises(SourceUnreachable, match="503"):
        fetch(server.address, store, ACCESS, None)
    server.replace("photos.csv.gz", lambda _: _file(bucket / "photos.csv.gz"))
    server.requests.clear()
    fetch(server.address, store, ACCESS, None)
    assert [name for method, name in server.requests if method == "GET"] == ["photos.csv.gz", "observers.csv.gz"]
    assert store.list("incoming") == [] or all(store.list(f"incoming/{name}") == [] for name in store.list("incoming"))


async def _file(path: Path) -> web.StreamResponse:
    return web.FileResponse(path)


def test_fetch__notices_a_change_under_way(server: Server, bucket: Path, store: Store) -> None:
    async def publishing(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            os.utime(bucket / "taxa.csv.gz", ns=(10**18, 10**18))
        return web.FileResponse(bucket / "observers.csv.gz")

    server.replace("observers.csv.gz", publishing)
    with pytest.raises(SourceChanged, match="two snapshots do not fit"):
        fetch(server.address, store, ACCESS, None)
    assert store.list("snapshots") == []
    fetch(server.address, store, ACCESS, None)
    assert len(store.list("snapshots")) == 1


def test_fetch__notices_a_file_replaced_between_look_and_read(server: Server, bucket: Path, store: Store) -> None:
    async def replaced(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(bucket / ("taxa.csv.gz" if request.method == "HEAD" else "photos.csv.gz"))

    server.replace("taxa.csv.gz", replaced)
    with pytest.raises(SourceChanged, match=r"taxa\.csv\.gz was replaced"):
        fetch(server.address, store, ACCESS, None)
