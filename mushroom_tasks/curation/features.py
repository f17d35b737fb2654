"""Features of photos, scaled so that only their direction counts: what pruning and labels compare.

unit(embeddings[rows])
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def unit(features: NDArray[Any]) -> NDArray[np.float32]:
    """Return finite features (N, F) scaled to unit length as float32; those that are all zero stay zero."""
    wide = features.astype(np.float64)
    length = np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    scaled: NDArray[np.float32] = (wide / length).astype(np.float32)
    return scaled
