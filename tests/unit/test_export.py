"""export: a Keras classifier becomes LiteRT files that take plain pixels and answer with probabilities."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tiny_classifier import COLOURS, SIZE, colour_photos

from mushroom_tasks.errors import BundleError
from mushroom_tasks.mobile.export import export


def _interpreter(model) -> Interpreter:
    interpreter = Interpreter(str(model.path))
    interpreter.allocate_tensors()
    return interpreter


def _operators(model) -> list[tuple[str, set[str]]]:
    """Each operator with the types of all tensors it touches; without a delegate, so nothing is fused away."""
    from ai_edge_litert.interpreter import OpResolverType

    interpreter = Interpreter(
        str(model.path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    interpreter.allocate_tensors()
    types = {item["index"]: item["dtype"].__name__ for item in interpreter.get_tensor_details()}
    return [
        (op["op_name"], {types[index] for index in [*op["inputs"], *op["outputs"]] if index in types})
        for op in interpreter._get_ops_details()
    ]


@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic"])
def test_export__all_but_int8_take_float_pixels(exported, precision):
    (pixels,) = _interpreter(exported[precision]).get_input_details()
    assert pixels["name"] == "pixels"
    assert pixels["dtype"] is np.float32
    assert pixels["shape"].tolist() == [1, SIZE, SIZE, 3]


def test_export__int8_takes_a_bitmap_as_it_is(exported):
    (pixels,) = _interpreter(exported["int8"]).get_input_details()
    assert pixels["dtype"] is np.uint8
    assert pixels["quantization"] == (1.0, 0)


def test_export__int8_input_scale_is_one_whatever_the_photos_hold(tiny, tmp_path):
    grey = np.full((8, SIZE, SIZE, 3), 100, dtype=np.uint8)
    model = export(tiny.path, grey, "int8", tmp_path / "grey.tflite")
    assert _interpreter(model).get_input_details()[0]["quantization"] == (1.0, 0)


@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic", "int8"])
def test_export__answers_with_float32_probabilities(exported, precision):
    (answer,) = _interpreter(exported[precision]).get_output_details()
    assert answer["name"] == "probabilities"
    assert answer["dtype"] is np.float32
    assert answer["shape"].tolist() == [1, len(COLOURS)]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_export__can_be_called_by_signature(exported, precision):
    signatures = _interpreter(exported[precision]).get_signature_list()
    assert signatures == {"serving_default": {"inputs": ["pixels"], "outputs": ["probabilities"]}}


def test_export__int8_computes_in_integers_up_to_the_logits(exported):
    *layers, dequantize, softmax = _operators(exported["int8"])
    assert {name for name, _ in layers} >= {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
    assert all(types <= {"int8", "uint8", "int32"} for _, types in layers)
    assert dequantize == ("DEQUANTIZE", {"int8", "float32"})
    assert softmax == ("SOFTMAX", {"float32"})


def test_export__int8_quantizes_weights_per_channel(exported):
    details = _interpreter(exported["int8"]).get_tensor_details()
    scales = {len(item["quantization_parameters"]["scales"]) for item in details}
    assert {16, 24} <= scales


def test_export__int8_probabilities_are_finer_than_a_256th(exported, tiny):
    interpreter = _interpreter(exported["int8"])
    run = interpreter.get_signature_runner()
    answers = np.concatenate([run(pixels=photo[None])["probabilities"] for photo in tiny.photos])
    assert answers.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert answers.min() > 0
    assert ((answers > 0) & (answers < 1 / 512)).any()


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_export__weights_are_aligned_in_the_file(exported, precision):
    data = np.fromfile(exported[precision].path, dtype=np.uint8)
    model = schema.Model.GetRootAs(data, 0)
    start = data.__array_interface__["data"][0]
    vectors = [model.Buffers(number).DataAsNumpy() for number in range(model.BuffersLength())]
    offsets = [vector.__array_interface__["data"][0] - start for vector in vectors if isinstance(vector, np.ndarray)]
    assert len(offsets) > 5
    assert {offset % 16 for offset in offsets} == {0}


def test_export__equal_zero_points_are_stored_once(exported):
    model = schema.Model.GetRootAs(exported["int8"].path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    places = set()
    for number in range(graph.TensorsLength()):
        quantization = graph.Tensors(number).Quantization()
        points = quantization.ZeroPointAsNumpy() if quantization else None
        if isinstance(points, np.ndarray) and len(points) == 24:
            places.add(points.__array_interface__["data"][0])
    assert len(places) == 1


def test_export__int8_is_smaller(exported):
    assert exported["int8"].bytes < exported["float32"].bytes


def test_export__reports_the_file_as_it_is(exported):
    import hashlib

    for model in exported.values():
        data = model.path.read_bytes()
        assert (model.bytes, model.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_export__float16_stores_weights_of_half_the_size(exported):
    details = _interpreter(exported["float16"]).get_tensor_details()
    assert any(item["dtype"] is np.float16 for item in details)
    assert exported["float16"].bytes < exported["float32"].bytes


def test_export__dynamic_stores_large_weights_as_int8_and_computes_between_in_float(exported):
    details = _interpreter(exported["dynamic"]).get_tensor_details()
    assert any(item["dtype"] is np.int8 for item in details)
    assert exported["dynamic"].bytes < exported["float32"].bytes


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_export__same_input_same_bytes(tiny, exported, tmp_path, precision):
    again = export(tiny.path, colour_photos(5, seed=2)[0], precision, tmp_path / "again.tflite")
    assert again.sha256 == exported[precision].sha256


def test_export__leaves_nothing_but_the_model(exported):
    folder = exported["int8"].path.parent
    assert sorted(path.name for path in folder.iterdir()) == [f"{name}.tflite" for name in sorted(exported)]


def test_export__refuses_unknown_precision(tiny, tmp_path):
    with pytest.raises(BundleError, match=r"unknown precision.*'float8'.*float32, float16, dynamic, int8"):
        export(tiny.path, tiny.photos, "float8", tmp_path / "x.tflite")


@pytest.mark.parametrize(
    "photos",
    [
        np.zeros((0, SIZE, SIZE, 3), np.uint8),
        np.zeros((4, 16, 16, 3), np.uint8),
        np.zeros((4, SIZE, SIZE, 3), np.float32),
        np.zeros((SIZE, SIZE, 3), np.uint8),
    ],
    ids=["none", "other size", "floats", "a single one"],
)
def test_export__refuses_representative_photos_that_do_not_fit(tiny, tmp_path, photos):
    with pytest.raises(BundleError, match=r"int8 export needs representative photos.*Received") as caught:
        export(tiny.path, photos, "int8", tmp_path / "x.tflite")
    assert str(photos.shape) in str(caught.value)


def test_export__refuses_a_missing_model(tmp_path):
    with pytest.raises(BundleError, match=r"float32 export cannot load .*nowhere\.keras"):
        export(tmp_path / "nowhere.keras", np.zeros((1, SIZE, SIZE, 3), np.uint8), "float32", tmp_path / "x.tflite")


def test_export__refuses_a_damaged_model(tmp_path):
    damaged = tmp_path / "model.keras"
    damaged.write_bytes(b"no zip at all")
    with pytest.raises(BundleError, match="float32 export cannot load"):
        export(damaged, np.zeros((1, SIZE, SIZE, 3), np.uint8), "float32", tmp_path / "x.tflite")


def test_export__refuses_a_model_that_is_no_classifier(tmp_path):
    inputs = keras.Input((SIZE, 16, 3))
    keras.Model(inputs, keras.layers.Conv2D(2, 1)(inputs)).save(tmp_path / "model.keras")
    with pytest.raises(BundleError, match=r"takes a classifier.*32, 16, 3"):
        export(tmp_path / "model.keras", np.zeros((1, SIZE, SIZE, 3), np.uint8), "float32", tmp_path / "x.tflite")


def test_export__int8_without_softmax_fails_and_keeps_the_earlier_file(tmp_path):
    inputs = keras.Input((SIZE, SIZE, 3))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    keras.Model(inputs, keras.layers.Dense(3)(features)).save(tmp_path / "model.keras")
    out = tmp_path / "x.tflite"
    out.write_bytes(b"earlier")
    with pytest.raises(BundleError, match=r"the int8 export of .* failed: a classifier ends in a softmax"):
        export(tmp_path / "model.keras", colour_photos(1, seed=0)[0], "int8", out)
    assert out.read_bytes() == b"earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.keras", "x.tflite"]
