"""Metadata and labels inside the `.tflite` itself, as the LiteRT (TensorFlow Lite) metadata schema has them.

Two things are added to a model:

- a flatbuffer with the identifier M001, in the buffer that is named TFLITE_METADATA: who made the model, what goes in
  (RGB pixels, their size and normalization), what comes out (probabilities, their range, which file has the labels);
- the labels, as a zip that is appended to the file, uncompressed: `zipfile.ZipFile("mushroom-int8.tflite")` opens it,
  and the LiteRT interpreter, which reads from the front, does not see it.

tflite-support, MediaPipe, ML Kit and Android Studio's "ML Model Binding" read both, and so need no `labels.txt`.

Written with `flatbuffers` alone: the schema's classes come only with tflite-support, which needs other versions of
everything. Slots (field ids) are the places of the fields in their tables in `metadata_schema.fbs` 1.5.0 of
https://github.com/tensorflow/tflite-support/tree/master/tensorflow_lite_support/metadata; a union takes two, type and
value. `benchmarks/model_metadata.py` reads the result with tflite-support's own displayer.

    data = with_metadata(data, Description(name="...", text="...", version="ab12", author="...", license="..."),
                         labels=["Amanita muscaria", ...], size=224)
    packed_labels(data)         # ["Amanita muscaria", ...]
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mushroom_tasks.errors import BundleError
from mushroom_tasks.escaping import plain
from mushroom_tasks.mobile.flatbuffer import INPUT_NAME, OUTPUT_NAME, with_buffer

LABELS_FILE = "labels.txt"
_BUFFER_NAME = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
_MIN_PARSER_VERSION = "1.0.0"  # nothing here is younger than the schema's first version
_TENSOR_AXIS_LABELS = 2  # AssociatedFileType
_RGB = 1  # ColorSpaceType
_FEATURE, _IMAGE = 1, 2  # ContentProperties
_NORMALIZATION = 1  # ProcessUnitOptions
_OFFSET, _INT8, _UINT8, _UINT32 = "UOffsetTRelative", "Int8", "Uint8", "Uint32"  # flatbuffers' names of slots
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can name: the same labels give the same bytes


@dataclass(frozen=True)
class Description:
    """What a model says of itself; `text` may have several sentences."""

    name: str
    text: str
    version: str
    author: str
    license: str


def with_metadata(data: bytes, described: Description, labels: Sequence[str], size: int) -> bytes:
    """Return a model with its metadata and labels packed in; the same bytes for the same input.

    Parameters
    ----------
    data
        A `.tflite` as `export` makes it.
    labels
        One per class, in the order of the output; each is put on one line.
    size
        Side of the input, pixels.
    """
    model = with_buffer(data, _BUFFER_NAME, _metadata(described, size))
    file = io.BytesIO(model)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(LABELS_FILE, _EPOCH), "".join(f"{plain(label)}\n" for label in labels))
    return file.getvalue()


def packed_labels(data: bytes) -> list[str]:
    """Return the labels that are packed into a model; raises BundleError where there are none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return archive.read(LABELS_FILE).decode().splitlines()
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
        raise BundleError(f"the model has no labels packed in: {error}. Export it again.") from error


def _metadata(described: Description, size: int) -> bytes:
    import flatbuffers  # type: ignore[import-untyped]

    builder = flatbuffers.Builder(1024)
    graph = _table(
        builder,
        (0, _OFFSET, builder.CreateString(described.name)),
        (2, _OFFSET, _vector(builder, [_input(builder, size)])),
        (3, _OFFSET, _vector(builder, [_output(builder)])),
    )
    model = _table(
        builder,
        (0, _OFFSET, builder.CreateString(described.name)),
        (1, _OFFSET, builder.CreateString(described.text)),
        (2, _OFFSET, builder.CreateString(described.version)),
        (3, _OFFSET, _vector(builder, [graph])),
        (4, _OFFSET, builder.CreateString(described.author)),
        (5, _OFFSET, builder.CreateString(described.license)),
        (7, _OFFSET, builder.CreateString(_MIN_PARSER_VERSION)),
    )
    builder.Finish(model, file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _input(builder: Any, size: int) -> int:
    side = _table(builder, (0, _UINT32, size), (1, _UINT32, size))
    image = _table(builder, (0, _INT8, _RGB), (1, _OFFSET, side))
    # (pixel - 0) / 1: the preprocessing is inside the model.
    normalization = _table(builder, (0, _OFFSET, _floats(builder, 0.0)), (1, _OFFSET, _floats(builder, 1.0)))
    unit = _table(builder, (0, _UINT8, _NORMALIZATION), (1, _OFFSET, normalization))
    text = "The photo upright, its centre square resized, RGB, 0 to 255. Do not divide by 255."
    return _table(
        builder,
        (0, _OFFSET, builder.CreateString(INPUT_NAME)),
        (1, _OFFSET, builder.CreateString(text)),
        (3, _OFFSET, _content(builder, _IMAGE, image)),
        (4, _OFFSET, _vector(builder, [unit])),
        (5, _OFFSET, _stats(builder, 0.0, 255.0)),
    )


def _output(builder: Any) -> int:
    labels = _table(
        builder,
        (0, _OFFSET, builder.CreateString(LABELS_FILE)),
        (1, _OFFSET, builder.CreateString("Scientific names in the order of the output.")),
        (2, _INT8, _TENSOR_AXIS_LABELS),
    )
    text = "Probability of each species. It may be none of them. No advice on consumption."
    return _table(
        builder,
        (0, _OFFSET, builder.CreateString(OUTPUT_NAME)),
        (1, _OFFSET, builder.CreateString(text)),
        (3, _OFFSET, _content(builder, _FEATURE, _table(builder))),
        (5, _OFFSET, _stats(builder, 0.0, 1.0)),
        (6, _OFFSET, _vector(builder, [labels])),
    )


def _content(builder: Any, kind: int, properties: int) -> int:
    return _table(builder, (0, _UINT8, kind), (1, _OFFSET, properties))


def _stats(builder: Any, least: float, most: float) -> int:
    return _table(builder, (0, _OFFSET, _floats(builder, most)), (1, _OFFSET, _floats(builder, least)))


def _table(builder: Any, *fields: tuple[int, str, int]) -> int:
    """Write a table of (slot, kind, value); what a field points to was written before."""
    builder.StartObject(max((slot for slot, _, _ in fields), default=-1) + 1)
    for slot, kind, value in fields:
        getattr(builder, f"Prepend{kind}Slot")(slot, value, 0)
    return int(builder.EndObject())


def _vector(builder: Any, tables: Sequence[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for offset in reversed(tables):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: Any, value: float) -> int:
    """Write a vector of one number, which holds for all channels."""
    builder.StartVector(4, 1, 4)
    builder.PrependFloat32(value)
    return int(builder.EndVector())
