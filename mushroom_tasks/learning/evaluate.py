"""How good a classifier is on a split that took no part in its training.

    report = evaluate(folder / "model.keras", rows, store, cache, settings, folder)
    print(report.as_came.top1, report.kept.top1, report.kept.confused[:3])

The split is judged twice: as it came from upstream, and as pruning kept it. The first is what a user of the raw data
sees; the second leaves out photos that show no mushroom. A picture counts once in both, and not at all where training
may have seen it. Needs TensorFlow for predictions, numpy alone for metrics.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.dataset import classes_of, image_batches, select_split
from mushroom_tasks.learning.devices import prepare_devices
from mushroom_tasks.learning.model import compiled
from mushroom_tasks.learning.pixels import prepare
from mushroom_tasks.learning.plots import plot_confusion
from mushroom_tasks.settings import TrainingSettings
from mushroom_tasks.storage import Store

_MOST_CONFUSED = 10


@dataclass(frozen=True)
class ClassMetrics:
    """One class. `precision` is None where it was never predicted, `recall` where it has no photo."""

    scientific_name: str
    support: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Confused:
    """Photos of one species taken for another."""

    true: str
    predicted: str
    photos: int


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one set of photos.

    `macro_f1` is the mean over the classes that have photos; `confusion` has a row per true and a column per
    predicted class, counted in photos.
    """

    photos: int
    top1: float
    top3: float
    top5: float
    macro_f1: float
    classes: list[ClassMetrics]
    confused: list[Confused]
    confusion: list[list[int]]


@dataclass(frozen=True)
class EvaluationReport:
    """A split as it came, and as pruning kept it; None where it is empty."""

    split: str
    as_came: Evaluation | None
    kept: Evaluation | None


def evaluate(
    model_path: Path,
    rows: pa.Table,
    store: Store,
    cache: Path,
    settings: TrainingSettings,
    folder: Path,
    split: str = "test",
) -> EvaluationReport:
    """Judge a saved classifier on a split; write `evaluation.json` and `confusion.png` into `folder`.

    Photos count as `held_out` says. The plot shows the split as kept. Raises LearningError where no photo counts.
    """
    classes = classes_of(rows)
    photo_ids, probabilities, labels = predict_split(model_path, rows, store, cache, settings, split)
    if len(photo_ids) == 0:
        raise LearningError(
            f"the {split} split has no photos. Raise selection.{split}_share, or select photos of more observers."
        )
    counts = held_out(rows, split)
    if not counts.any():
        raise LearningError(
            f"none of the {len(counts)} photos of the {split} split is a picture of its own: others like them are in "
            f"other splits. Raise selection.{split}_share, or select photos of more observers."
        )
    kept = counts & ~select_split(rows, split, kept_only=False).is_outlier
    report = EvaluationReport(
        split,
        as_came=metrics(probabilities[counts], labels[counts], classes),
        kept=metrics(probabilities[kept], labels[kept], classes) if kept.any() else None,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    shown = report.kept or report.as_came
    assert shown is not None
    plot_confusion(np.asarray(shown.confusion), classes, folder / "confusion.png")
    return report


def held_out(rows: pa.Table, split: str) -> NDArray[np.bool_]:
    """Return which photos of a split other than training count in its evaluation, in order of photo_id.

    Of photos that are one picture (`picture` of `manifests.PRUNED`) one counts: the one that is kept, else that of the
    lowest photo_id. None counts where a photo of the same picture is in the training split.
    """
    rows = rows.select(["photo_id", "split", "is_outlier", "picture"]).sort_by("photo_id")
    pictures = np.asarray(pc.coalesce(rows["picture"], rows["photo_id"]))
    splits = np.asarray(rows["split"]).astype(str)
    order = np.lexsort((np.asarray(rows["is_outlier"]), pictures))
    stands = np.zeros(len(pictures), np.bool_)
    stands[order[np.unique(pictures[order], return_index=True)[1]]] = True
    stands &= ~np.isin(pictures, pictures[splits == "train"])
    counts: NDArray[np.bool_] = stands[splits == split]
    return counts


def predict_split(
    model_path: Path, rows: pa.Table, store: Store, cache: Path, settings: TrainingSettings, split: str
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return (photo_ids (N,), probabilities float32 (N, C), label indices (N,)) of a whole split, in order of photo_id.

    Photos that pruning flagged are among them. Raises LearningError where the model has not as many outputs as the
    table has classes.
    """
    import keras

    prepare_devices()
    model = keras.saving.load_model(model_path, compile=False)
    classes = len(classes_of(rows))
    if model.output_shape[-1] != classes:
        raise LearningError(
            f"{model_path} tells {model.output_shape[-1]} classes apart, the data set has {classes}. Give the data "
            "set that the model was trained on."
        )
    chosen = select_split(rows, split, kept_only=False)
    if len(chosen) == 0:
        return chosen.photo_ids, np.empty((0, classes), np.float32), chosen.labels
    prepared = prepare(rows, store, cache, model.input_shape[1])
    step = compiled(model)
    batches = image_batches(prepared, chosen, classes, settings.batch_size)
    return chosen.photo_ids, np.concatenate([step(pixels).numpy() for pixels, _ in batches]), chosen.labels


def metrics(probabilities: NDArray[np.float32], labels: NDArray[np.int64], classes: list[str]) -> Evaluation:
    """Return the metrics of probabilities (N, C) against label indices (N,); a class may lack photos.

    Raises LearningError where there are no photos, or shapes do not fit.
    """
    count = len(classes)
    if len(labels) == 0 or probabilities.shape != (len(labels), count):
        raise LearningError(
            f"metrics need at least one photo, and a probability per photo and class. Received: probabilities "
            f"{probabilities.shape}, {len(labels)} labels, {count} classes."
        )
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((count, count), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    per_class = [_class_metrics(name, confusion, index) for index, name in enumerate(classes)]
    order = np.argsort(-probabilities, axis=1, kind="stable")
    hits = order == labels[:, None]
    return Evaluation(
        photos=len(labels),
        top1=float(hits[:, :1].any(axis=1).mean()),
        top3=float(hits[:, :3].any(axis=1).mean()),
        top5=float(hits[:, :5].any(axis=1).mean()),
        macro_f1=float(np.mean([one.f1 for one in per_class if one.f1 is not None])),
        classes=per_class,
        confused=_most_confused(confusion, classes),
        confusion=confusion.tolist(),
    )


def _class_metrics(name: str, confusion: NDArray[np.int64], index: int) -> ClassMetrics:
    hits, support, predicted = confusion[index, index], confusion[index].sum(), confusion[:, index].sum()
    return ClassMetrics(
        scientific_name=name,
        support=int(support),
        precision=float(hits / predicted) if predicted else None,
        recall=float(hits / support) if support else None,
        f1=float(2 * hits / (support + predicted)) if support else None,
    )


def _most_confused(confusion: NDArray[np.int64], classes: list[str]) -> list[Confused]:
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSED]
    pairs = [np.unravel_index(flat, wrong.shape) for flat in order]
    return [
        Confused(classes[true], classes[predicted], int(wrong[true, predicted]))
        for true, predicted in pairs
        if wrong[true, predicted]
    ]
