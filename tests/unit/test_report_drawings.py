"""The drawings of the report: curves, the map, contact sheets, figures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from report_rows import FLY_AGARIC, RARE, mixed, row, table

from mushroom_tasks.curation.report import curve_drawing, embedding_map, figures
from mushroom_tasks.curation.report.content import Curve, ReportContent, read_content
from mushroom_tasks.curation.report.facts import Facts
from mushroom_tasks.curation.report.pictures import SIDE, Pictures, jpeg
from mushroom_tasks.curation.report.plane import GRID, Plane
from mushroom_tasks.curation.report.sheet import sheet_png
from mushroom_tasks.storage import Store


@pytest.fixture(scope="module")
def content() -> ReportContent:
    return read_content(
        Facts(mixed()), {FLY_AGARIC: Curve((0.1, 0.2, 0.9), 0.5, 40)}, [], photos_per_class=12, max_photos=1_000
    )


def _plane(count: int = 50) -> Plane:
    random = np.random.default_rng(0)
    return Plane(np.arange(count), random.random((count, 2)), np.arange(count) % 3, np.repeat([1, 2], count // 2))


def test_curve__what_lies_beyond_eps_is_drawn_beyond_it() -> None:
    drawing = curve_drawing.draw(Curve(tuple(np.linspace(0, 1, 201)), 0.9, 1_000), (0.0, 1.0))
    points = [tuple(map(float, point.split(","))) for point in drawing.line.split()]
    beyond = [tuple(map(float, point.split(","))) for point in drawing.beyond.split()]

    assert (drawing.count, drawing.far) == (1_000, 100)
    assert len(points) <= 120
    assert points[0] == (curve_drawing.LEFT, curve_drawing.BOTTOM)
    assert points[-1] == (curve_drawing.RIGHT, curve_drawing.TOP)
    assert all(down <= drawing.eps_down + 0.1 and across >= drawing.crossing - 0.1 for across, down in beyond)


@pytest.mark.parametrize("distances", [(0.4,), (0.4, 0.4), (0.0, 0.0, 0.0)])
def test_curve__of_few_or_equal_distances_stays_in_its_field(distances: tuple[float, ...]) -> None:
    drawing = curve_drawing.draw(Curve(distances, 0.5, 3), (0.0, 1.0))
    values = [float(number) for point in drawing.line.split() for number in point.split(",")]

    assert drawing.beyond == ""
    assert all(0 <= value <= curve_drawing.WIDTH for value in values)


def test_sample__gives_each_class_the_same_room_and_keeps_its_choice() -> None:
    ids = np.arange(1_000)
    classes = np.where(ids < 900, 1, 2)
    rows = embedding_map.sample(ids, classes, 100)
    grown = embedding_map.sample(np.arange(2_000), np.where(np.arange(2_000) % 1_000 < 900, 1, 2), 100)

    assert np.bincount(classes[rows]).tolist() == [0, 50, 50]
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert len(set(ids[rows]) & set(grown)) > 25  # half of them, where the photos have doubled


def test_layout__keeps_neighbours_together_and_is_the_same_again() -> None:
    random = np.random.default_rng(0)
    embeddings = np.concatenate([random.normal(centre, 0.2, (30, 16)) for centre in np.eye(16)[:2] * 5])
    first, second = (embedding_map.layout(embeddings.astype(np.float32)) for _ in range(2))
    middles = first[:30].mean(axis=0), first[30:].mean(axis=0)
    inner = np.linalg.norm(first[:30] - middles[0], axis=1).mean()

    assert np.array_equal(first, second)
    assert first.min() == 0
    assert first.max() == 1
    assert np.linalg.norm(middles[0] - middles[1]) > 2 * inner


def test_layout__of_a_handful_of_photos_is_none() -> None:
    assert embedding_map.layout(np.ones((3, 16), np.float32)).shape == (0, 2)


def test_layout__of_equal_photos_stays_in_the_plane() -> None:
    places = embedding_map.layout(np.ones((20, 16), np.float32))
    assert np.isfinite(places).all()
    assert places.min() >= 0
    assert places.max() <= 1


def test_plane__one_photo_stands_for_each_cell() -> None:
    plane = _plane(1_000)
    cells = plane.cells()

    assert len(cells) <= GRID[0] * GRID[1]
    assert len(set(cells.values())) == len(cells)
    assert all(0 <= across < GRID[0] and 0 <= down < GRID[1] for across, down in cells)


def test_plane__names_the_middle_of_few_classes_and_of_many_none() -> None:
    many = Plane(np.arange(100), np.zeros((100, 2)), np.zeros(100, np.intp), np.arange(100))

    assert set(_plane().labels({1: "Amanita", 2: "Boletus"})) == {1, 2}
    assert many.labels(dict.fromkeys(range(100), "Amanita")) == {}


def test_plane__names_of_classes_that_lie_on_each_other_are_apart() -> None:
    count = 12
    plane = Plane(np.arange(count), np.full((count, 2), 0.5), np.zeros(count, np.intp), np.arange(count))
    downs = sorted(down for _, down in plane.labels(dict.fromkeys(range(count), "Amanita muscaria")).values())

    assert min(np.diff(downs)) > 0.02
    assert max(downs) <= 1


def test_figures__are_pictures_whose_bytes_depend_on_the_content_alone(content: ReportContent) -> None:
    plane, names = _plane(), {1: "Amanita $x$ muscaria", 2: "Boletus"}
    for draw in (lambda: figures.map_png(plane, names), lambda: figures.curves_png(content.classes)):
        data = draw()
        assert Image.open(io.BytesIO(data)).format == "PNG"
        assert data == draw()


def test_photo_map__has_a_photo_where_one_is_left() -> None:
    plane = _plane()
    squares = {int(row): None if row % 2 else Image.new("RGB", (48, 48), "red") for row in plane.rows}
    panel = Image.open(io.BytesIO(figures.photo_map(plane, squares)))

    assert panel.size == (GRID[0] * figures.CELL, GRID[1] * figures.CELL)
    assert max(red for red, _, _ in panel.convert("RGB").get_flattened_data()) > 200


def test_sheet__has_a_place_for_every_photo_shown_and_a_name_that_fits(content: ReportContent) -> None:
    for each in content.classes:
        squares = {row: None if row % 3 else Image.new("RGB", (SIDE, SIDE), "green") for row in each.shown_rows()}
        sheet = Image.open(io.BytesIO(sheet_png(content.facts, each, squares)))

        assert sheet.format == "PNG"
        assert sheet.height > (SIDE if each.taxon_id == RARE else 3 * SIDE)


def test_pictures__shows_the_middle_square_of_the_smaller_copy_and_none_for_what_is_gone(tmp_path: object) -> None:
    store = Store(str(tmp_path))
    photo = Image.new("RGB", (300, 100), "blue")
    photo.paste("red", (100, 0, 200, 100))
    for path, image in (("small.jpg", photo), ("large.jpg", Image.new("RGB", (300, 300), "green"))):
        store.write_bytes(path, jpeg(image))
    store.write_bytes("page.jpg", b"<html>gone</html>")
    paths = [("large.jpg", "small.jpg"), ("large.jpg", None), ("page.jpg", None), ("gone.jpg", None)]
    facts = Facts(table([row(n, path=path, small_path=small) for n, (path, small) in enumerate(paths)]))
    with Pictures(store, facts) as pictures:
        small, large, *gone = pictures.read(range(4), 32)

    assert small is not None
    assert large is not None
    assert small.size == (32, 32)
    red, _, blue = small.getpixel((16, 16))
    assert red > 200
    assert blue < 60
    assert large.getpixel((16, 16))[1] > 100
    assert gone == [None, None]
