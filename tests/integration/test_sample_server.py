"""The server that stands in for iNaturalist's public bucket, over real HTTP."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDictProxy
from yarl import URL

from mushroom_tasks.errors import ServiceError, SettingsError
from mushroom_tasks.sample.server import application, serve

PHOTO = bytes(range(256)) * 40
Answer = tuple[int, CIMultiDictProxy[str], bytes]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bucket"
    (folder / "photos" / "11").mkdir(parents=True)
    (folder / "photos" / "11" / "medium.jpg").write_bytes(PHOTO)
    (folder / "taxa.csv.gz").write_bytes(gzip.compress(b"taxon_id\n48460\n", mtime=0))
    (tmp_path / "secret.txt").write_text("not in the bucket")
    return folder


def ask(folder: Path, path: str, method: str = "GET", **headers: str) -> Answer:
    async def once(session: aiohttp.ClientSession, base: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with session.request(method, URL(base + path, encoded=True), headers=named) as answer:
            return answer.status, answer.headers, await answer.read()

    return asyncio.run(with_server(folder, once))


async def with_server(folder: Path, use: Callable[[aiohttp.ClientSession, str], Awaitable[Answer]]) -> Answer:
    runner = web.AppRunner(application(folder))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            return await use(session, f"http://127.0.0.1:{port}")
    finally:
        await runner.cleanup()


def test_get__a_photo_with_its_validators(folder: Path) -> None:
    status, headers, body = ask(folder, "/photos/11/medium.jpg")
    assert (status, body) == (200, PHOTO)
    assert headers["Content-Type"] == "image/jpeg"
    assert headers["Content-Length"] == str(len(PHOTO))
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["ETag"].startswith('"')
    assert headers["Last-Modified"].endswith("GMT")


def test_get__a_table_is_a_gzip_file_and_not_an_encoded_text(folder: Path) -> None:
    status, headers, body = ask(folder, "/taxa.csv.gz", Accept_Encoding="gzip")
    assert status == 200
    assert "Content-Encoding" not in headers
    assert gzip.decompress(body) == b"taxon_id\n48460\n"


def test_head__has_the_headers_without_the_body(folder: Path) -> None:
    status, headers, body = ask(folder, "/photos/11/medium.jpg", "HEAD")
    assert (status, body) == (200, b"")
    assert headers["Content-Length"] == str(len(PHOTO))
    assert "ETag" in headers


def test_range__resumes_in_the_middle(folder: Path) -> None:
    status, headers, body = ask(folder, "/photos/11/medium.jpg", Range="bytes=1000-")
    assert (status, body) == (206, PHOTO[1000:])
    assert headers["Content-Range"] == f"bytes 1000-{len(PHOTO) - 1}/{len(PHOTO)}"


def test_range__beyond_the_end_cannot_be_satisfied(folder: Path) -> None:
    assert ask(folder, "/photos/11/medium.jpg", Range=f"bytes={len(PHOTO)}-")[0] == 416


def test_if_range__resumes_only_the_file_that_was_begun(folder: Path) -> None:
    path = "/photos/11/medium.jpg"
    etag = ask(folder, path)[1]["ETag"]
    assert ask(folder, path, Range="bytes=1000-", If_Range=etag)[0] == 206
    status, _, body = ask(folder, path, Range="bytes=1000-", If_Range='"of-another-snapshot"')
    assert (status, body) == (200, PHOTO)


def test_if_none_match__is_not_modified_until_the_file_changes(folder: Path) -> None:
    path = "/photos/11/medium.jpg"
    etag = ask(folder, path)[1]["ETag"]
    assert ask(folder, path, If_None_Match=etag)[0] == 304
    file = folder / "photos/11/medium.jpg"
    file.write_bytes(PHOTO + b"more")
    assert ask(folder, path, If_None_Match=etag)[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/photos/12/medium.jpg", "/photos/11/", "/photos/11", "/photos", "/taxa.csv.gz/x", "/a%00b", "/" + "x" * 300],
)
def test_get__what_is_no_file_is_not_found(folder: Path, path: str) -> None:
    status, headers, body = ask(folder, path)
    assert status == 404
    assert headers["Content-Type"].startswith("application/xml")
    assert b"<Code>NoSuchKey</Code>" in body


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/photos/%2e%2e/%2e%2e/secret.txt",
        "//etc/passwd",
    ],
)
def test_get__nothing_outside_the_bucket_and_no_listing(folder: Path, path: str) -> None:
    status, _, body = ask(folder, path)
    assert status in (403, 404)
    assert b"not in the bucket" not in body
    assert b"medium" not in body


def test_get__a_link_that_leaves_the_bucket_is_refused(folder: Path) -> None:
    (folder / "leak.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "up").symlink_to(folder.parent)
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "again.jpg").symlink_to(folder / "photos/11/medium.jpg")
    assert ask(folder, "/leak.txt")[0] == 403
    assert ask(folder, "/up/secret.txt")[0] == 403
    assert ask(folder, "/loop")[0] == 404
    assert ask(folder, "/again.jpg")[2] == PHOTO


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_get__a_file_that_may_not_be_read_is_denied(folder: Path) -> None:
    (folder / "taxa.csv.gz").chmod(0)
    assert ask(folder, "/taxa.csv.gz")[0] == 403


def test_get__an_error_echoes_the_key_escaped(folder: Path) -> None:
    assert b"<Key>&lt;b&gt;.jpg</Key>" in ask(folder, "/%3Cb%3E.jpg")[2]


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "OPTIONS"])
def test_write__is_refused(folder: Path, method: str) -> None:
    status, headers, body = ask(folder, "/photos/11/medium.jpg", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert b"MethodNotAllowed" in body
    assert (folder / "photos/11/medium.jpg").read_bytes() == PHOTO


def test_application__names_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        application(tmp_path / "nowhere")


def test_serve__names_an_address_that_is_taken(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=str(port)):
            serve(folder, "127.0.0.1", port)


def test_serve__answers_until_it_is_terminated(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = "import sys; from pathlib import Path; from mushroom_tasks.sample.server import serve; "
    code += "serve(Path(sys.argv[1]), '127.0.0.1', int(sys.argv[2]))"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder), str(port)])
    try:
        assert wait_for(f"http://127.0.0.1:{port}/photos/11/medium.jpg") == PHOTO
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()


def wait_for(address: str, seconds: float = 30) -> bytes:
    end = time.monotonic() + seconds
    while True:
        try:
            with urlopen(address) as answer:
                return bytes(answer.read())
        except URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
