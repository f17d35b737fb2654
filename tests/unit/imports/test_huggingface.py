"""Hugging Face image data sets on this machine, streamed; the hub is never asked."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from contextlib import suppress
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from photo_folder import SPECIES, photo, write

from mushroom_tasks.errors import ImportFailed, PhotoError
from mushroom_tasks.imports.huggingface import Columns, HuggingFaceSource
from mushroom_tasks.imports.item import Item
from mushroom_tasks.imports.own_files import own_address

LIMIT = 1_000_000
NAMES = sorted(SPECIES)


def items(name: object, **columns: str) -> list[Item]:
    return list(HuggingFaceSource(str(name), Columns(**columns)).items(LIMIT))


def write_parquet(path: Path, rows: list[dict], features: dict | None = None) -> Path:
    import datasets

    described = datasets.Features(
        features
        or {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=NAMES),
            "who": datasets.Value("string"),
            "licence": datasets.Value("string"),
            "day": datasets.Value("string"),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_list(rows, features=described).to_parquet(path)
    return path


def row(number: int, **changes: object) -> dict:
    data = photo(number)
    held = {"bytes": data, "path": f"{number}.jpg"}
    return {
        "image": held,
        "label": number % 3,
        "who": f"p{number % 4}",
        "licence": "cc-by-4.0",
        "day": "2024-09-01",
    } | changes


def pack(folder: Path, kind: str, data: bytes) -> Path:
    """An archive of one photo, a.jpg."""
    if kind == "gzip":
        return write(folder, "a.jpg.gz", gzip.compress(data))
    held = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(held, "w") as archive:
            archive.writestr("a.jpg", data)
    else:
        with tarfile.open(fileobj=held, mode="w") as archive:
            member = tarfile.TarInfo("a.jpg")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return write(folder, f"photos.{kind}", held.getvalue())


def items_at(folder: Path, *addresses: str) -> list[Item]:
    """The items of a data set in that folder whose rows point to these addresses."""
    import datasets

    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    rows = [{"image": {"bytes": None, "path": address}, "label": "A b"} for address in addresses]
    # to_parquet would put the files into the rows.
    pq.write_table(datasets.Dataset.from_list(rows, features=features).data.table, folder / "rows.parquet")
    write(folder, "README.md", b"---\nconfigs:\n- config_name: default\n  data_files: rows.parquet\n---\n")
    return items(folder, label="label")


def reasons(folder: Path, *addresses: str) -> list[str]:
    found = []
    for item in items_at(folder, *addresses):
        with pytest.raises(PhotoError) as caught:
            item.read()
        found.append(caught.value.reason)
    return found


def test_items__of_parquet_files_with_splits_of_their_own(tmp_path: Path) -> None:
    for split, count in (("train", 6), ("validation", 3), ("test", 2)):
        write_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet", [row(n) for n in range(count)])
    found = items(tmp_path, observer="who", license="licence", date="day")
    assert Counter(item.split for item in found) == {"train": 6, "validation": 3, "test": 2}
    first = next(item for item in found if item.name == "train/1")
    assert (first.species, first.observer, first.credit) == (NAMES[1], "p1", "p1")
    assert (first.license, first.observed_on) == ("cc-by-4.0", date(2024, 9, 1))
    assert first.read() == photo(1)


def test_items__of_one_parquet_file(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "mushrooms.parquet", [row(n) for n in range(5)])
    found = items(path)
    assert [item.species for item in found] == [NAMES[n % 3] for n in range(5)]
    assert {item.split for item in found} == {"train"}


def test_items__of_an_image_folder(tmp_path: Path) -> None:
    for species in NAMES:
        for nth in range(4):
            write(tmp_path, f"train/{species}/{nth}.jpg", photo(nth))
        write(tmp_path, f"test/{species}/9.jpg", photo(9))
    found = items(tmp_path)
    assert Counter((item.split, item.species) for item in found) == {
        **{("train", name): 4 for name in NAMES},
        **{("test", name): 1 for name in NAMES},
    }
    assert {item.read() for item in found if item.split == "test"} == {photo(9)}


def test_items__labels_may_be_text(tmp_path: Path) -> None:
    import datasets

    features = {"picture": datasets.Image(), "species": datasets.Value("string")}
    rows = [
        {"picture": row(n)["image"], "species": name}
        for n, name in enumerate(["amanita_muscaria", None, " Russula sp "])
    ]
    path = write_parquet(tmp_path / "x.parquet", rows, features)
    assert [item.species for item in items(path, label="species")] == ["Amanita muscaria", "", "Russula sp"]


def test_items__photos_may_be_plain_bytes(tmp_path: Path) -> None:
    import datasets

    features = {"jpeg": datasets.Value("binary"), "species": datasets.Value("string")}
    path = write_parquet(tmp_path / "x.parquet", [{"jpeg": photo(1), "species": "A b"}], features)
    [item] = items(path, image="jpeg", label="species")
    assert item.read() == photo(1)


def test_items__a_row_without_label_or_photo_is_a_bad_item(tmp_path: Path) -> None:
    rows = [row(0, label=-1), row(1, label=None), row(2, image=None), row(3, image={"bytes": b"junk", "path": None})]
    found = items(write_parquet(tmp_path / "x.parquet", rows))
    assert [item.species for item in found[:2]] == ["", ""]
    with pytest.raises(PhotoError, match="holds no photo"):
        found[2].read()
    assert found[3].read() == b"junk"


def test_items__a_row_cannot_point_to_a_file_of_this_machine(tmp_path: Path) -> None:
    secret = write(tmp_path, "secret.jpg", photo(1))
    path = write_parquet(tmp_path / "data" / "x.parquet", [row(0, image={"bytes": None, "path": str(secret)})])
    for name in (path, path.parent):
        [item] = items(name)
        with pytest.raises(PhotoError) as caught:
            item.read()
        assert caught.value.reason == "not_a_file"


@pytest.mark.parametrize("kind", ["zip", "tar", "gzip"])
def test_items__of_members_of_the_data_set_s_archives(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "data"
    packed = pack(folder, kind, photo(1))
    addresses = [f"{kind}://a.jpg::{packed}", f"{kind}://a.jpg::file://{packed}", f"{kind}://a.jpg::{packed.name}"]
    for item in items_at(folder, *addresses):
        assert item.read() == photo(1)
    outside = packed.rename(tmp_path / packed.name)
    assert reasons(folder, f"{kind}://a.jpg::{outside}", f"{kind}://a.jpg::{packed}") == ["not_a_file", "missing"]


def test_items__a_data_set_s_own_files_may_be_named_in_several_ways(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    own = write(folder, "photos/a.jpg", photo(1))
    (folder / "link.jpg").symlink_to(own)
    for item in items_at(folder, str(own), f"file://{own}", "photos/a.jpg", str(folder / "link.jpg")):
        assert item.read() == photo(1)


def test_items__a_row_leads_to_no_file_but_the_data_set_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data"
    own, secret = write(folder, "a.jpg", photo(1)), write(tmp_path, "secret.jpg", photo(2))
    packed = pack(folder, "zip", photo(1))
    (folder / "out.jpg").symlink_to(secret)
    (folder / "circle.jpg").symlink_to(folder / "circle.jpg")
    monkeypatch.chdir(tmp_path)
    assert reasons(
        folder,
        f"file://{secret}::{own}",
        f"{secret}::{own}",
        f"file://{secret}::zip://a.jpg::{packed}",
        f"zip://a.jpg::file://{secret}::{packed}",
        f"simplecache::{own}",
        f"filecache://{secret}::{own}",
        f"ZIP://a.jpg::{packed}",
        f"zip://::{packed}",
        f"{own}::",
        str(folder / ".." / "secret.jpg"),
        "../secret.jpg",
        str(folder / "out.jpg"),
        f"zip://a.jpg::{folder / 'out.jpg'}",
        str(folder),
        f"hf://datasets/owner/name/{own}",
    ) == ["not_a_file"] * 14 + ["missing"]
    # Neither of the directory that we are in, nor somebody's home.
    assert reasons(folder, "secret.jpg", "~/secret.jpg", str(folder / "circle.jpg")) == [
        "missing",
        "missing",
        "unreadable",
    ]


def test_items__pipes_and_devices_are_bad_items(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    os.mkfifo(folder / "pipe.jpg")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    addresses = [str(folder / "pipe.jpg"), f"zip://a.jpg::{folder / 'pipe.jpg'}", str(folder / "zero.jpg"), "/dev/zero"]
    assert reasons(folder, *addresses) == ["not_a_file"] * 4


def test_items__damaged_archives_are_bad_items(tmp_path: Path) -> None:
    folder, whole = tmp_path / "data", tmp_path / "data" / "whole"
    assert reasons(folder, *(f"{kind}://b.jpg::{pack(whole, kind, photo(1))}" for kind in ("zip", "tar"))) == [
        "missing", "missing",
    ]  # fmt: skip
    packed = {kind: pack(folder, kind, photo(1)) for kind in ("zip", "tar", "gzip")}
    for path in packed.values():
        path.write_bytes(path.read_bytes()[:600])
    assert reasons(folder, *(f"{kind}://a.jpg::{path}" for kind, path in packed.items())) == ["unreadable"] * 3


@pytest.mark.parametrize(
    ("name", "address", "is_own"),
    [
        ("owner/name", "hf://datasets/owner/name/a.jpg", True),
        ("owner/name", "hf://datasets/owner/name@0a1b/train/a.jpg", True),
        ("owner/name", "hf://datasets/owner/name@refs%2Fconvert%2Fparquet/a.jpg", True),
        ("owner/name", "zip://a.jpg::hf://datasets/owner/name@0a1b/x.zip", True),
        ("owner/name", "gzip://a::tar://a.gz::hf://datasets/owner/name@0a1b/x.tar", True),
        ("name", "hf://datasets/name@0a1b/a.jpg", True),
        ("name", "hf://datasets/name/other/a.jpg", False),
        ("owner/name", "hf://datasets/owner/names/a.jpg", False),
        ("owner/n.me", "hf://datasets/owner/name/a.jpg", False),
        ("owner/name", "hf://owner/name/a.jpg", False),
        ("owner/name", "hf://datasets/owner/name@0a1b/../../../other/secret/a.jpg", False),
        ("owner/name", "hf://datasets/owner/name@%2E%2E%2F%2E%2E/a.jpg", False),
        ("owner/name", "file:///etc/hostname::hf://datasets/owner/name/a.jpg", False),
        ("owner/name", "/etc/hostname::hf://datasets/owner/name/a.jpg", False),
        ("owner/name", "zip://a::file:///x.zip::hf://datasets/owner/name/a.jpg", False),
        ("owner/name", "https://evil.example/hf://datasets/owner/name/a.jpg", False),
        ("owner/name", "hf://datasets/owner/name/a.jpg::file:///etc/hostname", False),
        ("owner/name", "\nhf://datasets/owner/name/a.jpg", False),
        ("owner/name", "/etc/hostname", False),
    ],
)
def test_own_address__of_a_data_set_at_the_hub(name: str, address: str, is_own: bool) -> None:
    assert own_address(address, name, None) == (address if is_own else None)


def test_items__larger_photos_than_allowed_are_bad_items(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "x.parquet", [row(0, image={"bytes": bytes(LIMIT + 1), "path": None})])
    [item] = items(path)
    with pytest.raises(PhotoError) as caught:
        item.read()
    assert caught.value.reason == "too_large"


def test_items__no_code_of_a_data_set_is_run(tmp_path: Path) -> None:
    folder = tmp_path / "mushrooms"
    write_parquet(folder / "x.parquet", [row(0)])
    ran = tmp_path / "ran"
    write(folder, "mushrooms.py", f"open({str(ran)!r}, 'w')".encode())
    with suppress(ImportFailed):  # or it is read as the Parquet file that it has
        items(folder)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"label": "genus"}, r"no columns \['genus'\]"),
        ({"observer": "photographer"}, r"no columns \['photographer'\]"),
        ({"label": "day"}, ""),
    ],
)
def test_items__names_columns_that_are_missing(tmp_path: Path, columns: dict[str, str], says: str) -> None:
    path = write_parquet(tmp_path / "x.parquet", [row(0)])
    if not says:
        assert items(path, **columns)[0].species == "2024-09-01"
        return
    with pytest.raises(ImportFailed, match=says):
        items(path, **columns)


def test_items__numbers_are_no_names_of_species(tmp_path: Path) -> None:
    import datasets

    features = {"image": datasets.Image(), "label": datasets.Value("int64")}
    path = write_parquet(tmp_path / "x.parquet", [{"image": row(0)["image"], "label": 3}], features)
    with pytest.raises(ImportFailed, match="no names of species"):
        items(path)


def test_items__which_column_cannot_be_told(tmp_path: Path) -> None:
    import datasets

    features = {"front": datasets.Image(), "back": datasets.Image(), "label": datasets.Value("string")}
    rows = [{"front": row(0)["image"], "back": row(1)["image"], "label": "A b"}]
    path = write_parquet(tmp_path / "x.parquet", rows, features)
    with pytest.raises(ImportFailed, match="--image-column"):
        items(path)
    assert [item.read() for item in items(path, image="back")] == [photo(1)]


@pytest.mark.parametrize("name", ["", "no such/folder/at all", "../..x/y", "https://evil.example/data"])
def test_source__is_a_path_or_a_name_at_the_hub(name: str) -> None:
    with pytest.raises(ImportFailed, match="neither a folder"):
        HuggingFaceSource(name or "?", Columns())


def test_items__the_hub_is_not_asked_offline() -> None:
    with pytest.raises(ImportFailed, match="HF_HUB_OFFLINE"):
        items("nobody/has-this")


def test_items__a_damaged_file_ends_the_import(tmp_path: Path) -> None:
    write(tmp_path, "data/train.parquet", b"PAR1 and no more")
    with pytest.raises(ImportFailed, match="cannot be read"):
        items(tmp_path / "data")


def test_items__memory_stays_at_a_row_group(tmp_path: Path) -> None:
    """120 MB of photos pass through; what is held at any time grows by far less."""
    program = f"""
import os, psutil, io
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from mushroom_tasks.imports.huggingface import Columns, HuggingFaceSource
rng = np.random.default_rng(0)
schema = pa.schema([("jpeg", pa.binary()), ("species", pa.string())])
path = {str(tmp_path / "large.parquet")!r}
with pq.ParquetWriter(path, schema) as writer:
    for group in range(120):
        photos = [rng.bytes(100_000) for _ in range(10)]
        writer.write_table(pa.table({{"jpeg": photos, "species": ["A b"] * 10}}, schema=schema))
source = HuggingFaceSource(path, Columns(image="jpeg", label="species"))
process, seen, start, peak = psutil.Process(), 0, 0, 0
for number, item in enumerate(source.items(1_000_000)):
    seen += len(item.read())
    if number % 10 == 0:
        pa.default_memory_pool().release_unused()  # else the pool keeps freed pages for as long as it likes
        start = start or process.memory_info().rss
        peak = max(peak, process.memory_info().rss - start)
print(seen, peak // 1_000_000)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    seen, grown = map(int, done.stdout.split())
    assert seen == 120_000_000
    assert grown < 40
