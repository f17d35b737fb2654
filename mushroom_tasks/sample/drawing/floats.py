"""The array type of all drawing: float32 where it is large, for half the memory to move.

floats([0.2, 1.0])
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

Floats = NDArray[np.floating[Any]]


def floats(values: ArrayLike | Image.Image) -> Floats:
    """Return values, or an image's pixels, as a float32 array."""
    return np.asarray(values, dtype=np.float32)
