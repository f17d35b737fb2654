"""bundle: one folder that an app can trust, and that says what it is; damage is named, never loaded."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest
from tiny_classifier import COLOURS, species_records

from mushroom_tasks.errors import BundleError
from mushroom_tasks.identifiers import own_id
from mushroom_tasks.mobile.bundle import read_bundle
from mushroom_tasks.mobile.metadata import packed_labels
from mushroom_tasks.mobile.prior_fitting import Counts, fit
from mushroom_tasks.mobile.writing import write_bundle

FILES = [
    "MODEL_CARD.md",
    "attribution.csv",
    "labels.txt",
    "mushroom-float32.tflite",
    "mushroom-int8.tflite",
    "species.json",
]
HOSTILE = "=cmd|'/C calc'!A0 <script>alert(1)</script> [x](javascript:1) | **b** `c`\u202e\x1b[31m"


def test_write_bundle__holds_what_a_phone_needs(bundle):
    assert sorted(path.name for path in bundle.folder.iterdir()) == sorted([*FILES, "bundle.json"])


def test_write_bundle__labels_are_in_the_order_of_the_output(bundle):
    assert (bundle.folder / "labels.txt").read_text().splitlines() == list(COLOURS)


def test_write_bundle__species_have_taxonomy_and_link(bundle):
    content = json.loads((bundle.folder / "species.json").read_text())
    assert (content["schema_version"], len(content["species"])) == (2, len(COLOURS))
    assert "not to say that a species is harmless" in content["note"]
    assert content["species"][2] == {
        "index": 2,
        "taxon_id": 1002,
        "scientific_name": "Flava flava",
        "rank": "species",
        "taxonomy": [
            {"taxon_id": 47170, "rank": "kingdom", "name": "Fungi"},
            {"taxon_id": 1002, "rank": "species", "name": "Flava flava"},
        ],
        "common_names": {},
        "look_alikes": [],
        "warning": None,
        "photos": [],
        "inaturalist": "https://www.inaturalist.org/taxa/1002",
    }


def test_write_bundle__a_species_that_inaturalist_lacks_has_no_link(bundle_parts, tmp_path):
    nova = {**bundle_parts["species"][0], "taxon_id": own_id("taxon", "Nova nova")}
    facts = bundle_parts["dataset"].model_copy(update={"origin": "folder herbarium"})
    parts = {**bundle_parts, "species": [nova, *bundle_parts["species"][1:]], "dataset": facts}
    written = write_bundle(tmp_path / "other", **parts)
    assert written.species[0].inaturalist == ""
    card = (written.folder / "MODEL_CARD.md").read_text()
    assert f"({nova['taxon_id']})" not in card
    assert "photos from another source (folder herbarium)" in card


def test_write_bundle__says_what_the_models_take_and_give(bundle):
    content = json.loads((bundle.folder / "bundle.json").read_text())
    assert (content["schema_version"], content["fingerprint"]) == (2, "ab12cd34")
    assert content["input"]["shape"] == [1, 32, 32, 3]
    assert content["input"]["normalization"] == "inside the model"
    assert content["output"]["shape"] == [1, 6]
    assert {name: entry["input_type"] for name, entry in content["models"].items()} == {
        "float32": "float32",
        "int8": "uint8",
    }
    assert content["models"]["int8"]["parity"]["agreement"] > 0.9
    assert content["evaluation"]["test split"] == {
        "photos": 72, "top1": 0.9, "top3": 0.95, "top5": 0.97, "macro_f1": 0.88,
    }  # fmt: skip


def test_write_bundle__has_size_and_checksum_of_every_file(bundle):
    files = json.loads((bundle.folder / "bundle.json").read_text())["files"]
    assert sorted(files) == FILES
    for name, entry in files.items():
        data = (bundle.folder / name).read_bytes()
        assert entry == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_write_bundle__labels_are_packed_into_every_model(bundle):
    for name in bundle.manifest.models:
        assert packed_labels(bundle.model(name).read_bytes()) == list(COLOURS)


def test_write_bundle__carries_the_prior(bundle_parts, prior_parts, tmp_path):
    written = write_bundle(tmp_path / "prior", **bundle_parts, prior=prior_parts)
    assert "prior.bin" in written.manifest.files
    found = read_bundle(written.folder)
    assert found.manifest.prior == prior_parts[1]
    assert np.array_equal(found.prior().places, prior_parts[0].places)
    card = (written.folder / "MODEL_CARD.md").read_text()
    assert "## Season and place" in card
    assert "weight 0.80" in card


def test_write_bundle__without_a_prior_has_none(bundle):
    assert bundle.prior() is None
    assert "## Season and place" not in (bundle.folder / "MODEL_CARD.md").read_text()


def test_bundle_prior__refuses_one_of_other_species(bundle_parts, prior_parts, tmp_path):
    few = fit(Counts(2, *(np.array([value]) for value in (0, 29, 38, 9, 50))))
    written = write_bundle(tmp_path / "few", **bundle_parts, prior=(few, prior_parts[1]))
    with pytest.raises(BundleError, match="is of 2 classes, the model of 6"):
        written.prior()


def test_read_bundle__refuses_species_that_are_not_the_models(bundle):
    content = json.loads((bundle.folder / "species.json").read_text())
    content["species"].pop()
    data = json.dumps(content).encode()
    (bundle.folder / "species.json").write_bytes(data)
    entry = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    _edit(bundle, lambda found: found["files"].update({"species.json": entry}))
    with pytest.raises(BundleError, match="has 5 species, the models have 6 classes"):
        read_bundle(bundle.folder)


def test_write_bundle__copies_the_credits_as_they_are(bundle, bundle_parts):
    assert (bundle.folder / "attribution.csv").read_bytes() == bundle_parts["attribution"].read_bytes()


def test_write_bundle__same_parts_same_bytes(bundle, bundle_parts, tmp_path):
    again = write_bundle(tmp_path / "again", **bundle_parts)
    for name in [*FILES, "bundle.json"]:
        assert (again.folder / name).read_bytes() == (bundle.folder / name).read_bytes()


def test_write_bundle__replaces_an_older_one(bundle, bundle_parts):
    models = [model for model in bundle_parts["models"] if model.precision == "float32"]
    write_bundle(bundle.folder, **{**bundle_parts, "models": models})
    assert not (bundle.folder / "mushroom-int8.tflite").exists()
    assert list(read_bundle(bundle.folder).manifest.models) == ["float32"]


def test_write_bundle__that_fails_leaves_no_bundle(bundle, bundle_parts, tmp_path):
    broken = bundle_parts["models"][0].model_copy(update={"path": tmp_path / "gone.tflite"})
    with pytest.raises(BundleError, match=r"gone\.tflite"):
        write_bundle(tmp_path / "new", **{**bundle_parts, "models": [broken]})
    assert not (tmp_path / "new" / "bundle.json").exists()


def test_card__says_what_everyone_must_know(bundle):
    card = (bundle.folder / "MODEL_CARD.md").read_text()
    for phrase in (
        "top five with their probabilities",
        "may be none of them",
        "No advice on consumption",
        "Names 6 species of Fungi",
        "Data set d00d: 100 photos (80 train, 20 test). 7 of them were flagged",
        "70 of 100 photos exclude commercial use",
        "held-out observers",
        "| test split | 72 | 90.0% | 95.0% | 97.0% | 0.880 |",
        "`mushroom-int8.tflite` takes uint8",
        "do not divide by 255",
        "[Caerulea sp\\.](https://www.inaturalist.org/taxa/1001)",
    ):
        assert phrase in card


def test_card__has_accuracy_before_and_after_quantization(bundle, parity):
    card = (bundle.folder / "MODEL_CARD.md").read_text()
    row = next(line for line in card.splitlines() if line.startswith("| `mushroom-int8.tflite`"))
    found = parity["int8"]
    assert f"{found.accuracy_litert:.1%} (Keras {found.accuracy_keras:.1%})" in row
    assert f"{found.agreement:.1%}" in row


def test_write_bundle__hostile_names_stay_text(bundle_parts, tmp_path):
    names = [HOSTILE, *list(COLOURS)[1:]]
    bundle = write_bundle(tmp_path / "hostile", **{**bundle_parts, "species": species_records(names)})
    card = (bundle.folder / "MODEL_CARD.md").read_text()
    for markup in ("<script", "](javascript:", "**b**", "`c`", "\x1b", "\u202e"):
        assert markup not in card
    assert len((bundle.folder / "labels.txt").read_text().splitlines()) == len(COLOURS)
    assert "\x1b" not in (bundle.folder / "labels.txt").read_text()
    assert read_bundle(bundle.folder).species[0].scientific_name == HOSTILE


def test_write_bundle__a_name_never_takes_two_lines(bundle_parts, tmp_path):
    names = ["Alba\nalba\u2028x", *list(COLOURS)[1:]]
    bundle = write_bundle(tmp_path / "lines", **{**bundle_parts, "species": species_records(names)})
    assert (bundle.folder / "labels.txt").read_text().split("\n")[0] == "Alba alba x"


def test_card__names_no_group_where_species_share_none(bundle_parts, tmp_path):
    species = species_records()
    species[0]["taxonomy"][0] = {"taxon_id": 1, "rank": "kingdom", "name": "Animalia"}
    bundle = write_bundle(tmp_path / "mixed", **{**bundle_parts, "species": species})
    assert "Names 6 species in a photo" in (bundle.folder / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": []}, "holds at least one model"),
        ({"parity": {}}, r"no parity was measured for \['float32', 'int8'\]"),
        ({"species": species_records()[:5]}, r"as many classes as there are species \(5\). Received.*\(32, 6\)"),
        ({"species": [{"taxon_id": "x"}] * 6}, "is not described as it should be"),
        ({"species": species_records(["Alba alba"] * 6)}, "a name of its own"),
        ({"species": species_records(["", "b", "c", "d", "e", "f"])}, "a name of its own"),
        ({"evaluation": {"test": {"top1": 0.5}}}, "accuracy .* is not as it should be"),
    ],
    ids=["no model", "no parity", "class too few", "no species", "same names", "no name", "no accuracy"],
)
def test_write_bundle__refuses_parts_that_do_not_fit(bundle_parts, tmp_path, change, message):
    with pytest.raises(BundleError, match=message):
        write_bundle(tmp_path / "new", **{**bundle_parts, **change})
    assert not (tmp_path / "new").exists()


def test_write_bundle__refuses_missing_credits(bundle_parts, tmp_path):
    with pytest.raises(BundleError, match=r"credits of the photos are missing. Received: .*none\.csv"):
        write_bundle(tmp_path / "new", **{**bundle_parts, "attribution": tmp_path / "none.csv"})


def test_read_bundle__gives_back_what_was_written(bundle, tmp_path):
    shutil.copytree(bundle.folder, tmp_path / "phone")
    found = read_bundle(tmp_path / "phone")
    assert found.manifest == bundle.manifest
    assert found.species == bundle.species
    assert found.model("int8") == tmp_path / "phone" / "mushroom-int8.tflite"


def test_bundle_model__lists_what_is_there(bundle):
    with pytest.raises(BundleError, match=r"Received: 'float16'. There: float32, int8"):
        bundle.model("float16")


@pytest.mark.parametrize("name", FILES)
def test_read_bundle__names_a_missing_file(bundle, name):
    (bundle.folder / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} of the bundle is missing"):
        read_bundle(bundle.folder)


@pytest.mark.parametrize("name", FILES)
def test_read_bundle__names_a_changed_file(bundle, name):
    data = bytearray((bundle.folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle.folder / name).write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name} is damaged: expected"):
        read_bundle(bundle.folder)


def test_read_bundle__names_a_file_that_was_cut_off(bundle):
    model = bundle.folder / "mushroom-int8.tflite"
    model.write_bytes(model.read_bytes()[:100])
    with pytest.raises(BundleError, match=r"mushroom-int8\.tflite is damaged.*Received: 100 bytes"):
        read_bundle(bundle.folder)


@pytest.mark.parametrize("where", ["", "nowhere", "bundle.json/nested"])
def test_read_bundle__refuses_a_folder_without_marker(bundle, where):
    (bundle.folder / "bundle.json").rename(bundle.folder / "kept.json")
    (bundle.folder / "bundle.json.d").mkdir()
    with pytest.raises(BundleError, match=r"no bundle there: .*bundle\.json is missing"):
        read_bundle(bundle.folder / where)


def _edit(bundle, change) -> None:
    path = bundle.folder / "bundle.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_read_bundle__refuses_another_schema_version(bundle):
    for version in (1, 3):
        _edit(bundle, lambda content, version=version: content.update(schema_version=version))
        with pytest.raises(BundleError, match=rf"Expected: 2, received: {version}.*export the bundle again"):
            read_bundle(bundle.folder)


@pytest.mark.parametrize("text", ["{", "[]", "null", "\udcff"])
def test_read_bundle__refuses_a_damaged_marker(bundle, text):
    (bundle.folder / "bundle.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(BundleError, match=r"bundle\.json is"):
        read_bundle(bundle.folder)


def test_read_bundle__refuses_files_outside_its_folder(bundle):
    _edit(bundle, lambda content: content["models"]["int8"].update(file="../other.tflite"))
    with pytest.raises(BundleError, match=r"bundle\.json is damaged"):
        read_bundle(bundle.folder)


def test_read_bundle__refuses_models_without_checksum(bundle):
    _edit(bundle, lambda content: content["files"].pop("mushroom-int8.tflite"))
    with pytest.raises(BundleError, match=r"no checksum for \['mushroom-int8\.tflite'\]"):
        read_bundle(bundle.folder)


def test_read_bundle__refuses_a_bundle_without_models(bundle):
    _edit(bundle, lambda content: content.update(models={}))
    with pytest.raises(BundleError, match=r"bundle\.json is damaged"):
        read_bundle(bundle.folder)
