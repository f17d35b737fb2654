"""Hugging Face image data sets on this machine, streamed; the hub is never asked."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from photo_folder import SPECIES, photo, write

from mushroom_tasks.errors import ImportFailed, PhotoError
from mushroom_tasks.imports.huggingface import Columns, HuggingFaceSource
from mushroom_tasks.imports.item import Item

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
    """60 MB of photos pass through; what is held grows by far less."""
    program = f"""
import os, psutil, io
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from mushroom_tasks.imports.huggingface import Columns, HuggingFaceSource
rng = np.random.default_rng(0)
schema = pa.schema([("jpeg", pa.binary()), ("species", pa.string())])
path = {str(tmp_path / "large.parquet")!r}
with pq.ParquetWriter(path, schema) as writer:
    for group in range(60):
        photos = [rng.bytes(100_000) for _ in range(10)]
        writer.write_table(pa.table({{"jpeg": photos, "species": ["A b"] * 10}}, schema=schema))
source = HuggingFaceSource(path, Columns(image="jpeg", label="species"))
process, seen, start = psutil.Process(), 0, 0
for item in source.items(1_000_000):
    seen += len(item.read())
    start = start or process.memory_info().rss
print(seen, (process.memory_info().rss - start) // 1_000_000)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    seen, grown = map(int, done.stdout.split())
    assert seen == 60_000_000
    assert grown < 40
