"""The cost of taking a poisonous species for one that is not documented as such, as FungiCLEF weighs it.

    cost = poison_cost(predicted, labels, classes)
    cost.cost, cost.missed, cost.deadly_missed

FungiCLEF (2023 and 2024, track 2): 100 for each answer that takes poisonous for edible, 1 for each that takes edible
for poisonous, divided by the number of answers. Mistakes between two poisonous, or two other species cost nothing.

FungiCLEF's organisers call each species poisonous or edible. We do not: a species that `mushroom_tasks.toxicity` does
not list is *not documented*, which is no statement that it can be eaten. In the formula such species take the place of
FungiCLEF's edible ones, for want of anything safer: an answer that carries no warning is the mistake to count. So the
cost is a lower bound, and comparable only between models of the same species and the same list.

References
----------
Picek, Sulc, Matas (2024), "Overview of FungiCLEF 2024: revisiting fungi species recognition beyond 0-1 cost".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.learning.evaluation.schema import PoisonCost
from mushroom_tasks.toxicity import toxicity_of

MISSED_COST = 100.0
FALSE_ALARM_COST = 1.0


def poison_cost(predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: Sequence[str]) -> PoisonCost:
    """Return the cost of predicted against true label indices (N,)."""
    found = [toxicity_of(name) for name in classes]
    poisonous = np.array([entry is not None and entry.is_poisonous for entry in found], np.bool_)
    deadly = np.array([entry is not None and entry.warning == "deadly" for entry in found], np.bool_)
    missed = poisonous[labels] & ~poisonous[predicted]
    false_alarms = ~poisonous[labels] & poisonous[predicted]
    cost = MISSED_COST * missed.sum() + FALSE_ALARM_COST * false_alarms.sum()
    return PoisonCost(
        cost=float(cost / len(labels)),
        poisonous=tuple(name for name, counts in zip(classes, poisonous, strict=True) if counts),
        not_documented=sum(entry is None for entry in found),
        poisonous_photos=int(poisonous[labels].sum()),
        missed=int(missed.sum()),
        deadly_photos=int(deadly[labels].sum()),
        deadly_missed=int((deadly[labels] & missed).sum()),
        false_alarms=int(false_alarms.sum()),
    )
