"""metadata: a `.tflite` that says what it takes and gives, with its labels inside, and answers as it did before."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tiny_classifier import COLOURS, SIZE

from mushroom_tasks.errors import BundleError
from mushroom_tasks.mobile.interpreter import LiteRTClassifier
from mushroom_tasks.mobile.metadata import Description, packed_labels, with_metadata

DESCRIBED = Description(name="Tiny", text="Names colours.", version="ab12", author="us", license="Apache-2.0")


@pytest.fixture(scope="module")
def plain(exported) -> bytes:
    return exported["int8"].path.read_bytes()


@pytest.fixture(scope="module")
def described(plain) -> bytes:
    return with_metadata(plain, DESCRIBED, list(COLOURS), SIZE)


def _metadata(data: bytes) -> bytes:
    model = schema.Model.GetRootAs(data, 0)
    named = {model.Metadata(number).Name(): model.Metadata(number) for number in range(model.MetadataLength())}
    return model.Buffers(named[b"TFLITE_METADATA"].Buffer()).DataAsNumpy().tobytes()


def test_with_metadata__has_the_identifier_of_the_schema(described):
    assert _metadata(described)[4:8] == b"M001"


def test_with_metadata__says_what_goes_in_and_comes_out(described):
    content = _metadata(described)
    for text in (b"Tiny", b"ab12", b"pixels", b"probabilities", b"labels.txt", b"1.0.0", b"Do not divide by 255"):
        assert text in content
    assert np.float32(255).tobytes() in content
    assert np.uint32(SIZE).tobytes() in content


def test_with_metadata__labels_lie_in_a_zip_behind_the_model_uncompressed(described):
    with zipfile.ZipFile(io.BytesIO(described)) as archive:
        [entry] = archive.infolist()
        assert (entry.filename, entry.compress_type) == ("labels.txt", zipfile.ZIP_STORED)
    assert packed_labels(described) == list(COLOURS)


def test_with_metadata__the_model_answers_as_before(exported, described, tiny, tmp_path):
    (tmp_path / "described.tflite").write_bytes(described)
    before, after = LiteRTClassifier(exported["int8"].path), LiteRTClassifier(tmp_path / "described.tflite")
    for photo in tiny.photos[::9]:
        assert np.array_equal(before.probabilities(photo), after.probabilities(photo))


def test_with_metadata__same_input_same_bytes(plain, described):
    assert with_metadata(plain, DESCRIBED, list(COLOURS), SIZE) == described


def test_with_metadata__weights_stay_aligned(described):
    data = np.frombuffer(described, dtype=np.uint8)
    model = schema.Model.GetRootAs(data, 0)
    start = data.__array_interface__["data"][0]
    vectors = [model.Buffers(number).DataAsNumpy() for number in range(model.BuffersLength())]
    offsets = {v.__array_interface__["data"][0] - start for v in vectors if isinstance(v, np.ndarray)}
    assert {offset % 16 for offset in offsets} == {0}


def test_with_metadata__again_replaces_the_earlier_one(plain, described):
    once = with_metadata(plain, DESCRIBED, list(COLOURS), SIZE)
    model = schema.Model.GetRootAs(once, 0)
    twice = schema.Model.GetRootAs(with_metadata(once, DESCRIBED, list(COLOURS), SIZE), 0)
    assert (twice.MetadataLength(), twice.BuffersLength()) == (model.MetadataLength(), model.BuffersLength())


def test_with_metadata__a_label_never_takes_two_lines(plain):
    labels = ["Alba\nalba\u2028x", *list(COLOURS)[1:]]
    assert packed_labels(with_metadata(plain, DESCRIBED, labels, SIZE))[0] == "Alba alba x"


def test_packed_labels__says_where_there_are_none(plain):
    with pytest.raises(BundleError, match="no labels packed in"):
        packed_labels(plain)
