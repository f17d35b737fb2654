"""photos.download: what each answer of a server becomes."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256

import pytest
from PIL import Image
from worst_bucket import (
    SETTINGS,
    Answer,
    Bucket,
    body,
    bomb,
    cut,
    download_one,
    encode,
    endless,
    hang_up,
    photo,
    rows,
    slow,
)

from mushroom_tasks import __version__, manifests
from mushroom_tasks.photos import pacing
from mushroom_tasks.photos.download import download
from mushroom_tasks.storage import Store


def test_download__stores_the_photo_as_received(bucket: Bucket, store: Store) -> None:
    data = photo()
    assert download_one(bucket, store, body(data)) == {
        "photo_id": 7,
        "status": "ok",
        "failure": None,
        "detail": None,
        "path": "photos/medium/007/7.jpg",
        "sha256": sha256(data).hexdigest(),
        "bytes": len(data),
        "width": 32,
        "height": 24,
        "format": "JPEG",
        "small_path": None,
        "small_sha256": None,
    }
    assert store.read_bytes("photos/medium/007/7.jpg") == data
    assert bucket.paths == ["/photos/7/medium.jpg"]
    assert bucket.headers["User-Agent"].startswith(f"mobile-mushroom-classifier/{__version__}")


def test_download__gives_a_row_per_photo_sorted_by_id(bucket: Bucket, store: Store) -> None:
    for photo_id in range(1, 31):
        bucket.serve(photo_id, body(photo(photo_id)) if photo_id % 3 else body(b"", 404))
    wanted = [*range(30, 0, -1), 5, 5]
    table = download(rows(*wanted), bucket.address, store, SETTINGS)
    assert table["photo_id"].to_pylist() == list(range(1, 31))
    assert Counter(table["status"].to_pylist()) == {"ok": 20, "failed": 10}
    assert len(bucket.requests[5]) == 1
    manifests.write_manifest(store, "d.parquet", table, manifests.DOWNLOADS, "f")
    assert manifests.read_manifest(store, "d.parquet", manifests.DOWNLOADS).equals(table)


def test_download__of_nothing_is_an_empty_table(bucket: Bucket, store: Store) -> None:
    table = download(rows(), bucket.address, store, SETTINGS)
    assert table.num_rows == 0
    assert table.schema.equals(manifests.DOWNLOADS)


def test_download__asks_for_the_size_and_extension_of_upstream(bucket: Bucket, store: Store) -> None:
    bucket.serve(1234, body(photo()))
    settings = SETTINGS.model_copy(update={"size": "large"})
    table = download(rows(1234, extension="JPEG"), bucket.address + "/", store, settings)
    assert bucket.paths == ["/photos/1234/large.JPEG"]
    assert table["path"].to_pylist() == ["photos/large/234/1234.JPEG"]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_download__does_not_try_again_what_is_gone(bucket: Bucket, store: Store, status: int) -> None:
    row = download_one(bucket, store, body(b"<Error/>", status), body(photo()))
    assert (row["status"], row["failure"]) == ("failed", "missing")
    assert f"HTTP {status}" in row["detail"]
    assert len(bucket.requests[7]) == 1
    assert row["path"] is row["sha256"] is None


@pytest.mark.parametrize("status", [400, 401, 204, 304, 501])
def test_download__records_a_status_that_no_further_try_will_change(bucket: Bucket, store: Store, status: int) -> None:
    row = download_one(bucket, store, body(b"", status), body(photo()))
    assert row["failure"] == "http_error"
    assert f"HTTP {status}" in row["detail"]
    assert len(bucket.requests[7]) == 1


@pytest.mark.parametrize(
    "passing",
    [body(b"", 429), body(b"", 500), body(b"", 503), cut(b"half", 1000), cut(b"half", None), hang_up],
    ids=["429", "500", "503", "cut", "cut, no length", "hung up"],
)
def test_download__tries_again_what_failed_in_passing(bucket: Bucket, store: Store, passing: Answer) -> None:
    assert download_one(bucket, store, passing, passing, body(photo()))["status"] == "ok"
    # aiohttp itself repeats a request once where a kept connection turns out to be closed.
    assert len(bucket.requests[7]) >= 3


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (body(b"", 500), "http_error", "HTTP 500 Internal Server Error (tried 3 times)"),
        (body(b"", 429), "http_error", "HTTP 429 Too Many Requests (tried 3 times)"),
        (cut(b"half", 1000), "connection", "the connection was cut after 4 of 1000 bytes (tried 3 times)"),
        (cut(b"half", None), "connection", "the connection was cut after 4 bytes (tried 3 times)"),
        (hang_up, "connection", "Server disconnected (tried 3 times)"),
    ],
    ids=["500", "429", "cut", "cut, no length", "hung up"],
)
def test_download__gives_up_after_as_many_tries_as_set(
    bucket: Bucket, store: Store, answer: Answer, reason: str, detail: str
) -> None:
    row = download_one(bucket, store, answer)
    assert (row["failure"], row["detail"]) == (reason, detail)
    assert store.list("photos") == []


def test_download__waits_longer_with_every_try(bucket: Bucket, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "FIRST_PAUSE", 0.1)
    assert download_one(bucket, store, body(b"", 503))["failure"] == "http_error"
    first, second, third = bucket.requests[7]
    assert second - first >= 0.05
    assert third - second >= 0.1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_download__obeys_retry_after(bucket: Bucket, store: Store, form: str) -> None:
    # A date has whole seconds: two ahead is more than one away.
    after = "1" if form == "seconds" else format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    assert download_one(bucket, store, body(b"", 429, Retry_After=after), body(photo()))["status"] == "ok"
    first, second = bucket.requests[7]
    assert second - first >= 0.9


@pytest.mark.parametrize("after", ["86400", "Fri, 31 Dec 2199 23:59:59 GMT", "soon", "-5", "", "9" * 400])
def test_download__does_not_wait_for_ever(bucket: Bucket, store: Store, after: str) -> None:
    answers = body(b"", 503, Retry_After=after), body(photo())
    assert download_one(bucket, store, *answers, max_outage=0.05)["status"] == "ok"
    assert bucket.requests[7][1] - bucket.requests[7][0] < 20


def test_download__records_a_photo_that_takes_too_long(bucket: Bucket, store: Store) -> None:
    row = download_one(bucket, store, slow(photo(), 30), timeout=0.2, retries=1)
    assert (row["failure"], row["detail"]) == ("timeout", "no whole answer within 0.2 s (tried 2 times)")
    assert len(bucket.requests[7]) == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<html><body>429 Too Many Requests</body></html>", "html"),
        (b"\x00" * 5000, "not_an_image"),
        (encode(Image.new("RGB", (9, 9)), "BMP"), "not_an_image"),
        (photo()[:-300], "truncated"),
        (bomb(), "too_large"),
    ],
    ids=["empty", "html", "zeros", "bmp", "truncated", "bomb"],
)
def test_download__records_content_that_is_no_photo(bucket: Bucket, store: Store, data: bytes, reason: str) -> None:
    row = download_one(bucket, store, body(data))
    assert (row["status"], row["failure"]) == ("failed", reason)
    assert row["detail"]
    assert len(bucket.requests[7]) == 1, "the same bytes would come again"
    assert store.list("photos") == []


def test_download__tells_the_format_by_content(bucket: Bucket, store: Store) -> None:
    row = download_one(bucket, store, body(photo(kind="PNG"), Content_Type="image/jpeg"))
    assert (row["status"], row["format"], row["path"]) == ("ok", "PNG", "photos/medium/007/7.jpg")


def test_download__takes_cmyk(bucket: Bucket, store: Store) -> None:
    row = download_one(bucket, store, body(encode(Image.new("CMYK", (20, 10)))))
    assert (row["status"], row["width"], row["height"]) == ("ok", 20, 10)


def test_download__gives_the_size_upright_and_keeps_the_file(bucket: Bucket, store: Store) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = photo(exif=exif)
    row = download_one(bucket, store, body(data))
    assert (row["width"], row["height"]) == (24, 32)
    assert store.read_bytes(row["path"]) == data


@pytest.mark.parametrize("declared", [50_000_000, None])
def test_download__stops_reading_what_is_too_large(bucket: Bucket, store: Store, declared: int | None) -> None:
    sent: list[int] = []
    row = download_one(bucket, store, endless(sent, declared))
    assert row["failure"] == "too_large"
    assert "1000000 allowed" in row["detail"] or "1000000 bytes" in row["detail"]
    assert sum(sent) < 25_000_000, "what sockets buffer may be sent, not the whole"
    assert len(bucket.requests[7]) == 1


def test_download__allows_a_file_of_just_the_limit(bucket: Bucket, store: Store) -> None:
    data = photo()
    assert download_one(bucket, store, body(data), max_bytes=len(data))["status"] == "ok"
    store.delete("photos", recursive=True)
    assert download_one(bucket, store, body(data), max_bytes=len(data) - 1)["failure"] == "too_large"


def test_download__follows_a_redirect_but_no_loop(bucket: Bucket, store: Store) -> None:
    bucket.serve(1, body(b"", 302, Location="/else/1.jpg"))
    bucket.serve(2, body(b"", 302, Location="/photos/2/medium.jpg"))
    bucket.serve(3, body(b"", 302, Location="file:///etc/passwd"))
    bucket.serve(4, body(b"", 302, Location="http://["))
    got = download(rows(1, 2, 3, 4), bucket.address, store, SETTINGS).to_pylist()
    assert [row["failure"] for row in got] == [None, "http_error", "http_error", "http_error"]
    assert len(bucket.requests[2]) <= 5
    assert "redirect" in got[1]["detail"]
    assert "file:///etc/passwd" in got[2]["detail"]


@pytest.mark.parametrize("extension", ["../../../etc/passwd", "", "jpg?x"])
def test_download__records_an_extension_that_is_none(bucket: Bucket, store: Store, extension: str) -> None:
    row = download(rows(7, extension=extension), bucket.address, store, SETTINGS).to_pylist()[0]
    assert (row["failure"], bucket.requests) == ("not_an_image", {})
    assert repr(extension) in row["detail"]


def test_download__keeps_no_more_photos_under_way_than_set(bucket: Bucket, store: Store) -> None:
    for photo_id in range(60):
        bucket.serve(photo_id, slow(photo(), 0.02))
    settings = SETTINGS.model_copy(update={"connections": 5})
    assert download(rows(*range(60)), bucket.address, store, settings).num_rows == 60
    assert bucket.peak == 5
