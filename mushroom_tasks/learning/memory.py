"""What to do when the memory of a GPU does not hold a batch: the same batch in parts, gradients added up.

    portions = Portions(batch_size=32, floor=4)
    portions.halve("deep")              # 16 photos at once, two parts a step; says so in the log

The update stays what it was: the same photos, one step of the optimizer for all of them, so schedules, averages and
results do not change but for rounding. Keras' `gradient_accumulation_steps` would move the average of the weights at
every part, and would need other batches.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from mushroom_tasks.errors import LearningError

logger = logging.getLogger(__name__)


@dataclass
class Portions:
    """In how many parts a batch is computed.

    Parameters
    ----------
    batch_size, floor
        Photos of a step, and the fewest at once that are tried.
    parts
        Parts of a batch; their gradients are added up.
    """

    batch_size: int
    floor: int
    parts: int = 1

    @property
    def at_once(self) -> int:
        """Photos that are computed at once."""
        return -(-self.batch_size // self.parts)

    def halve(self, phase: str) -> None:
        """Compute half as many photos at once, and say so.

        Raises LearningError where that would be fewer than the floor.
        """
        before = self.at_once
        if before // 2 < self.floor:
            raise LearningError(
                f"the device has no memory for {before} photos at once in phase {phase!r}, and training.min_batch_size "
                f"is {self.floor}. Take a smaller backbone or input, free the device's memory (the task `preflight` "
                "names who holds it), or lower training.min_batch_size."
            )
        self.parts *= 2
        logger.warning(
            "phase %s: no memory for %d photos at once; going on with %d at once and gradients accumulated over %d "
            "parts, so a step still sees %d photos",
            phase,
            before,
            self.at_once,
            self.parts,
            self.batch_size,
        )
