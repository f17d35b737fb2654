"""How good a classifier is on a split that took no part in its training, written down.

    report = evaluate(folder / "model.keras", rows, store, cache, folder, training, settings, species=species)
    print(report.as_came.top1, report.kept.top1, report.kept.confused[:3])

The split is judged twice: as it came from upstream, and as pruning kept it. The first is what a user of the raw data
sees; the second leaves out photos that show no mushroom. A picture counts once in both, and not at all where training
may have seen it. Everything that is fitted (temperature, thresholds, ways of fusing and refusing) is fitted on the
validation split.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mushroom_tasks.errors import LearningError
from mushroom_tasks.learning.dataset import classes_of
from mushroom_tasks.learning.evaluation import calibration, fusion, taxonomy, unknown
from mushroom_tasks.learning.evaluation.figures import draw
from mushroom_tasks.learning.evaluation.metrics import metrics, risk_coverage
from mushroom_tasks.learning.evaluation.poison import poison_cost
from mushroom_tasks.learning.evaluation.predictions import Predictions, Predictor, strangers
from mushroom_tasks.learning.evaluation.schema import (
    SCHEMA_VERSION,
    EvaluationReport,
    Fusion,
    SplitGap,
    TaxonomyAnswers,
    Unknown,
)
from mushroom_tasks.settings import EvaluationSettings, TrainingSettings
from mushroom_tasks.storage import Store, fingerprint

REPORT = "evaluation.json"
_NO_STRANGERS = pa.table({"sha256": pa.array([], pa.string()), "is_for_fitting": pa.array([], pa.bool_())})


def report_key(settings: EvaluationSettings) -> str:
    """Return what a report of a given model depends on: another key is another report."""
    return fingerprint("evaluation", version=SCHEMA_VERSION, settings=settings)


def evaluate(
    model_path: Path,
    rows: pa.Table,
    store: Store,
    cache: Path,
    folder: Path,
    training: TrainingSettings,
    settings: EvaluationSettings,
    *,
    species: Sequence[Mapping[str, Any]] = (),
    junk: Collection[str] = (),
    gap: SplitGap | None = None,
    split: str = "test",
) -> EvaluationReport:
    """Judge a saved classifier on a split; write `evaluation.json` and the figures into `folder`.

    Parameters
    ----------
    rows
        Schema `manifests.PRUNED`; `observation_uuid` and `reason` may be null. Photos count as `held_out` says.
    species
        The data set's species.json; without it there are no answers by genus and family.
    junk
        The reasons of pruning that say a photo shows no specimen.
    gap
        What a split by photo would have promised too much (see `compare_splits`), to be written down with the rest.

    Raises LearningError where no photo counts.
    """
    classes = classes_of(rows)

    predictor = Predictor(model_path, store, cache, training.batch_size, classes)
    test = _answered(predictor.split(rows, split), rows, split, junk)
    _require_photos(rows, test, split)
    validation = _answered(predictor.split(rows, "validation"), rows, "validation", junk)
    kept = test.only(test.kept)
    shown = kept if len(kept) else test
    fitted = validation.only(validation.kept)
    calibrated = calibration.calibrated((fitted.probabilities, fitted.labels), (shown.probabilities, shown.labels))
    judged = _Judged(
        calibrated.temperature, fitted, validation.only(validation.junk), shown, test.only(test.junk), settings
    )
    ladder = taxonomy.Ladder.of(species, classes)
    predicted = shown.probabilities.argmax(axis=1)
    report = EvaluationReport(
        settings=report_key(settings),
        split=split,
        as_came=metrics(test.probabilities, test.labels, classes, test.photo_ids),
        kept=metrics(kept.probabilities, kept.labels, classes, kept.photo_ids) if len(kept) else None,
        calibration=calibrated,
        fusion=judged.fused(),
        taxonomy=judged.by_rank(ladder) if species else None,
        unknown=judged.refusing(_foreign(predictor, store, settings.unknown_photos)),
        risk=risk_coverage(judged.tempered(shown).max(axis=1), predicted == shown.labels),
        poison=poison_cost(predicted, shown.labels, classes),
        split_gap=gap,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REPORT).write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draw(report, ladder, folder)
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


@dataclass(frozen=True)
class _Answers:
    """What the model answered for the photos of a split that count; `observations` is empty where they are unknown."""

    photo_ids: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    observations: NDArray[np.str_]
    kept: NDArray[np.bool_]
    junk: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    def only(self, chosen: NDArray[np.bool_]) -> _Answers:
        """Return the answers for the chosen photos (N,)."""
        return _Answers(
            self.photo_ids[chosen],
            self.probabilities[chosen],
            self.labels[chosen],
            self.observations[chosen] if len(self.observations) else self.observations,
            self.kept[chosen],
            self.junk[chosen],
        )


def _answered(
    predictions: Predictions,
    rows: pa.Table,
    split: str,
    junk: Collection[str],
) -> _Answers:
    photo_ids, probabilities, labels = predictions
    chosen = rows.filter(pc.equal(rows["split"], split)).sort_by("photo_id")
    flagged = np.asarray(chosen["is_outlier"], dtype=bool)
    reasons = np.asarray(pc.fill_null(chosen["reason"], "")).astype(str)
    known = chosen["observation_uuid"].null_count == 0
    observations = np.asarray(chosen["observation_uuid"]).astype(str) if known else np.empty(0, np.str_)
    everything = _Answers(
        photo_ids, probabilities, labels, observations, ~flagged, flagged & np.isin(reasons, sorted(junk))
    )
    return everything.only(held_out(rows, split))


def _require_photos(rows: pa.Table, found: _Answers, split: str) -> None:
    if len(found):
        return
    there = pc.sum(pc.equal(rows["split"], split)).as_py() or 0
    advice = f"Raise selection.{split}_share, or select photos of more observers."
    if there:
        raise LearningError(
            f"none of the {there} photos of the {split} split is a picture of its own: others like them are in other "
            f"splits. {advice}"
        )
    raise LearningError(f"the {split} split has no photos. {advice}")


@dataclass(frozen=True)
class _Foreign:
    """Probabilities of photos of none of the species: for fitting, and to report on."""

    fitting: NDArray[np.float32]
    judged: NDArray[np.float32]


def _foreign(predictor: Predictor, store: Store, folder: str) -> _Foreign:
    photos = strangers(store, folder) if folder else _NO_STRANGERS
    probabilities = predictor.photos(photos, photos["sha256"].to_pylist())
    for_fitting = np.asarray(photos["is_for_fitting"], dtype=bool)
    return _Foreign(probabilities[for_fitting], probabilities[~for_fitting])


@dataclass(frozen=True)
class _Judged:
    """What is fitted on the validation split's answers and judged on the test split's."""

    temperature: float
    validation: _Answers
    validation_junk: _Answers
    test: _Answers
    test_junk: _Answers
    settings: EvaluationSettings

    def tempered(self, answers: _Answers) -> NDArray[np.float64]:
        """Return calibrated probabilities (N, C)."""
        return calibration.tempered(answers.probabilities, self.temperature)

    def fused(self) -> Fusion | None:
        """Judge fusing the photos of an observation, in the way that the validation split prefers."""
        if not len(self.test.observations):
            return None
        found = self.validation
        method = fusion.choose(self.tempered(found), found.labels, found.observations)
        return fusion.fusion(self.tempered(self.test), self.test.labels, self.test.observations, method)

    def by_rank(self, ladder: taxonomy.Ladder) -> TaxonomyAnswers:
        """Judge answering with a genus or family where the species is unsure."""
        wanted = self.settings.answers_right
        thresholds = taxonomy.fit_thresholds(ladder, self.tempered(self.validation), self.validation.labels, wanted)
        return taxonomy.answers(ladder, self.tempered(self.test), self.test.labels, thresholds, wanted)

    def refusing(self, foreign: _Foreign) -> Unknown:
        """Judge refusing photos that show none of the species."""
        known, judged = self.tempered(self.validation), self.tempered(self.test)
        fitting, strange = (calibration.tempered(part, self.temperature) for part in (foreign.fitting, foreign.judged))
        rates = unknown.aurocs(known, np.concatenate([self.tempered(self.validation_junk), fitting]))
        score = max(rates, key=rates.__getitem__) if rates else unknown.SCORES[0]
        threshold = unknown.fit_threshold(unknown.score_of(score, known), self.settings.accepted)
        return Unknown(
            score=score,
            threshold=threshold,
            wanted=self.settings.accepted,
            accepted=float((unknown.score_of(score, judged) >= threshold).mean()),
            validation_auroc=rates,
            junk=unknown.refused(score, threshold, judged, self.tempered(self.test_junk)),
            strangers=unknown.refused(score, threshold, judged, strange),
        )
