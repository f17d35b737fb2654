"""Verdict: which photos are pruned, which stay, why, and which of them people should look at.

verdict = decide(members, findings, settings)
verdict.reason[verdict.is_outlier]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mushroom_tasks.curation import reasons
from mushroom_tasks.curation.pruning.findings import Findings
from mushroom_tasks.curation.pruning.members import Members
from mushroom_tasks.curation.pruning.mixture import BORDER
from mushroom_tasks.settings import PruningSettings

_UNSURE = 0.1  # nearer to 0 or 1 than this, a score leaves no doubt


@dataclass(frozen=True)
class Verdict:
    """For each of M photos: whether it is pruned, a reason, and a doubt or None."""

    is_outlier: NDArray[np.bool_]
    reason: NDArray[np.object_]
    doubt: NDArray[np.object_]


def decide(members: Members, findings: Findings, settings: PruningSettings) -> Verdict:
    """Prune what is beyond the border, class by class, unless the settings put the class to review."""
    stands_out = findings.score > BORDER
    held_back = stands_out & findings.is_large
    for _, part in members.each():
        count, photos = int(stands_out[part].sum()), part.stop - part.start
        if count > settings.max_pruned_share * photos or photos - count < settings.min_kept:
            held_back[part] = stands_out[part]
    doubt = np.full(len(stands_out), None, np.object_)
    doubt[(findings.score > _UNSURE) & (findings.score < 1 - _UNSURE)] = reasons.NEAR_BORDER
    doubt[held_back] = reasons.HELD_BACK
    return Verdict(stands_out & ~held_back, _reasons(findings, stands_out), doubt)


def _reasons(findings: Findings, stands_out: NDArray[np.bool_]) -> NDArray[np.object_]:
    reason = np.full(len(stands_out), reasons.TYPICAL, np.object_)
    reason[findings.label > 0] = reasons.SECOND_LOOK
    reason[~findings.is_core] = reasons.UNUSUAL
    reason[stands_out & findings.is_core] = reasons.LIKE_JUNK
    reason[stands_out & ~findings.is_core] = reasons.NOISE
    reason[stands_out & findings.is_stray] = reasons.STRAY_CLUSTER
    return reason
