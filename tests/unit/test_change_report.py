"""The page and the picture about what a load changed."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from PIL import Image

from mushroom_tasks.db.models import Snapshot
from mushroom_tasks.inat.refresh.change_plot import changes_png
from mushroom_tasks.inat.refresh.change_report import changes_page
from mushroom_tasks.inat.refresh.changes import SPECIES_CHANGES, Changes, Move, Totals

LOAD = Snapshot(
    fingerprint="ab12",
    source="https://here/?a=1&b=<2>",
    root_taxa=[47169, 48250],
    loaded_at=datetime(2026, 3, 4, tzinfo=UTC),
)
EVIL = '<img src=x onerror="alert(1)"> $\\frac{1$'


def _changes(moves: tuple[Move, ...] = (), **totals: int) -> Changes:
    counts = {**dict.fromkeys(Totals.model_fields, 0), "photos_before": 1_200, "photos_after": 1_300, **totals}
    return Changes(since="cd34", totals=Totals(**counts), moves=moves)


def _species(count: int, **columns: object) -> pa.Table:
    names = [name for name in SPECIES_CHANGES.names if name != "scientific_name"]
    rows = [
        {"scientific_name": f"Species {n}", **dict.fromkeys(names, n), "taxon_id": n, **columns}
        for n in range(count, 0, -1)
    ]
    return pa.Table.from_pylist(rows, SPECIES_CHANGES)


def _size(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        return image.size


def test_changes_page__shows_names_and_addresses_as_they_are() -> None:
    move = Move(from_taxon_id=1, from_name=EVIL, to_taxon_id=None, to_name=None, photos=7)
    page = changes_page(LOAD, _changes((move,), moved=7), _species(1, scientific_name=EVIL), b"picture")

    assert "<img src=x" not in page
    assert page.count("&lt;img src=x onerror=&#34;alert(1)&#34;&gt;") == 2
    assert "https://here/?a=1&amp;b=&lt;2&gt;" in page
    assert "→ no species" in page


def test_changes_page__tells_totals() -> None:
    page = changes_page(LOAD, _changes(added=1_234, moved=5, reclassified=2), _species(2), b"picture")

    assert "<b>1,300 photos</b>, 1,200 before." in page
    assert "<b>1,234 added</b>" in page
    assert "<b>5 moved</b> to another species, 2 of them because the taxonomy changed" in page
    assert "2026-03-04 00:00 UTC" in page


def test_changes_page__names_the_file_with_all_species_where_it_cannot_list_them() -> None:
    page = changes_page(LOAD, _changes(added=1), _species(700), b"picture")

    assert page.count("<tr><td") == 500
    assert "of 700; all of them are in <code>changes.parquet</code>" in page


def test_changes_page__of_a_snapshot_without_changes() -> None:
    page = changes_page(LOAD, _changes(observers_renamed=3), _species(0), b"picture")

    assert "No photo differs: 1,300 photos" in page
    assert "3 observers have another name" in page
    assert "<img" not in page


@pytest.mark.parametrize("count", [0, 1, 30, 400])
def test_changes_png__has_a_readable_height_for_few_and_many_species(count: int) -> None:
    width, height = _size(changes_png(_species(count), _changes(added=1)))

    assert width == 1300
    assert 300 < height < 1400


def test_changes_png__takes_names_as_text() -> None:
    png = changes_png(_species(2, scientific_name=EVIL), _changes(added=1))

    assert _size(png)[0] == 1300
    assert png == changes_png(_species(2, scientific_name=EVIL), _changes(added=1))


def test_changes_png__of_species_that_only_lost_photos() -> None:
    lost = _species(3, added=0, moved_in=0, changed=0, removed=4)

    assert _size(changes_png(lost, _changes(removed=12)))[0] == 1300
