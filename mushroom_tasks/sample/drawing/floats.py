"""The array type of all drawing: float32, which halves the memory that points and pixels have to pass through."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]


def floats(values: ArrayLike) -> Floats:
    """Return values as a float32 array."""
    return np.asarray(values, dtype=np.float32)
