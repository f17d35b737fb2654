"""A LiteRT classifier: pixels in, probabilities out. Parity and prediction run models through this one door.

Needs ai-edge-litert (the `mobile` extra) and numpy; never TensorFlow.

    model = LiteRTClassifier(Path("mushroom-int8.tflite"))
    model.probabilities(pixels)         # uint8 (S, S, 3) -> float32 (C,)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.errors import BundleError


class LiteRTClassifier:
    """A model as `export` makes it, loaded on the CPU. Not safe to share between threads.

    Parameters
    ----------
    path
        A `.tflite` file with one input, pixels 0..255 of shape (1, S, S, 3), float32 or uint8, and one output,
        float32 probabilities of shape (1, C).
    threads
        CPU threads of the interpreter.

    Raises
    ------
    BundleError
        The file is missing, is no LiteRT model, or has other inputs or outputs.

    Attributes
    ----------
    input_size
        S, in pixels.
    input_type
        `float32` or `uint8`.
    classes
        C.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise BundleError(f"LiteRT is not installed ({error}). Run `pip install ai-edge-litert`.") from error
        if not path.is_file():
            raise BundleError(f"no model file there. Received: {path}")
        try:
            self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"{path} is no model that LiteRT can load: {error}. Export it again.") from error
        self._path = path
        self._check()

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probability of each class, float32 of shape (C,), for pixels of shape (S, S, 3) in 0..255.

        Raises BundleError where the pixels do not fit, or where the model answers with something that is no number.
        """
        if pixels.shape != (self.input_size, self.input_size, 3) or pixels.dtype != np.uint8:
            raise BundleError(
                f"{self._path.name} takes uint8 pixels of shape ({self.input_size}, {self.input_size}, 3). "
                f"Received: {pixels.dtype} {pixels.shape}"
            )
        self._interpreter.set_tensor(self._input, pixels[np.newaxis].astype(self.input_type))
        self._interpreter.invoke()
        answer: NDArray[np.float32] = self._interpreter.get_tensor(self._output)[0]
        if not np.isfinite(answer).all():
            raise BundleError(f"{self._path.name} answers with values that are no numbers. Export it again.")
        return answer

    def _check(self) -> None:
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        described = [(x["dtype"].__name__, tuple(map(int, x["shape"])), x["quantization"]) for x in inputs + outputs]
        match described:
            case [
                ("float32", (1, int(height), int(width), 3), _) | ("uint8", (1, int(height), int(width), 3), (1.0, 0)),
                ("float32", (1, int(classes)), _),
            ] if height == width:
                self.input_size, self.classes = height, classes
                self.input_type: str = described[0][0]
            case _:
                raise BundleError(
                    f"{self._path} is no classifier made by `export`: expected pixels (1, S, S, 3), float32 or uint8 "
                    f"with scale 1, and float32 probabilities (1, C). Received: {described}"
                )
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]
