"""The array type of all drawing: float32 where it is large, which halves the memory that points and pixels pass through.

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
