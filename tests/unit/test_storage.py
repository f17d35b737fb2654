"""storage: files whole or not at all, on a folder and on an object store alike."""

from __future__ import annotations

import datetime
import errno
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import BaseModel

from mushroom_tasks.errors import StorageError, StorageFull
from mushroom_tasks.storage import Store, fingerprint, sha256_file


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store in a local folder, and one on fsspec's memory file system in place of an object store."""
    if request.param == "folder":
        yield Store(tmp_path / "store")
        return
    made = Store(f"memory://{uuid.uuid4().hex}")
    yield made
    made.delete("", recursive=True)


def _stop_half_way(store: Store, path: str, error: Exception) -> None:
    with store.open_atomic(path) as file:
        file.write(b"half of it")
        raise error


def test_write_bytes__makes_folders_and_replaces(store: Store) -> None:
    store.write_bytes("a/b/c.bin", b"old and longer")
    store.write_bytes("a/b/c.bin", b"new")
    assert store.read_bytes("a/b/c.bin") == b"new"
    assert store.size("a/b/c.bin") == 3
    assert store.list("a/b") == ["c.bin"]


def test_write_text__is_utf8_and_keeps_line_ends(store: Store) -> None:
    store.write_text("t.csv", "Boletus édulis\r\nx\n")
    assert store.read_bytes("t.csv") == "Boletus édulis\r\nx\n".encode()
    with store.open_atomic("u.csv", "w") as file:
        file.write("é\r\n")
    assert store.read_bytes("u.csv") == "é\r\n".encode()
    with store.open("t.csv") as file:
        assert file.read(7) == b"Boletus"


def test_write_json__is_the_same_whatever_the_order_of_keys(store: Store) -> None:
    store.write_json("1.json", {"b": (1, 2), "a": {3, 1}})
    store.write_json("2.json", {"a": {1, 3}, "b": [1, 2]})
    assert store.read_bytes("1.json") == store.read_bytes("2.json")
    assert store.read_json("1.json") == {"a": [1, 3], "b": [1, 2]}


def test_open_atomic__leaves_what_was_there_when_the_block_fails(store: Store) -> None:
    store.write_bytes("kept.bin", b"before")
    for path in ("kept.bin", "never.bin"):
        with pytest.raises(RuntimeError, match="stopped"):
            _stop_half_way(store, path, RuntimeError("stopped"))
    assert store.list("") == ["kept.bin"], "no temporary file stays"
    assert store.read_bytes("kept.bin") == b"before"


def test_open_atomic__hides_the_file_until_it_is_whole(store: Store) -> None:
    with store.open_atomic("x.bin") as file:
        file.write(b"1")
        assert not store.exists("x.bin")
    assert store.read_bytes("x.bin") == b"1"


def test_open_atomic__lets_two_files_be_written_at_once(store: Store) -> None:
    with store.open_atomic("outer") as outer:
        outer.write(b"1")
        with store.open_atomic("inner") as inner:
            inner.write(b"2")
        assert store.exists("inner")
        assert not store.exists("outer")
        outer.write(b"3")
    assert (store.read_bytes("outer"), store.read_bytes("inner")) == (b"13", b"2")


def test_write_bytes__loses_nothing_when_threads_write(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: store.write_bytes(f"many/{n:03d}", b"%d" % n), range(200)))
        read = list(threads.map(lambda n: int(store.read_bytes(f"many/{n:03d}")), range(200)))
    assert read == list(range(200))
    assert len(store.list("many")) == 200


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_open_atomic__tells_a_full_disk(store: Store, code: int) -> None:
    store.write_bytes("x.bin", b"before")
    with pytest.raises(StorageFull, match=r"x\.bin.*MUSHROOM_STORE") as caught:
        _stop_half_way(store, "x.bin", OSError(code, os.strerror(code)))
    assert isinstance(caught.value.__cause__, OSError)
    assert store.read_bytes("x.bin") == b"before"
    assert store.list("") == ["x.bin"]


def test_open_atomic__passes_on_other_errors_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "photos").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="photos"):
        Store(tmp_path).write_bytes("photos/1/1.jpg", b"x")


def test_open_atomic__leaves_no_half_file_when_the_process_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, sys\nfrom mushroom_tasks.storage import Store\n"
        "with Store(sys.argv[1]).open_atomic('x.bin') as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), 9)\n"
    )
    Store(tmp_path).write_bytes("x.bin", b"before")
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == -9
    assert Store(tmp_path).read_bytes("x.bin") == b"before"


