"""photos.arrays: what `pa.array` gives, without pandas."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from mushroom_tasks.arrays import array, mask


@settings(deadline=None)  # pa.array imports pandas
@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"])))))
def test_array__of_texts(values: list[str | None]) -> None:
    made = array(values, pa.string())
    made.validate(full=True)
    assert made.equals(pa.array(values, pa.string()))


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))))
def test_array__of_numbers(values: list[int | None]) -> None:
    assert array(values, pa.int64()).equals(pa.array(values, pa.int64()))
    small = [value and value % 1000 for value in values]
    assert array(small, pa.int32()).equals(pa.array(small, pa.int32()))


@given(st.lists(st.booleans()))
def test_mask__of_truth_values(values: list[bool]) -> None:
    assert mask(iter(values)).equals(pa.array(values, pa.bool_()))


def test_download__runs_without_pandas() -> None:
    """Arrow imports it at the slightest occasion; it would be half of the memory."""
    program = """
import sys, tempfile, pyarrow as pa
from pathlib import Path
from mushroom_tasks.manifests import DOWNLOADS, manifest_writer, read_batches
from mushroom_tasks.arrays import array
from mushroom_tasks.photos.download import download_batches
from mushroom_tasks.photos.merging import merged
from mushroom_tasks.settings import DownloadSettings
from mushroom_tasks.storage import Store
root = tempfile.mkdtemp()
Path(root, "photos").mkdir()
store = Store(root)
columns = [array(range(9), pa.int64()), array(["jpg"] * 9, pa.string())]
rows = pa.RecordBatch.from_arrays(columns, ["photo_id", "extension"])
for path, earlier in (("1.parquet", ()), ("2.parquet", read_batches(store, "1.parquet", DOWNLOADS))):
    with manifest_writer(store, path, DOWNLOADS, "f") as out:
        download_batches([rows], root, store, DownloadSettings(), total=9, write=out.write_batch, earlier=earlier)
assert sum(batch.num_rows for batch in merged([read_batches(store, "2.parquet", DOWNLOADS)])) == 9
assert "pandas" not in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
