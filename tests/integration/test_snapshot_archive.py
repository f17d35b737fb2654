"""Snapshots out of archives: as iNaturalist publishes them, damaged, and written to do harm."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from archived_bucket import DATE, FOLDER, NAME, Members, member, members_of, tar_of, write_archive
from bucket_server import Server
from isal import igzip
from small_bucket import ordinary

from mushroom_tasks.errors import SnapshotDamaged, SourceChanged, SourceUnreachable
from mushroom_tasks.inat.snapshots.snapshot import fetch, look
from mushroom_tasks.inat.tables import FILES
from mushroom_tasks.settings import SourceSettings
from mushroom_tasks.storage import Store

ACCESS = SourceSettings(snapshot=DATE, retries=1, timeout=5)


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    folder = ordinary().write(tmp_path / "bucket")
    write_archive(folder, members_of(folder))
    return folder


@pytest.fixture
def server(bucket: Path) -> Iterator[Server]:
    server = Server(bucket)
    yield server
    server.stop()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("prefix", [f"{FOLDER}/", f"./{FOLDER}/", "./", ""])
def test_fetch__an_archive_gives_the_fingerprint_and_the_layout_of_the_root_files(
    bucket: Path, store: Store, tmp_path: Path, packed: bool, prefix: str
) -> None:
    write_archive(bucket, members_of(bucket, packed=packed, prefix=prefix))
    root = fetch(str(bucket), Store(tmp_path / "other"), SourceSettings(), None)
    snapshot = fetch(str(bucket), store, ACCESS, None)
    assert (snapshot.fingerprint, snapshot.folder) == (root.fingerprint, root.folder)
    assert store.list(snapshot.folder) == sorted([*FILES, "snapshot.json"])
    for name in FILES:
        content = store.read_bytes(f"{snapshot.folder}/{name}")
        assert gzip.decompress(content) == gzip.decompress((bucket / name).read_bytes())
    assert snapshot.bytes == sum(store.size(f"{snapshot.folder}/{name}") for name in FILES)
    assert store.list("incoming") == []


def test_fetch__an_archive_of_the_content_that_is_here_adds_nothing(bucket: Path, store: Store) -> None:
    root = fetch(str(bucket), store, SourceSettings(), None)
    written = store.fs.modified(store.path(root.folder, "photos.csv.gz"))
    assert fetch(str(bucket), store, ACCESS, None).fingerprint == root.fingerprint
    assert store.fs.modified(store.path(root.folder, "photos.csv.gz")) == written
    assert store.list("incoming") == []


def test_look__at_an_archive_costs_one_head(bucket: Path, server: Server, store: Store) -> None:
    write_archive(bucket, members_of(bucket), "inaturalist-open-data-latest.tar.gz")
    latest = ACCESS.model_copy(update={"snapshot": "latest"})
    seen = look(server.address, latest)
    assert set(seen["metadata/inaturalist-open-data-latest.tar.gz"]) == {"etag", "last_modified", "size"}
    assert server.requests == [("HEAD", "metadata/inaturalist-open-data-latest.tar.gz")]
    snapshot = fetch(server.address, store, latest, None)
    server.requests.clear()
    assert fetch(server.address, store, latest, None) == snapshot
    assert server.requests == [("HEAD", "metadata/inaturalist-open-data-latest.tar.gz")]


def test_look__names_the_setting_where_there_is_no_such_archive(bucket: Path, server: Server) -> None:
    for source in (str(bucket), server.address):
        with pytest.raises(SourceUnreachable, match=r"20240101\.tar\.gz.*source_access\.snapshot"):
            look(source, ACCESS.model_copy(update={"snapshot": "20240101"}))


def test_fetch__goes_on_in_the_middle_of_an_archive(bucket: Path, server: Server, store: Store) -> None:
    name = f"metadata/{NAME}"
    size = (bucket / name).stat().st_size
    server.cuts[name] = [700]
    fetch(server.address, store, ACCESS, None)
    assert [(served.start, served.count) for served in server.served] == [(0, 700), (700, size - 700)]


def test_fetch__notices_that_an_archive_changed_under_way(bucket: Path, server: Server, store: Store) -> None:
    name = f"metadata/{NAME}"
    gets: list[str] = []

    async def publishing(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            gets.append(request.headers.get("Range", "whole"))
            if len(gets) == 2:
                write_archive(bucket, members_of(bucket, packed=True))
        return await server.send(request, name)

    server.replace(name, publishing)
    server.cuts[name] = [700]
    with pytest.raises(SourceChanged, match=r"tar\.gz was replaced at the source"):
        fetch(server.address, store, ACCESS, None)
    assert gets == ["whole", "bytes=700-"]
    assert store.list("snapshots") == []
    assert fetch(server.address, store, ACCESS, None).bytes > 0
    assert gets[2:] == ["whole"], "nothing of the other archive is used"


def hostile(kind: str) -> tuple[tarfile.TarInfo, bytes]:
    match kind:
        case "parent":
            return member(f"{FOLDER}/../../../photos.csv"), b"x"
        case "absolute":
            return member("/etc/photos.csv"), b"x"
        case "backslash":
            return member("..\\photos.csv"), b"x"
        case "symlink":
            return member(f"{FOLDER}/photos.csv", tarfile.SYMTYPE, "/etc/passwd"), b""
        case "hardlink":
            return member(f"{FOLDER}/photos.csv", tarfile.LNKTYPE, "../../store"), b""
        case "device":
            return member(f"{FOLDER}/photos.csv", tarfile.CHRTYPE), b""
        case _:
            return member(f"{FOLDER}/photos.csv", tarfile.FIFOTYPE), b""


@pytest.mark.parametrize("kind", ["parent", "absolute", "backslash", "symlink", "hardlink", "device", "pipe"])
@pytest.mark.parametrize("at", [0, 99])
def test_fetch__refuses_a_hostile_member(bucket: Path, store: Store, tmp_path: Path, kind: str, at: int) -> None:
    members = members_of(bucket)
    members.insert(at, hostile(kind))
    write_archive(bucket, members)
    before = {path for path in tmp_path.rglob("*") if "store" not in path.parts}
    with pytest.raises(SnapshotDamaged, match=r"is hostile.*set another source"):
        fetch(str(bucket), store, ACCESS, None)
    assert store.list("snapshots") == []
    assert {path for path in tmp_path.rglob("*") if "store" not in path.parts} == before


def header(name: str, size: bytes, kind: bytes = b"0") -> bytes:
    """A tar header with a size field that tarfile would not write."""
    info = member(name).tobuf(tarfile.GNU_FORMAT)
    block = bytearray(info[:124] + size.ljust(12, b"\0") + info[136:156] + kind + info[157:512])
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header("x", b"77777777777\0", b"x"), r"header of \d+ bytes"),  # 8 GiB that tarfile would read into memory
        (header("x", b"77777777777\0", b"L"), r"header of \d+ bytes"),
        (header("photos.csv", b"\xff" * 12), "hostile|damaged"),  # a negative size
        (header("x", b"\xff" * 12, b"x"), "hostile|damaged"),
        (b"".join(header("x", b"0\0", b"x") for _ in range(5000)), "hostile|damaged"),
        (b"no tar at all" * 100, "no tar archive"),
        (b"", "no tar archive|lacks"),
        (bytes(10240), "no tar archive|lacks"),
    ],
)
def test_fetch__refuses_what_would_break_the_reader(bucket: Path, store: Store, data: bytes, message: str) -> None:
    write_archive(bucket, gzip.compress(data))
    with pytest.raises(SnapshotDamaged, match=message):
        fetch(str(bucket), store, ACCESS, None)
    assert store.list("snapshots") == []


def test_fetch__refuses_thousands_of_members(bucket: Path, store: Store) -> None:
    write_archive(bucket, [(member(f"{FOLDER}/{n}"), b"") for n in range(1200)] + members_of(bucket))
    with pytest.raises(SnapshotDamaged, match="more than 1000 members"):
        fetch(str(bucket), store, ACCESS, None)


def test_fetch__passes_over_a_file_that_is_no_table(
    bucket: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    extra = [(member(f"{FOLDER}/projects.csv"), b"id\n1\n"), (member(f"{FOLDER}/old/photos.csv"), b"of another time")]
    write_archive(bucket, extra + members_of(bucket))
    snapshot = fetch(str(bucket), store, ACCESS, None)
    assert store.list(snapshot.folder) == sorted([*FILES, "snapshot.json"])
    assert store.read_bytes(f"{snapshot.folder}/photos.csv.gz")[:2] == b"\x1f\x8b"
    assert sum("is no table of the snapshot" in message for message in caplog.messages) == 2


def drop(name: str) -> Callable[[Members], Members]:
    return lambda members: [item for item in members if name not in item[0].name]


@pytest.mark.parametrize("name", ["taxa", "photos", "observers"])
def test_fetch__refuses_an_archive_without_a_table(bucket: Path, store: Store, name: str) -> None:
    write_archive(bucket, drop(f"/{name}.csv")(members_of(bucket)))
    with pytest.raises(SnapshotDamaged, match=rf"lacks {name}\.csv\.gz"):
        fetch(str(bucket), store, ACCESS, None)
    assert store.list("snapshots") == []


def test_fetch__refuses_an_archive_with_a_table_twice(bucket: Path, store: Store) -> None:
    write_archive(bucket, members_of(bucket) + members_of(bucket, packed=True))
    with pytest.raises(SnapshotDamaged, match="twice"):
        fetch(str(bucket), store, ACCESS, None)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tar: gzip.compress(tar)[:-300], "cut off in the middle of a gzip member"),
        (lambda tar: gzip.compress(tar)[:-6] + b"wrong!", "damaged"),
        (lambda tar: gzip.compress(tar[: len(tar) // 2]), "cut off inside a member|unexpected end|lacks"),
        (lambda tar: gzip.compress(tar[:300]), "truncated header"),
        (lambda tar: gzip.compress(tar[:512] + b"\1" * 512 + tar[1024:]), "lacks"),
    ],
)
def test_fetch__refuses_a_damaged_archive(
    bucket: Path, store: Store, spoil: Callable[[bytes], bytes], message: str
) -> None:
    tar = tar_of(members_of(bucket))
    write_archive(bucket, spoil(tar))
    with pytest.raises(SnapshotDamaged, match=message):
        fetch(str(bucket), store, ACCESS, None)
    assert store.list("snapshots") == []


def test_fetch__refuses_a_damaged_table_inside_an_archive(bucket: Path, store: Store) -> None:
    members = members_of(bucket, packed=True)
    members[-1] = (members[-1][0], members[-1][1][:-5])
    write_archive(bucket, members)
    with pytest.raises(SnapshotDamaged, match=r"observers\.csv\.gz is cut off"):
        fetch(str(bucket), store, ACCESS, None)


def test_fetch__refuses_a_decompression_bomb(bucket: Path, store: Store) -> None:
    bomb = bytes(80 << 20)
    write_archive(bucket, [(member(f"{FOLDER}/photos.csv"), bomb)])
    with pytest.raises(SnapshotDamaged, match=r"decompression bomb.*max_expansion"):
        fetch(str(bucket), store, ACCESS, None)
    (bucket / "photos.csv.gz").write_bytes(igzip.compress(bomb))
    with pytest.raises(SnapshotDamaged, match=r"photos\.csv\.gz looks like a decompression bomb"):
        fetch(str(bucket), store, SourceSettings(), None)
    packed = members_of(bucket, packed=True)  # small enough as a whole, but not the table in it
    write_archive(bucket, packed)
    with pytest.raises(SnapshotDamaged, match=r"photos\.csv\.gz looks like a decompression bomb"):
        fetch(str(bucket), store, ACCESS, None)


def test_fetch__a_process_killed_while_it_unpacks_is_made_good(bucket: Path, store: Store) -> None:
    generator = random.Random(1)
    rows = b"".join(b"%032x\n" % generator.getrandbits(128) for _ in range(100_000)) * 12  # takes a while to unpack
    members = [(info, rows if "photos" in info.name else data) for info, data in members_of(bucket)]
    write_archive(bucket, igzip.compress(tar_of(members)))
    code = (
        "import sys; from mushroom_tasks.inat.snapshots.snapshot import fetch; "
        "from mushroom_tasks.storage import Store; "
        "from mushroom_tasks.settings import SourceSettings; "
        f"fetch(sys.argv[1], Store(sys.argv[2]), SourceSettings(snapshot='{DATE}'), None)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(bucket), store.root])
    try:
        end = time.monotonic() + 60
        while not list((Path(store.root) / "incoming").rglob("tables/photos.csv.gz")):
            assert time.monotonic() < end
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    os.sync()
    assert store.list("snapshots") == []
    snapshot = fetch(str(bucket), store, ACCESS, None)
    assert gzip.decompress(store.read_bytes(f"{snapshot.folder}/photos.csv.gz")) == rows
    assert store.list("incoming") == []
