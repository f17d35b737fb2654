"""predict: a photo's top five from a bundle, through LiteRT alone."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tiny_classifier import COLOURS, species_records

from mushroom_tasks.errors import BundleError, PhotoError, SettingsError
from mushroom_tasks.mobile.bundle import write_bundle
from mushroom_tasks.mobile.predict import Prediction, Predictor, describe, json_line

_ROTATED = 6  # EXIF: the top of the photo is at the right of the stored pixels


def _photo(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((96, 96), Image.Resampling.NEAREST).save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.fixture
def predictor(bundle) -> Predictor:
    return Predictor(bundle.folder)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_predict__names_the_photo(bundle, tiny, precision):
    predictor = Predictor(bundle.folder, precision)
    names = list(COLOURS)
    first = [predictor.predict(_photo(photo))[0].scientific_name for photo in tiny.photos[::6]]
    assert first == [names[label] for label in tiny.labels[::6]]


def test_predict__gives_five_best_first(predictor, tiny):
    found = predictor.predict(_photo(tiny.photos[0]))
    probabilities = [item.probability for item in found]
    assert len(found) == 5
    assert probabilities == sorted(probabilities, reverse=True)
    assert len({item.taxon_id for item in found}) == 5


def test_predict__carries_taxon_and_link(predictor, tiny):
    best = predictor.predict(_photo(tiny.photos[0]), top=1)[0]
    assert (best.taxon_id, best.inaturalist) == (1000, "https://www.inaturalist.org/taxa/1000")


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_predict__all_probabilities_add_up_to_one(bundle, tiny, precision):
    found = Predictor(bundle.folder, precision).predict(_photo(tiny.photos[20]), top=6)
    assert sum(item.probability for item in found) == pytest.approx(1, abs=1e-5)


def test_predict__gives_all_classes_where_top_is_larger(predictor, tiny):
    found = predictor.predict(_photo(tiny.photos[0]), top=50)
    assert sorted(item.scientific_name for item in found) == sorted(COLOURS)


def test_predict__int8_is_the_default(bundle):
    assert Predictor(bundle.folder).precision == "int8"


def test_predict__takes_the_only_model_there_is(bundle_parts, tmp_path, tiny):
    models = [model for model in bundle_parts["models"] if model.precision == "float32"]
    bundle = write_bundle(tmp_path / "one", **{**bundle_parts, "models": models})
    predictor = Predictor(bundle.folder)
    assert predictor.precision == "float32"
    assert predictor.predict(_photo(tiny.photos[0]))[0].scientific_name == "Alba alba"


def test_predict__refuses_a_precision_that_is_not_there(bundle):
    with pytest.raises(BundleError, match="Received: 'float16'"):
        Predictor(bundle.folder, "float16")


def test_predict__applies_exif_orientation(bundle):
    stored = np.full((96, 96, 3), COLOURS["Rubra rubra"], dtype=np.uint8)
    stored[::8] = COLOURS["Caerulea sp."]  # stripes, so that lying down looks different from upright
    exif = Image.Exif()
    exif[0x0112] = _ROTATED
    predictor = Predictor(bundle.folder, "float32")
    upright = predictor.predict(_photo(np.ascontiguousarray(np.rot90(stored, -1))))
    assert predictor.predict(_photo(stored, exif=exif)) == upright
    assert predictor.predict(_photo(stored)) != upright


def test_predict__reason_of_a_photo_that_cannot_be_read(predictor):
    with pytest.raises(PhotoError) as caught:
        predictor.predict(b"<!DOCTYPE html><html>")
    assert caught.value.reason == "html"


def test_predict__refuses_top_of_zero(predictor, tiny):
    with pytest.raises(SettingsError, match=r"at least 1. Received: 0"):
        predictor.predict(_photo(tiny.photos[0]), top=0)


def test_json_line__is_one_line_of_the_agreed_shape(predictor, tiny):
    line = json_line("a\nb.jpg", predictor.predict(_photo(tiny.photos[0])))
    assert "\n" not in line
    content = json.loads(line)
    assert content["photo"] == "a\nb.jpg"
    assert len(content["predictions"]) == 5
    assert content["predictions"][0]["scientific_name"] == "Alba alba"
    assert 0 < content["predictions"][0]["probability"] <= 1


def test_describe__shows_all_and_says_what_it_is_not(predictor, tiny):
    found = predictor.predict(_photo(tiny.photos[0]))
    first, *lines = describe("photo.jpg", found)
    assert first == "photo.jpg"
    for line, item in zip(lines, found, strict=False):
        assert item.scientific_name in line
        assert f"{item.probability:.1%}" in line
        assert item.inaturalist in line
    assert "none of these" in lines[-2]
    assert "no advice on consumption" in lines[-1]


def test_describe__bars_are_as_long_as_the_probability():
    lines = describe("x", [Prediction("A", 0.75, 1, "-"), Prediction("B", 0.25, 2, "-")])
    assert [line.count("█") for line in lines[1:3]] == [15, 5]


def test_describe__obeys_no_control_characters():
    lines = describe("\x1b[2Jphoto\r\n", [Prediction("Amanita\x1b[31m\u202e x", 0.5, 1, "-")])
    assert all(line.isprintable() for line in lines)
    assert lines[0] == "[2Jphoto"


def test_describe__survives_no_predictions():
    assert describe("x", [])[0] == "x"


def test_predict__hostile_names_come_through(bundle_parts, tmp_path, tiny):
    names = ['Alba "x" </b>', *list(COLOURS)[1:]]
    bundle = write_bundle(tmp_path / "names", **{**bundle_parts, "species": species_records(names)})
    found = Predictor(bundle.folder).predict(_photo(tiny.photos[0]))
    assert json.loads(json_line("x", found))["predictions"][0]["scientific_name"] == 'Alba "x" </b>'


def test_predict__never_loads_tensorflow(bundle, tiny, tmp_path):
    (tmp_path / "photo.png").write_bytes(_photo(tiny.photos[0]))
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from mushroom_tasks.mobile.predict import Predictor, describe\n"
        "found = Predictor(Path(sys.argv[1])).predict(Path(sys.argv[2]).read_bytes())\n"
        "heavy = {'tensorflow', 'keras', 'torch', 'sklearn', 'pandas', 'pyarrow', 'mlflow', 'sqlalchemy'}\n"
        "print(found[0].scientific_name, sorted(heavy & {name.split('.')[0] for name in sys.modules}))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(bundle.folder), str(tmp_path / "photo.png")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (run.returncode, run.stdout.strip()) == (0, "Alba alba []"), run.stderr
