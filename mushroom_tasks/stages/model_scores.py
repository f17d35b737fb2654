"""What surrounds the evaluation of a model: whether it is done, what of pruning is junk, and its numbers' names.

child.log_metrics(named_metrics(report))        # {"test/top1": 0.87, "calibration/ece_after": 0.02, ...}
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mushroom_tasks.curation import reasons
from mushroom_tasks.learning.dataset import classes_of
from mushroom_tasks.learning.embedding_store import EmbeddingStore
from mushroom_tasks.learning.embeddings import embedder_fingerprint
from mushroom_tasks.learning.evaluation import REPORT, EvaluationReport, compare_splits, report_key
from mushroom_tasks.learning.evaluation.schema import SplitGap
from mushroom_tasks.settings import Settings
from mushroom_tasks.stages.results import PlanResult
from mushroom_tasks.storage import Store

logger = logging.getLogger(__name__)

# Photos that show no specimen, or not so that anyone could tell it. A copy or a wrong label shows a mushroom after all.
JUNK = (reasons.NOISE, reasons.STRAY_CLUSTER, reasons.LIKE_JUNK, reasons.POOR_QUALITY)


def is_evaluated(settings: Settings, store: Store, plan: PlanResult) -> bool:
    """Return whether the store has a report of the plan's model, in today's form and by today's settings."""
    with suppress(FileNotFoundError):
        return bool(store.read_json(f"models/{plan.model}/{REPORT}").get("settings") == report_key(settings.evaluation))
    return False


def gap_of_splits(settings: Settings, store: Store, rows: pa.Table) -> SplitGap | None:
    """Return, and log, what a split by photo promises too much; None where photos have no features in the store."""
    kept = rows.filter(pc.invert(rows["is_outlier"]))
    features = EmbeddingStore(store, embedder_fingerprint(settings.embedding))
    if kept.num_rows == 0 or features.missing(kept).num_rows:
        logger.info("no features of all photos are kept, so splits by photo and by observer are not compared")
        return None
    classes = np.asarray(classes_of(kept), dtype=str)
    gap = compare_splits(
        features.matrix(kept),
        np.searchsorted(classes, np.asarray(kept["scientific_name"]).astype(str)),
        np.asarray(kept["observer_id"], dtype=np.int64),
        settings.training.seed,
    )
    if gap is not None:
        logger.info(
            "logistic regression on frozen features, %d photos of %d classes: %.1f%% by photo, %.1f%% by observer; a "
            "split by photo promises %.1f points too much",
            gap.photos, gap.classes, 100 * gap.photo_top1, 100 * gap.observer_top1, 100 * gap.gap,
        )  # fmt: skip
    return gap


def named_metrics(report: EvaluationReport) -> dict[str, float]:
    """Return the numbers of a report under the names that MLflow keeps them by; what could not be judged is absent."""
    calibration, unknown = report.calibration, report.unknown
    found: dict[str, float | None] = {
        "calibration/temperature": calibration.temperature,
        "unknown/threshold": unknown.threshold,
        "unknown/accepted": unknown.accepted,
        "toxicity/cost": report.poison.cost,
        "toxicity/photos": report.poison.poisonous_photos,
        "toxicity/missed": report.poison.missed,
        "toxicity/deadly_photos": report.poison.deadly_photos,
        "toxicity/deadly_missed": report.poison.deadly_missed,
        "toxicity/false_alarms": report.poison.false_alarms,
    }
    for name, judged in (("test", report.as_came), ("test_kept", report.kept)):
        for metric in ("top1", "top3", "top5", "macro_f1"):
            found[f"{name}/{metric}"] = getattr(judged, metric, None)
    for name, reliability in (("before", calibration.before), ("after", calibration.after)):
        for metric in ("ece", "adaptive_ece", "nll", "brier"):
            found[f"calibration/{metric}_{name}"] = getattr(reliability, metric)
    for name, refused in (("junk", unknown.junk), ("strangers", unknown.strangers)):
        for metric in ("photos", "auroc", "refused"):
            found[f"unknown/{name}_{metric}"] = getattr(refused, metric, None)
    for metric in ("observations", "single_top1", "fused_top1", "gain", "all_top1", "all_macro_f1"):
        found[f"fusion/{metric}"] = getattr(report.fusion, metric, None)
    for metric in ("photo_top1", "observer_top1", "gap"):
        found[f"split/{metric}"] = getattr(report.split_gap, metric, None)
    found |= _by_rank(report)
    return {name: float(value) for name, value in found.items() if value is not None}


def _by_rank(report: EvaluationReport) -> Mapping[str, float | None]:
    found = report.taxonomy
    if found is None:
        return {}
    by_rank: dict[str, float | None] = {"taxonomy/answered": found.answered, "taxonomy/right": found.right}
    for one in found.ranks:
        by_rank |= {
            f"taxonomy/{one.rank}_share": one.share,
            f"taxonomy/{one.rank}_right": one.right,
            f"taxonomy/{one.rank}_top1": one.top1,
        }
    return by_rank
