"""photos.download against a source that fails, refuses, limits and outlives two killed runs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from worst_bucket import SETTINGS, Answer, Bucket, body, photo, rows, slow, unreliable

from mushroom_tasks.errors import SourceUnreachable
from mushroom_tasks.photos.download import download
from mushroom_tasks.storage import Store

_PROGRAM = """
import sys, pyarrow as pa
from mushroom_tasks.photos import pacing
from mushroom_tasks.photos.download import download
from mushroom_tasks.settings import DownloadSettings
from mushroom_tasks.storage import Store
pacing.FIRST_PAUSE = 0.02
count = int(sys.argv[3])
rows = pa.table({"photo_id": range(count), "extension": ["jpg"] * count})
download(rows, sys.argv[1], Store(sys.argv[2]), DownloadSettings(connections=4, retries=10))
"""


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_download__gets_all_of_a_source_that_fails_while_it_is_killed_twice(bucket: Bucket, store: Store) -> None:
    count = 1000
    contents = [photo(number) for number in range(50)]
    whole: Counter[int] = Counter()
    for photo_id in range(count):
        bucket.serve(photo_id, unreliable(contents[photo_id % 50], 0.2, whole))
    command = [sys.executable, "-c", _PROGRAM, bucket.address, store.root, str(count)]
    for killed_at in (count // 4, count * 2 // 3):
        process = subprocess.Popen(command)
        _wait_until(lambda at=killed_at: len(whole) >= at)  # type: ignore[misc]
        process.kill()
        process.wait()
        assert len(whole) < count
    settings = SETTINGS.model_copy(update={"retries": 10})
    table = download(rows(*range(count)), bucket.address, store, settings)

    assert table["status"].to_pylist() == ["ok"] * count
    for photo_id, path in zip(table["photo_id"].to_pylist(), table["path"].to_pylist(), strict=True):
        assert store.read_bytes(path) == contents[photo_id % 50]
    twice = sum(times - 1 for times in whole.values())
    assert twice <= count * 0.01, f"{twice} photos came whole and were asked for again"


def _switched(data: bytes, is_down: Callable[[], bool], refusals: list[float]) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        if is_down():
            refusals.append(time.monotonic())
        return web.Response(status=503) if is_down() else web.Response(body=data)

    return answer


def test_download__leaves_a_host_alone_that_refuses_everything_until_it_is_back(
    bucket: Bucket, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "mushroom_tasks")
    answered = 0
    began = 0.0
    refusals: list[float] = []

    def is_down() -> bool:
        nonlocal answered, began
        answered += 1
        if answered == 100:
            began = time.monotonic()
        return bool(began) and time.monotonic() < began + 2

    for photo_id in range(300):
        bucket.serve(photo_id, _switched(photo(photo_id), is_down, refusals))
    settings = SETTINGS.model_copy(update={"connections": 4, "retries": 6})
    table = download(rows(*range(300)), bucket.address, store, settings)

    assert table["status"].to_pylist() == ["ok"] * 300
    # 8 open it, those under way come on top, and then one probe at a time: 0.01, 0.02, 0.04 ... s apart.
    assert 8 <= len(refusals) <= 8 + 4 + 12
    assert "is left alone: it refused 8 requests in a row" in caplog.text
    assert "answers again" in caplog.text


def test_download__gives_up_on_a_host_that_refuses_everything_for_too_long(bucket: Bucket, store: Store) -> None:
    for photo_id in range(200):
        bucket.serve(photo_id, body(b"", 429))
    settings = SETTINGS.model_copy(update={"max_outage": 1.0, "retries": 20})
    start = time.monotonic()
    with pytest.raises(SourceUnreachable, match=r"refused everything .* for \d+ s, more than download.max_outage"):
        download(rows(*range(200)), bucket.address, store, settings)
    assert 1 <= time.monotonic() - start < 20
    assert sum(map(len, bucket.requests.values())) < 60


def test_download__obeys_retry_after_for_the_whole_host(bucket: Bucket, store: Store) -> None:
    bucket.serve(20, body(b"", 429, Retry_After="1"), slow(photo(), 0.02))
    for photo_id in {*range(60)} - {20}:
        bucket.serve(photo_id, slow(photo(), 0.02))
    table = download(rows(*range(60)), bucket.address, store, SETTINGS.model_copy(update={"connections": 4}))
    assert table["status"].to_pylist() == ["ok"] * 60
    refused = bucket.requests[20][0]
    after = sorted(at - refused for times in bucket.requests.values() for at in times if at > refused)
    assert not [at for at in after if 0.1 < at < 0.9], "nobody asks while the host is to be left alone"
    probe, *others = [at for at in after if at >= 0.9]
    assert others[0] - probe >= 0.02, "the first request goes alone, and is answered before the next"


def test_download__asks_no_faster_than_set(bucket: Bucket, store: Store) -> None:
    for photo_id in range(60):
        bucket.serve(photo_id, body(photo()))
    download(rows(*range(60)), bucket.address, store, SETTINGS.model_copy(update={"max_rate": 40.0}))
    asked = sorted(at for times in bucket.requests.values() for at in times)
    assert asked[-1] - asked[0] >= 1.3, "59 intervals of 1/40 s, but for the few that may come at once"
    assert max(sum(at <= later < at + 0.5 for later in asked) for at in asked) <= 0.5 * 40 + 4


@pytest.mark.parametrize("declared", [10_000_000_000, 2**63])
def test_download__does_not_read_a_body_that_claims_to_be_huge(bucket: Bucket, store: Store, declared: int) -> None:
    async def huge(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(declared)})
        await response.prepare(request)
        await response.write(bytes(1000))
        return response

    bucket.serve(1, huge)
    bucket.serve(2, body(photo()))
    table = download(rows(1, 2), bucket.address, store, SETTINGS)
    assert table["failure"].to_pylist() == ["too_large", None]
    assert str(declared) in table["detail"].to_pylist()[0]
    assert len(bucket.requests[1]) == 1


def test_download__does_not_unpack_what_a_server_compressed(bucket: Bucket, store: Store) -> None:
    """A few kB of gzip may be gigabytes of zeros."""
    bucket.serve(1, body(b"\x1f\x8b" + bytes(500), Content_Encoding="gzip"))
    assert download(rows(1), bucket.address, store, SETTINGS)["failure"].to_pylist() == ["not_an_image"]
    assert bucket.headers["Accept-Encoding"] == "identity"


def test_download__takes_the_same_memory_for_a_list_of_any_length(tmp_path: Path) -> None:
    program = """
import resource, sys, pyarrow as pa
from mushroom_tasks.manifests import DOWNLOADS, manifest_writer
from mushroom_tasks.photos.download import download_batches
from mushroom_tasks.settings import DownloadSettings
from mushroom_tasks.storage import Store
count, root = int(sys.argv[1]), sys.argv[2]
batches = (
    pa.record_batch({"photo_id": range(start, start + 8192), "extension": ["no extension"] * 8192})
    for start in range(0, count, 8192)
)
with manifest_writer(Store(root), "d.parquet", DOWNLOADS, "f") as out:
    totals = download_batches(
        batches, root, Store(root), DownloadSettings(), total=count, write=out.write_batch
    )
assert totals.failures.rows == totals.failures.failed == count
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    (tmp_path / "photos").mkdir()
    peaks = [
        int(subprocess.check_output([sys.executable, "-c", program, str(batches * 8192), str(tmp_path)]))
        for batches in (4, 16)
    ]
    assert peaks[1] - peaks[0] <= 12, f"MB: {peaks}"
