"""Streaming a metadata file."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mushroom_tasks.errors import TableError
from mushroom_tasks.inat.loading.keys import ByIds, Ids, Wanted
from mushroom_tasks.inat.loading.quarantine import QUARANTINED_ROWS, Quarantine
from mushroom_tasks.inat.loading.reading import Reader
from mushroom_tasks.inat.tables import OBSERVATIONS, OBSERVERS, TAXA, Table
from mushroom_tasks.storage import Store

UUID = "e23b619f-1dbf-1f78-559e-ac3ccbe90c8c"
OBSERVATION = f"{UUID}\t40\t57.09\t12.87\t5\t9\tresearch\t2019-10-13\t1.8"


def _reader(folder: Path, table: Table, lines: list[str | bytes]) -> tuple[Reader, Quarantine]:
    header = "\t".join(table.names)
    text = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in [header, *lines])
    (folder / table.file).write_bytes(gzip.compress(text + b"\n"))
    quarantine = Quarantine()
    return Reader(Store(folder), "", table, quarantine), quarantine


def _rows(reader: Reader, wanted: Wanted | None = None) -> list[dict[str, object]]:
    return [row for batch in reader.batches(wanted) for row in batch.to_pylist()]


def _of(name: str, *numbers: int) -> ByIds:
    ids = Ids()
    ids.add(np.array(numbers))
    return ByIds(name, ids, empty_is_fine=name == "taxon_id")


def test_batches__takes_quotes_as_letters(tmp_path: Path) -> None:
    reader, _ = _reader(tmp_path, TAXA, ["1\t\t100\tstateofmatter\tLife\ttrue", "2\t1\t33.5\tvariety\tO'x \"y\ttrue"])
    rows = _rows(reader)
    assert [row["name"] for row in rows] == ["Life", "O'x \"y"]
    assert rows[0]["ancestry"] == ""
    assert rows[1]["rank_level"] == 33.5


def test_batches__keeps_what_is_wanted(tmp_path: Path) -> None:
    other = OBSERVATION.replace("\t9\t", "\t8\t")
    unidentified = OBSERVATION.replace("\t9\t", "\t\t")
    reader, _ = _reader(tmp_path, OBSERVATIONS, [OBSERVATION, other, unidentified])
    assert [row["taxon_id"] for row in _rows(reader, _of("taxon_id", 9, 10))] == [9]
    assert (reader.rows, reader.malformed) == (3, 0)


def test_batches__takes_empty_values_as_null(tmp_path: Path) -> None:
    reader, _ = _reader(tmp_path, OBSERVATIONS, [f"{UUID}\t40\t\t\t\t9\tcasual\t\t"])
    (row,) = _rows(reader)
    assert [name for name, value in row.items() if value is None] == [
        "latitude", "longitude", "positional_accuracy", "observed_on", "anomaly_score",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("40\tshort", "2 columns in place of 9"),
        (OBSERVATION + "\tlong", "10 columns in place of 9"),
        (f"{UUID}\t\udcff".encode(errors="surrogateescape"), "2 columns in place of 9"),
        (OBSERVATION.replace("\t9\t", "\tnine\t"), "taxon_id is malformed"),
        (OBSERVATION.replace("\t40\t", "\tforty\t"), "observer_id is malformed"),
        (OBSERVATION.replace("\t40\t", "\t\t"), "observer_id is malformed"),
        (OBSERVATION.replace("\t40\t", "\t-40\t"), "observer_id is malformed"),
        (OBSERVATION.replace("\t40\t", "\t4000000000\t"), "observer_id is malformed"),
        (OBSERVATION.replace("2019-10-13", "2019-13-10"), "observed_on is malformed"),
        (OBSERVATION.replace("57.09", "north"), "latitude is malformed"),
        (OBSERVATION.replace("57.09", "nan"), "latitude is malformed"),
        (OBSERVATION.replace("e23b", "zzzz"), "observation_uuid is malformed"),
        (OBSERVATION.replace("research", "rese\0arch"), "quality_grade is malformed"),
        (OBSERVATION.replace("research", "\udcff").encode(errors="surrogateescape"), "quality_grade is malformed"),
        (OBSERVATION.replace("\t9\t", "\t\udcff\t").encode(errors="surrogateescape"), "taxon_id is malformed"),
        (OBSERVATION.replace("40", "forty").replace("57.09", "north"), "observer_id is malformed"),
    ],
)
def test_batches__quarantines_malformed_rows(tmp_path: Path, line: str | bytes, reason: str) -> None:
    reader, quarantine = _reader(tmp_path, OBSERVATIONS, [OBSERVATION, "", line, OBSERVATION])
    assert len(_rows(reader, _of("taxon_id", 9))) == 2
    assert (reader.rows, reader.malformed) == (3, 1)
    (entry,) = _quarantined(quarantine, tmp_path)
    assert (entry["file"], entry["line"], entry["reason"]) == ("observations.csv.gz", 4, reason)
    assert entry["text"] == (line if isinstance(line, bytes) else line.encode()).decode(errors="replace")


def test_batches__finds_every_malformed_row_among_many(tmp_path: Path) -> None:
    lines, expected = [], []
    for number in range(3000):
        lines.append(f"{number}\tlogin\tname")
        if number % 7 == 0:
            lines[-1] += "\tmore"
            expected.append((number + 2, "4 columns in place of 3"))
        elif number % 11 == 0:
            lines[-1] = f"x{lines[-1]}"
            expected.append((number + 2, "observer_id is malformed"))
        elif number % 13 == 0:
            lines[-1] += "\0"
            expected.append((number + 2, "name is malformed"))
    reader, quarantine = _reader(tmp_path, OBSERVERS, lines)
    assert len(_rows(reader)) == 3000 - len(expected)
    found = [(entry["line"], entry["reason"]) for entry in _quarantined(quarantine, tmp_path)]
    assert sorted(found) == expected
    assert reader.malformed == len(expected)


def _quarantined(quarantine: Quarantine, folder: Path) -> list[dict[str, object]]:
    quarantine.write(Store(folder), "quarantine.jsonl")
    return [json.loads(row) for row in (folder / "quarantine.jsonl").read_text().split("\n")[:-1]]


def test_batches__refuses_an_ancestry_that_is_no_list_of_ids(tmp_path: Path) -> None:
    lines = [f"{n}\t{ancestry}\t10\tspecies\tName\ttrue" for n, ancestry in enumerate(("1/2", "1\\2", "1//2", "x"))]
    reader, _ = _reader(tmp_path, TAXA, lines)
    assert [row["ancestry"] for row in _rows(reader)] == ["1/2"]
    assert reader.malformed == 3


def test_quarantine__stays_small(tmp_path: Path) -> None:
    reader, quarantine = _reader(tmp_path, OBSERVERS, [f"x{n}\ta\tb" for n in range(QUARANTINED_ROWS + 50)])
    assert _rows(reader, _of("observer_id", 1)) == []
    assert reader.malformed == QUARANTINED_ROWS + 50
    quarantine.write(Store(tmp_path), "q.jsonl")
    assert len((tmp_path / "q.jsonl").read_text().splitlines()) == QUARANTINED_ROWS


def test_batches__finds_columns_by_name_and_does_without_the_optional_one(tmp_path: Path) -> None:
    names = [*OBSERVATIONS.names[::-1][1:], "captive"]
    values = {**dict(zip(OBSERVATIONS.names, OBSERVATION.split("\t"), strict=True)), "captive": "x"}
    text = "\t".join(names) + "\n" + "\t".join(values[name] for name in names) + "\n"
    (tmp_path / OBSERVATIONS.file).write_bytes(gzip.compress(text.encode()))
    (row,) = _rows(Reader(Store(tmp_path), "", OBSERVATIONS, Quarantine()))
    assert row["taxon_id"] == 9
    assert row["anomaly_score"] == 1.8 if "anomaly_score" in names else row["anomaly_score"] is None


@pytest.mark.parametrize("text", ["", "<html>no</html>\n", "observer_id,login,name\n1,a,b\n"])
def test_batches__refuses_wrong_columns(tmp_path: Path, text: str) -> None:
    (tmp_path / OBSERVERS.file).write_bytes(gzip.compress(text.encode()))
    with pytest.raises(TableError, match=r"lacks the columns .*Received: .*Expected"):
        _rows(Reader(Store(tmp_path), "", OBSERVERS, Quarantine()))


def test_batches__refuses_a_file_that_breaks_off(tmp_path: Path) -> None:
    lines = "\n".join(f"{n}\tlogin{n * 7919}\tname{n * 104729}" for n in range(50_000))
    data = gzip.compress(f"observer_id\tlogin\tname\n{lines}\n".encode())
    (tmp_path / OBSERVERS.file).write_bytes(data[: len(data) // 2])
    with pytest.raises(TableError, match="cannot be parsed"):
        _rows(Reader(Store(tmp_path), "", OBSERVERS, Quarantine()))


_WITHOUT_PANDAS = """
import sys
import numpy as np
from mushroom_tasks.inat.loading.keys import ByIds, Ids
from mushroom_tasks.inat.loading.quarantine import Quarantine
from mushroom_tasks.inat.loading.reading import Reader
from mushroom_tasks.inat.tables import OBSERVATIONS
from mushroom_tasks.storage import Store

ids = Ids()
ids.add(np.array([9]))
batches = list(Reader(Store(sys.argv[1]), "", OBSERVATIONS, Quarantine()).batches(ByIds("taxon_id", ids)))
assert batches[0].num_rows == 1
sys.exit("pandas" in sys.modules)
"""


def test_batches__do_without_pandas(tmp_path: Path) -> None:
    """Pyarrow imports it for trifles, which costs more than reading a million rows."""
    _reader(tmp_path, OBSERVATIONS, [OBSERVATION])
    done = subprocess.run([sys.executable, "-c", _WITHOUT_PANDAS, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
