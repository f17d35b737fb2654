"""The last touches on a converted model, in the LiteRT file itself.

TensorFlow's converter leaves four things that a phone is better off without, and offers no switch for them:

- The softmax of an int8 model runs on integers and answers in steps of 1/256. In the tail everything is 0, so the
  last of the top five are arbitrary, and with many classes the probabilities no longer add up to 1. The converter
  emits softmax (int8) -> dequantize; turned around, dequantize -> softmax (float32), everything up to the logits stays
  on integers and only C numbers are computed in floating point.
- Every quantized tensor has its own zero points, eight bytes per channel, and for weights all of them are 0. Equal
  vectors are written once and pointed to from everywhere: 8 % of an int8 EfficientNet-Lite0.
- Inner tensors carry the long names of the Keras graph, another 1 %.
- Input and output are called after the graph, and there is no signature to call them by.

Needs ai-edge-litert (its schema classes) and flatbuffers, which it brings along.

    data = finish(converter.convert(), "int8")
    data = with_buffer(data, "TFLITE_METADATA", content)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mushroom_tasks.errors import BundleError

INPUT_NAME = "pixels"
OUTPUT_NAME = "probabilities"
SIGNATURE = "serving_default"
_FILE_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16  # bytes; `force_align` of Buffer.data in the LiteRT schema


def finish(data: bytes, precision: str) -> bytes:
    """Return the model with its softmax in float32, smaller, and with a signature. The same bytes for the same input.

    Raises BundleError where the model does not end in a softmax.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(data), 0))
    graph = model.subgraphs[0]
    if precision == "int8":
        _softmax_in_float(model, graph, schema)
    _name(model, graph, schema)
    return _pack(model, len(data))


def with_buffer(data: bytes, name: str, content: bytes) -> bytes:
    """Return the model with one more named metadata buffer; one of that name is replaced. The graph stays as it is."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(data), 0))
    named = {bytes(entry.name): entry for entry in model.metadata or ()}
    entry = named.get(name.encode())
    if entry is None:
        entry = schema.MetadataT()
        entry.name, entry.buffer = name.encode(), len(model.buffers)
        model.buffers.append(schema.BufferT())
        model.metadata = [*(model.metadata or ()), entry]
    model.buffers[entry.buffer].data = np.frombuffer(content, dtype=np.uint8)
    return _pack(model, len(data) + len(content))


def _softmax_in_float(model: Any, graph: Any, schema: Any) -> None:
    softmax, dequantize = graph.operators[-2:]
    codes = [model.operatorCodes[operator.opcodeIndex].builtinCode for operator in (softmax, dequantize)]
    if codes != [schema.BuiltinOperator.SOFTMAX, schema.BuiltinOperator.DEQUANTIZE]:
        raise BundleError(
            "a classifier ends in a softmax, and its int8 variant in softmax and dequantize. Received as the last two "
            f"operators (numbers of the LiteRT schema): {codes}"
        )
    logits, between, probabilities = softmax.inputs[0], softmax.outputs[0], dequantize.outputs[0]
    graph.tensors[between].type = schema.TensorType.FLOAT32
    graph.tensors[between].quantization = None
    dequantize.inputs, dequantize.outputs = _index(logits), _index(between)
    softmax.inputs, softmax.outputs = _index(between), _index(probabilities)
    graph.operators[-2:] = [dequantize, softmax]


def _name(model: Any, graph: Any, schema: Any) -> None:
    for tensor in graph.tensors:
        tensor.name = b""
    graph.tensors[graph.inputs[0]].name = INPUT_NAME.encode()
    graph.tensors[graph.outputs[0]].name = OUTPUT_NAME.encode()
    signature = schema.SignatureDefT()
    signature.signatureKey = SIGNATURE.encode()
    signature.inputs = [_tensor_map(schema, INPUT_NAME, graph.inputs[0])]
    signature.outputs = [_tensor_map(schema, OUTPUT_NAME, graph.outputs[0])]
    model.signatureDefs = [signature]


def _pack(model: Any, size: int) -> bytes:
    import flatbuffers  # type: ignore[import-untyped]

    class SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]
        """Writes equal vectors once, and aligned as the LiteRT schema asks for weights, which Python's packing forgets.

        Weights are used where they lie in the mapped file, and some processors refuse numbers that are not aligned.
        """

        def __init__(self, size: int) -> None:
            super().__init__(size)
            self._written: dict[tuple[str, bytes], int] = {}

        def CreateNumpyVector(self, x: Any) -> int:  # noqa: N802 - the name is flatbuffers'
            key = (x.dtype.str, x.tobytes())
            if key not in self._written:
                self.Prep(_ALIGNMENT, x.nbytes)
                self._written[key] = super().CreateNumpyVector(x)
            return self._written[key]

    builder = SharingBuilder(size)
    builder.Finish(model.Pack(builder), file_identifier=_FILE_IDENTIFIER)
    return bytes(builder.Output())


def _tensor_map(schema: Any, name: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), int(index)
    return entry


def _index(tensor: int) -> Any:
    return np.array([tensor], dtype=np.int32)
