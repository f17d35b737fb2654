"""The classifier: backbone, dropout, softmax head; its augmentation; and how deep it learns.

    model = build_classifier(backbone, "imagenet", classes=20, dropout=0.2)
    set_depth(model, backbone, 0.3)         # the head and the top 30 % of the blocks learn

Plain Keras layers only, so a saved model loads anywhere without custom objects. Needs TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mushroom_tasks.learning.backbones.backbone import LAYER_NAME, Backbone
from mushroom_tasks.settings import TrainingSettings

if TYPE_CHECKING:
    import keras

HEAD_NAME = "head"


def build_classifier(
    backbone: Backbone, weights: str, classes: int, dropout: float, input_size: int | None = None
) -> keras.Model:
    """Return a model from float32 pixels 0..255 (N, S, S, 3) to probabilities (N, classes).

    The backbone is called with training=False, so BatchNorm uses its pretrained statistics in every phase: batches
    of 32 photos of a few species are too small and too alike to replace those of ImageNet.
    """
    import keras

    extractor = backbone.build(weights, input_size)
    inputs = keras.Input(extractor.input_shape[1:], name="pixels")
    features = extractor(inputs, training=False)
    dropped = keras.layers.Dropout(dropout, name="dropout")(features)
    # float32 whatever the precision policy: a softmax over many classes in float16 loses the small probabilities.
    outputs = keras.layers.Dense(classes, activation="softmax", dtype="float32", name=HEAD_NAME)(dropped)
    return keras.Model(inputs, outputs, name="classifier")


def feature_extractor(model: keras.Model) -> keras.Model:
    """Return the backbone inside a classifier: pixels to features."""
    return model.get_layer(LAYER_NAME)


def head_of(model: keras.Model) -> keras.Model:
    """Return dropout and head alone as a model from features to probabilities, sharing the classifier's weights."""
    import keras

    features = keras.Input(feature_extractor(model).output_shape[1:], name="features")
    return keras.Model(features, model.get_layer(HEAD_NAME)(model.get_layer("dropout")(features)), name="head_only")


def set_depth(model: keras.Model, backbone: Backbone, depth: float) -> int:
    """Let the head and the top share `depth` (0..1) of the backbone's blocks learn; return the trainable parameters.

    BatchNorm layers never learn: their statistics, scale and offset stay as pretrained.
    """
    import keras

    extractor = feature_extractor(model)
    extractor.trainable = True
    learning = {layer.name for layer in backbone.layers_from_top(extractor, depth)}
    for layer in extractor.layers:
        layer.trainable = layer.name in learning and not isinstance(layer, keras.layers.BatchNormalization)
    return sum(int(weight.shape.num_elements()) for weight in model.trainable_weights)


def compiled(model: keras.Model) -> Callable[[Any], Any]:
    """Return the model's inference as one graph that takes batches of any length, twice as fast as `predict`."""
    import tensorflow as tf

    signature = [tf.TensorSpec(model.input_shape, tf.float32)]
    graph: Callable[[Any], Any] = tf.function(lambda pixels: model(pixels, training=False), input_signature=signature)
    return graph


def augmentation(settings: TrainingSettings, seed: int) -> Callable[[Any], Any]:
    """Return a function that augments a batch of float32 pixels 0..255; every photo draws its own parameters.

    It belongs to training alone and is no part of the classifier, so it is never exported.
    """
    import keras

    layers: list[Any] = [
        keras.layers.RandomFlip("horizontal", seed=seed),
        keras.layers.RandomRotation(settings.rotation, fill_mode="reflect", seed=seed + 1),
        keras.layers.RandomTranslation(settings.translation, settings.translation, fill_mode="reflect", seed=seed + 2),
        keras.layers.RandomZoom((-settings.zoom, settings.zoom / 2), fill_mode="reflect", seed=seed + 3),
        keras.layers.RandomContrast(settings.contrast, value_range=(0, 255), seed=seed + 4),
        keras.layers.RandomBrightness(settings.brightness, value_range=(0, 255), seed=seed + 5),
    ]
    strengths = (settings.flip, settings.rotation, settings.translation, settings.zoom, settings.contrast)
    chosen = [layer for layer, strength in zip(layers, (*strengths, settings.brightness), strict=True) if strength]

    def augment(pixels: Any) -> Any:
        for layer in chosen:
            pixels = layer(pixels, training=True)
        return pixels

    return augment
