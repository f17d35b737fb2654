"""The classifier: backbone, dropout, softmax head; and how deep it learns.

    model = build_classifier(backbone, "imagenet", classes=20, dropout=0.2)
    set_depth(model, backbone, 0.3)         # the head and the top 30 % of the blocks learn

Plain Keras layers only, so a saved model loads anywhere without custom objects. Needs TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mushroom_tasks.learning.backbones import Backbone
from mushroom_tasks.learning.backbones.keras_weights import LAYER_NAME

if TYPE_CHECKING:
    import keras

HEAD_NAME = "head"


def build_classifier(
    backbone: Backbone,
    weights: str,
    classes: int,
    dropout: float,
    input_size: int | None = None,
    weights_folder: Path | None = None,
) -> keras.Model:
    """Return a model from float32 pixels 0..255 (N, S, S, 3) to probabilities (N, classes).

    The backbone is called with training=False, so BatchNorm uses its pretrained statistics in every phase: batches
    of 32 photos of a few species are too small and too alike to replace those of ImageNet.
    """
    import keras

    extractor = backbone.build(weights, input_size, weights_folder)
    inputs = keras.Input(extractor.input_shape[1:], name="pixels")
    features = extractor(inputs, training=False)
    dropped = keras.layers.Dropout(dropout, name="dropout")(features)
    # float32 whatever the precision policy: a softmax over many classes in float16 loses the small probabilities.
    logits = keras.layers.Dense(classes, dtype="float32", name=HEAD_NAME)(dropped)
    outputs = keras.layers.Softmax(dtype="float32", name="probabilities")(logits)
    return keras.Model(inputs, outputs, name="classifier")


def feature_extractor(model: keras.Model) -> keras.Model:
    """Return the backbone inside a classifier: pixels to features."""
    return model.get_layer(LAYER_NAME)


def logits_of(model: keras.Model) -> keras.Model:
    """Return the classifier before its softmax: pixels to logits, sharing its weights."""
    import keras

    return keras.Model(model.input, model.get_layer(HEAD_NAME).output, name="logits")


def head_of(model: keras.Model) -> keras.Model:
    """Return dropout and head alone as a model from features to logits, sharing the classifier's weights."""
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


def rate_factors(model: keras.Model, backbone: Backbone, decay: float) -> list[float]:
    """Return a factor on the learning rate for each trainable variable, in order.

    1 for the head, `decay` for the backbone's top block, `decay` squared for the block below it, and so on.
    """
    extractor = feature_extractor(model)
    blocks = {
        id(weight): block
        for layer in extractor.layers
        if (block := backbone.block_of(layer.name)) is not None
        for weight in layer.trainable_weights
    }
    return [decay ** (backbone.blocks - blocks.get(id(weight), backbone.blocks)) for weight in model.trainable_weights]


def compiled(model: keras.Model) -> Callable[[Any], Any]:
    """Return the model's inference as one graph that takes batches of any length, twice as fast as `predict`."""
    import tensorflow as tf

    signature = [tf.TensorSpec(model.input_shape, tf.float32)]
    graph: Callable[[Any], Any] = tf.function(lambda pixels: model(pixels, training=False), input_signature=signature)
    return graph
