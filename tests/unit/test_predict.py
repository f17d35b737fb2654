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
from typer.testing import CliRunner, Result

from mushroom_tasks.cli.main import app
from mushroom_tasks.errors import BundleError, PhotoError, SettingsError
from mushroom_tasks.mobile.answering import Group
from mushroom_tasks.mobile.archive import pack
from mushroom_tasks.mobile.predict import Answer, Prediction, Predictor, describe, json_line
from mushroom_tasks.mobile.prior import Moment
from mushroom_tasks.mobile.schema import Calibration, LookAlike, RankThreshold, Species, ToxicityWarning, Unknown
from mushroom_tasks.mobile.writing import write_bundle

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
    first = [predictor.predict(_photo(photo)).predictions[0].species.scientific_name for photo in tiny.photos[::6]]
    assert first == [names[label] for label in tiny.labels[::6]]


def test_predict__gives_five_best_first(predictor, tiny):
    found = predictor.predict(_photo(tiny.photos[0])).predictions
    probabilities = [item.probability for item in found]
    assert len(found) == 5
    assert probabilities == sorted(probabilities, reverse=True)
    assert len({item.species.taxon_id for item in found}) == 5


def test_predict__carries_taxon_and_link(predictor, tiny):
    best = predictor.predict(_photo(tiny.photos[0]), top=1).predictions[0].species
    assert (best.taxon_id, best.inaturalist) == (1000, "https://www.inaturalist.org/taxa/1000")


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_predict__all_probabilities_add_up_to_one(bundle, tiny, precision):
    found = Predictor(bundle.folder, precision).predict(_photo(tiny.photos[20]), top=6).predictions
    assert sum(item.probability for item in found) == pytest.approx(1, abs=1e-5)


def test_predict__gives_all_classes_where_top_is_larger(predictor, tiny):
    found = predictor.predict(_photo(tiny.photos[0]), top=50).predictions
    assert sorted(item.species.scientific_name for item in found) == sorted(COLOURS)


def test_predict__int8_is_the_default(bundle):
    assert Predictor(bundle.folder).precision == "int8"


def test_predict__takes_the_only_model_there_is(bundle_parts, tmp_path, tiny):
    models = [model for model in bundle_parts["models"] if model.precision == "float32"]
    bundle = write_bundle(tmp_path / "one", **{**bundle_parts, "models": models})
    predictor = Predictor(bundle.folder)
    assert predictor.precision == "float32"
    assert predictor.predict(_photo(tiny.photos[0])).predictions[0].species.scientific_name == "Alba alba"


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
    for line, item in zip(lines, found.predictions, strict=False):
        assert item.species.scientific_name in line
        assert f"{item.probability:.1%}" in line
        assert item.species.inaturalist in line
    assert "none of these" in lines[-2]
    assert "no advice on consumption" in lines[-1]


def _species(name: str, index: int = 0, **more: object) -> Species:
    return Species(index=index, taxon_id=index + 1, scientific_name=name, rank="species", taxonomy=(), **more)


def _answer(*predictions: Prediction, **more: object) -> Answer:
    return Answer(predictions, **{"is_none": None, "group": None, **more})


def test_describe__bars_are_as_long_as_the_probability():
    lines = describe("x", _answer(Prediction(_species("A"), 0.75), Prediction(_species("B"), 0.25)))
    assert [line.count("█") for line in lines[1:3]] == [15, 5]


def test_describe__obeys_no_control_characters():
    hostile = "Amanita\x1b[31m\u202e x"
    alike = LookAlike(index=1, scientific_name=hostile, photos=1, shares="")
    species = _species(hostile, common_names={"en": (hostile,)}, look_alikes=(alike,))
    lines = describe("\x1b[2Jphoto\r\n", _answer(Prediction(species, 0.5), group=Group("genus", hostile, 0.5)))
    assert all(line.isprintable() for line in lines)
    assert lines[0] == "[2Jphoto"


def test_describe__survives_no_predictions():
    assert describe("x", _answer())[0] == "x"


def test_describe__names_warnings_look_alikes_and_common_names():
    warning = ToxicityWarning(level="deadly", of="Amanita", toxin="amatoxins", syndrome="", sources=("A book",))
    alike = LookAlike(index=1, scientific_name="Agaricus campestris", photos=3, shares="order")
    first = _species("Amanita x", common_names={"en": ("Cap",)}, look_alikes=(alike,))
    text = "\n".join(
        describe("x", _answer(Prediction(first, 0.9), Prediction(_species("D y", 1, warning=warning), 0.05)))
    )
    assert "Amanita x (Cap)" in text
    assert "D y is documented as deadly (amatoxins)." in text
    assert "Amanita x is confused with, or near to: Agaricus campestris." in text
    assert "edible" not in text