def test_read_bytes__of_nothing_is_a_missing_file(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.read_bytes("nothing.bin")
    assert not store.exists("nothing.bin")
    assert store.list("nothing") == []
    store.delete("nothing.bin")


def test_delete__needs_recursive_for_a_folder(store: Store) -> None:
    store.write_bytes("d/1", b"1")
    store.write_bytes("d/e/2", b"2")
    with pytest.raises((OSError, ValueError)):
        store.delete("d")
    store.delete("d/1")
    assert store.list("d") == ["e"]
    store.delete("d", recursive=True)
    assert not store.exists("d/e/2")


@pytest.mark.parametrize("path", ["../x", "a/../../x", ".."])
def test_path__refuses_to_leave_the_root(store: Store, path: str) -> None:
    with pytest.raises(StorageError, match=r"'\.\.'"):
        store.path(path)


def test_open__only_reads(store: Store) -> None:
    with pytest.raises(StorageError, match="open_atomic"):
        store.open("x.bin", "wb")


@pytest.mark.parametrize("root", ["nosuchprotocol://bucket", "s4://bucket/prefix"])
def test_store__names_a_root_it_cannot_open(root: str) -> None:
    with pytest.raises(StorageError, match=root):
        Store(root)


def test_address__has_the_protocol_of_a_remote_store(tmp_path: Path) -> None:
    assert Store(tmp_path).address("a", "b.parquet") == f"{tmp_path}/a/b.parquet"
    assert Store("memory://bucket/prefix").address("a.parquet").startswith("memory://")
    assert Store(tmp_path).is_local
    assert not Store("memory://bucket").is_local


def test_local__copies_a_remote_file_once(tmp_path: Path) -> None:
    remote = Store(f"memory://{uuid.uuid4().hex}")
    remote.write_bytes("models/m.bin", b"first")
    copy = remote.local("models/m.bin", tmp_path / "cache")
    assert copy.read_bytes() == b"first"
    remote.write_bytes("models/m.bin", b"second")
    assert remote.local("models/m.bin", tmp_path / "cache").read_bytes() == b"first"
    assert [path.name for path in copy.parent.iterdir()] == ["m.bin"]


def test_local__of_a_folder_is_the_file_itself(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.write_bytes("m.bin", b"1")
    assert store.local("m.bin", tmp_path / "cache") == tmp_path / "store" / "m.bin"
    assert not (tmp_path / "cache").exists()


def test_upload_folder__writes_the_marker_last(tmp_path: Path) -> None:
    order = []

    class Watched(Store):
        def open_atomic(self, path: str, mode: str = "wb"):  # type: ignore[no-untyped-def]
            order.append(path)
            return super().open_atomic(path, mode)

    for name in ("a.txt", "bundle.json", "z/z.txt"):
        (tmp_path / "made" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / name).write_text(name)
    store = Watched(tmp_path / "store")
    store.upload_folder(tmp_path / "made", "bundles/1", marker="bundle.json")
    assert order == ["bundles/1/a.txt", "bundles/1/z/z.txt", "bundles/1/bundle.json"]
    assert store.read_bytes("bundles/1/z/z.txt") == b"z/z.txt"


class _Section(BaseModel):
    seed: int = 1
    names: tuple[str, ...] = ("b", "a")


def test_fingerprint__is_16_hex_digits_and_never_changes() -> None:
    # The value is written down: a change would make every store in the world do its work again.
    assert fingerprint("selection", settings=_Section(), snapshot="abc") == "709db8bf39b34657"


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "b", "x": 1},
        {"kind": "a", "x": 2},
        {"kind": "a", "y": 1},
        {"kind": "a", "x": "1"},
        {"kind": "a", "x": None},
        {"kind": "a", "x": [1]},
    ],
)
def test_fingerprint__changes_with_any_input(other: dict[str, object]) -> None:
    assert fingerprint(kind="a", x=1) != fingerprint(**other)  # type: ignore[arg-type]


def test_fingerprint__knows_equal_inputs() -> None:
    assert fingerprint("a", x=(1, 2), y={"b", "a"}) == fingerprint("a", y={"a", "b"}, x=[1, 2])
    assert fingerprint("a", s=_Section()) == fingerprint("a", s={"names": ["b", "a"], "seed": 1})
    assert fingerprint("a", day=datetime.date(2026, 1, 2)) == fingerprint("a", day="2026-01-02")


def test_fingerprint__refuses_what_has_no_stable_text() -> None:
    with pytest.raises(TypeError, match="object"):
        fingerprint("a", x=object())


def test_sha256_file__is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_file(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
