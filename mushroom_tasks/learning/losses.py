"""The loss: cross-entropy on logits, smoothed, with what makes up for unequal classes.

    loss = ClassificationLoss.of(prior, smoothing=0.1, adjustment=1.0)
    losses = loss(labels, logits)           # (N, C), (N, C) -> (N,)

Logit adjustment adds `adjustment * log(share of the class)` to the logits while training, and not afterwards: the
network then need not learn that common species are common (Menon et al. 2021, Long-tail learning via logit adjustment,
eq. 10). With 1 it is balanced softmax (Ren et al. 2020, Balanced meta-softmax, eq. 3). Needs TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.errors import LearningError


@dataclass(frozen=True)
class ClassificationLoss:
    """Losses of photos, given soft labels: mixed photos have parts of several classes.

    Parameters
    ----------
    offsets
        Added to the logits, (C,).
    smoothing
        Share of each label that is spread over all classes.
    """

    offsets: NDArray[np.float32]
    smoothing: float = 0.0

    @classmethod
    def of(cls, prior: NDArray[np.float64], smoothing: float, adjustment: float) -> ClassificationLoss:
        """Return the loss for classes that training sees with these shares, (C,), sum 1.

        Raises LearningError where a class has no share and logits are to be adjusted.
        """
        if adjustment == 0:
            return cls(np.zeros(len(prior), np.float32), smoothing)
        if not (prior > 0).all():
            raise LearningError(f"logit adjustment needs photos of every class. Received: shares {prior.tolist()}")
        return cls((adjustment * np.log(prior)).astype(np.float32), smoothing)

    def __call__(self, labels: Any, logits: Any) -> Any:
        """Return the loss of each photo, (N,)."""
        import tensorflow as tf

        smoothed = labels * (1 - self.smoothing) + self.smoothing / len(self.offsets)
        return tf.nn.softmax_cross_entropy_with_logits(smoothed, logits + tf.constant(self.offsets))