def test_describe__says_when_it_is_none_of_these_or_only_a_genus_is_sure():
    one = Prediction(_species("A b"), 0.4)
    assert any("Most likely it is none" in line for line in describe("x", _answer(one, is_none=True)))
    unsure = describe("x", _answer(one, is_none=False, group=Group("genus", "A", 0.93)))
    assert "  The species is unsure; the genus A has 93.0%." in unsure


# --- calibrated, and with what season and place say


def test_predict__applies_temperature_and_doubts(bundle_parts, tmp_path, tiny):
    never = Unknown(score="max probability", threshold=1.1, accepted=0.95)
    ranks = (RankThreshold(rank="species", threshold=None), RankThreshold(rank="kingdom", threshold=0.9))
    flat = Calibration(temperature=50.0, unknown=never, ranks=ranks, right=0.9)
    photo = _photo(tiny.photos[0])
    plain = Predictor(write_bundle(tmp_path / "plain", **bundle_parts).folder).predict(photo)
    calibrated = Predictor(write_bundle(tmp_path / "flat", **bundle_parts, calibration=flat).folder).predict(photo)
    assert (plain.is_none, plain.group) == (None, None)
    assert calibrated.is_none is True
    assert calibrated.predictions[0].probability < plain.predictions[0].probability
    assert calibrated.predictions[0].species == plain.predictions[0].species
    assert calibrated.group == Group("kingdom", "Fungi", pytest.approx(1))


def test_predict__place_and_season_change_probabilities_and_nothing_else(bundle_parts, prior_parts, tmp_path, tiny):
    predictor = Predictor(write_bundle(tmp_path / "prior", **bundle_parts, prior=prior_parts).folder)
    photo = _photo(tiny.photos[0])

    def second(moment: Moment | None) -> float:
        found = predictor.predict(photo, top=6, moment=moment).predictions
        return next(item.probability for item in found if item.species.index == 1)

    assert second(Moment(55.7, 12.5, 9)) > second(None)
    assert second(Moment(-33.9, 151.2)) < second(None)
    assert second(Moment(-70.0, -120.0)) == pytest.approx(second(None))


def test_predict__says_when_place_and_date_were_not_used(predictor, tiny):
    photo = _photo(tiny.photos[0])
    assert "not used" in predictor.predict(photo, moment=Moment(month=9)).notes[-1]
    assert len(predictor.predict(photo, moment=Moment()).notes) == 2


def test_predict__reads_the_zip_as_it_reads_the_folder(bundle, tiny, tmp_path):
    pack(bundle.folder, tmp_path / "bundle.zip")
    photo = _photo(tiny.photos[0])
    assert Predictor(tmp_path / "bundle.zip").predict(photo) == Predictor(bundle.folder).predict(photo)


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
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print(found.predictions[0].species.scientific_name, sorted(heavy & loaded))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(bundle.folder), str(tmp_path / "photo.png")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (run.returncode, run.stdout.strip()) == (0, "Alba alba []"), run.stderr


# --- the command


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["predict", *arguments])


def test_command__takes_place_and_date(bundle_parts, prior_parts, tmp_path, tiny):
    folder = write_bundle(tmp_path / "prior", **bundle_parts, prior=prior_parts).folder
    photo = tmp_path / "photo.png"
    photo.write_bytes(_photo(tiny.photos[0]))
    where = ("--lat", "-33.9", "--lon", "151.2", "--date", "2026-10-03")
    done = _run(str(folder), str(photo), "--json", *where)
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    expected = Predictor(folder).predict(photo.read_bytes(), moment=Moment(-33.9, 151.2, 10))
    assert content["predictions"][0]["probability"] == round(expected.predictions[0].probability, 6)
    assert content["none_of_these"] is None
    assert content["notes"] == list(expected.notes)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (("--lat", "55.7"), "Give both, or neither"),
        (("--lat", "155.7", "--lon", "0"), "latitude is between -90 and 90"),
        (("--lat", "nan", "--lon", "0"), "Received: nan"),
        (("--date", "3.10.2026"), "a date is YYYY-MM-DD"),
    ],
)
def test_command__refuses_places_and_dates_that_are_none(bundle, tmp_path, where, message):
    done = _run(str(bundle.folder), str(tmp_path / "photo.png"), *where)
    assert isinstance(done.exception, SettingsError)
    assert message in str(done.exception)
