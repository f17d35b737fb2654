"""parity: a LiteRT model is compared with Keras photo by photo, and a collapsed one is refused."""

from __future__ import annotations

import numpy as np
import pytest

from mushroom_tasks.errors import BundleError
from mushroom_tasks.mobile.interpreter import LiteRTClassifier
from mushroom_tasks.mobile.parity import compare, require_agreement


def test_compare__float32_equals_keras(parity):
    assert parity["float32"].agreement == 1.0
    assert parity["float32"].max_abs_diff < 1e-5
    assert parity["float32"].mean_abs_diff <= parity["float32"].max_abs_diff


def test_compare__int8_stays_close(parity):
    assert parity["int8"].agreement > 0.95
    assert 0 < parity["int8"].mean_abs_diff < 0.02


def test_compare__accuracy_is_that_of_each_model(tiny, parity):
    for found in parity.values():
        assert found.photos == len(tiny.photos)
        assert found.accuracy_keras == pytest.approx((tiny.probabilities.argmax(axis=1) == tiny.labels).mean())
        assert found.accuracy_litert > 0.9
        assert found.top5_litert >= found.accuracy_litert
        assert found.top5_keras >= found.accuracy_keras


def test_compare__float16_and_dynamic_stay_close(parity):
    for precision in ("float16", "dynamic"):
        assert parity[precision].agreement > 0.95
        assert 0 < parity[precision].mean_abs_diff < 0.02


def test_compare__takes_further_measures_of_both(tiny, parity):
    found = parity["float32"]
    expected = {"mean label": float(tiny.probabilities.argmax(axis=1).mean())}
    assert found.measures_keras == expected
    assert found.measures_litert == expected


def test_compare__measures_time_on_this_machine(parity):
    for found in parity.values():
        assert 0 < found.latency_ms < 1000
        assert 0 < found.latency_2_threads_ms < 1000
        assert found.machine


def test_compare__sees_disagreement(tiny, exported):
    rolled = np.roll(tiny.probabilities, 1, axis=1)
    found = compare(rolled, tiny.labels, exported["float32"].path, tiny.photos)
    assert found.agreement == 0.0
    assert found.accuracy_keras == 0.0
    assert found.accuracy_litert > 0.9
    assert found.max_abs_diff > 0.5


def test_compare__reads_a_memory_map(tiny, exported, parity, tmp_path):
    np.save(tmp_path / "pixels.npy", tiny.photos)
    pixels = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    found = compare(tiny.probabilities, tiny.labels, exported["int8"].path, pixels)
    assert found.mean_abs_diff == parity["int8"].mean_abs_diff


def test_compare__refuses_no_photos(tiny, exported):
    with pytest.raises(BundleError, match=r"needs N > 0 photos.*Received: 0 photos"):
        compare(tiny.probabilities[:0], tiny.labels[:0], exported["int8"].path, tiny.photos[:0])


def test_compare__refuses_arrays_that_do_not_fit(tiny, exported):
    with pytest.raises(BundleError, match=r"labels \(71,\)"):
        compare(tiny.probabilities, tiny.labels[1:], exported["int8"].path, tiny.photos)
    with pytest.raises(BundleError, match=r"probabilities \(72, 5\)"):
        compare(tiny.probabilities[:, 1:], tiny.labels, exported["int8"].path, tiny.photos)


def test_require_agreement__passes_at_the_minimum(parity):
    assert require_agreement(parity["float32"], "float32", minimum=1.0) is None


def test_require_agreement__names_precision_and_figures(parity):
    collapsed = parity["int8"].model_copy(update={"agreement": 0.125})
    with pytest.raises(BundleError, match=r"int8 model agrees with Keras on 12\.5% of 72 photos, less than 90\.0%"):
        require_agreement(collapsed, "int8", minimum=0.9)


def test_classifier__refuses_a_missing_file(tmp_path):
    with pytest.raises(BundleError, match=r"no model file there.*gone\.tflite"):
        LiteRTClassifier(tmp_path / "gone.tflite")


def test_classifier__refuses_a_file_that_is_no_model(tmp_path):
    path = tmp_path / "text.tflite"
    path.write_bytes(b"hello, this is no flatbuffer")
    with pytest.raises(BundleError, match=r"text\.tflite is no model that LiteRT can load"):
        LiteRTClassifier(path)


def test_classifier__refuses_other_inputs_and_outputs(tmp_path):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, 8), tf.float32)])
    def double(x):
        return x * 2

    path = tmp_path / "double.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([double.get_concrete_function()]).convert())
    with pytest.raises(BundleError, match=r"is no classifier made by `export`.*\(1, 8\)"):
        LiteRTClassifier(path)


def test_classifier__refuses_pixels_that_do_not_fit(exported):
    model = LiteRTClassifier(exported["int8"].path)
    with pytest.raises(BundleError, match=r"uint8 pixels of shape \(32, 32, 3\). Received: float32 \(32, 32, 3\)"):
        model.probabilities(np.zeros((32, 32, 3), np.float32))
    with pytest.raises(BundleError, match=r"Received: uint8 \(16, 32, 3\)"):
        model.probabilities(np.zeros((16, 32, 3), np.uint8))


def test_classifier__refuses_answers_that_are_no_numbers(tmp_path):
    import keras

    from mushroom_tasks.mobile.export import export

    inputs = keras.Input((32, 32, 3))
    head = keras.layers.Dense(3, activation="softmax")
    keras_model = keras.Model(inputs, head(keras.layers.GlobalAveragePooling2D()(inputs)))
    head.set_weights([np.full((3, 3), np.nan, np.float32), np.zeros(3, np.float32)])
    keras_model.save(tmp_path / "nan.keras")
    pixels = np.zeros((1, 32, 32, 3), np.uint8)
    exported = export(tmp_path / "nan.keras", pixels, "float32", tmp_path / "nan.tflite")
    with pytest.raises(BundleError, match=r"nan\.tflite answers with values that are no numbers"):
        LiteRTClassifier(exported.path).probabilities(pixels[0])
