"""What an evaluation says: the records of evaluation.json, and the one place that knows their form.

    report = EvaluationReport.model_validate_json(text)
    report.kept.top1, report.calibration.temperature, report.unknown.threshold

All shares are 0..1. Whatever could not be judged for lack of photos is null, never zero.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION: Final = 2  # 1 was before calibration, fusion, taxonomy, unknown and poison

Fusing = Literal["mean of log-probabilities", "mean of probabilities"]
Score = Literal["max probability", "margin", "negative entropy", "centred energy"]


class Record(BaseModel):
    """Base of all records."""

    model_config = ConfigDict(frozen=True)


class ClassMetrics(Record):
    """One class. `precision` is None where it was never predicted, `recall` where it has no photo."""

    scientific_name: str
    support: int
    precision: float | None
    recall: float | None
    f1: float | None


class Confused(Record):
    """Photos of one species taken for another; `photo_ids` are those taken most surely, the surest first."""

    true: str
    predicted: str
    photos: int
    photo_ids: tuple[int, ...]


class Evaluation(Record):
    """Metrics of one set of photos.

    `macro_f1` is the mean over the classes that have photos; `confusion` has a row per true and a column per
    predicted class, counted in photos.
    """

    photos: int
    top1: float
    top3: float
    top5: float
    macro_f1: float
    classes: tuple[ClassMetrics, ...]
    confused: tuple[Confused, ...]
    confusion: tuple[tuple[int, ...], ...]


class Bin(Record):
    """Photos whose answer was about equally sure: mean confidence, and share that was right; None where empty."""

    lower: float
    upper: float
    photos: int
    confidence: float | None
    accuracy: float | None


class Reliability(Record):
    """How far probabilities can be taken at their word.

    `ece` is the expected calibration error over the `bins` of equal width, `adaptive_ece` over bins of equally many
    photos; `nll` is the mean negative log-likelihood in nats, `brier` the mean Brier score (0..2).
    """

    ece: float
    adaptive_ece: float
    nll: float
    brier: float
    bins: tuple[Bin, ...]


class Calibration(Record):
    """Temperature scaling: the probabilities to show are softmax(log(p) / temperature).

    The temperature was fitted on so many `photos` of the validation split; `before` and `after` are of the test split.
    """

    temperature: float
    photos: int
    before: Reliability
    after: Reliability


class Fusion(Record):
    """Several photos of one observation, answered as one.

    `single_top1` is what one photo, drawn at random, of the `observations` with several photos reaches;
    `fused_top1` what all of them together do, and `gain` the difference. `all_top1` is the accuracy per observation,
    those of one photo included.
    """

    method: Fusing
    observations: int
    photos: int
    single_top1: float
    fused_top1: float
    gain: float
    all_observations: int
    all_top1: float
    all_macro_f1: float


class RankAnswers(Record):
    """What is answered at one rank: from this summed probability on, for so many photos, so often right.

    `threshold` is None where no probability promised the rate on the validation split: the rank is never answered
    with. `top1` is the accuracy were every photo answered at this rank.
    """

    rank: str
    threshold: float | None
    photos: int
    share: float
    right: float | None
    top1: float


class TaxonomyAnswers(Record):
    """Answers at the lowest rank that is sure enough, from species upwards; the rest stays unanswered.

    Thresholds were fitted so that answers are right at the `wanted` rate on the validation split.
    """

    wanted: float
    ranks: tuple[RankAnswers, ...]
    answered: float
    right: float | None


class Refused(Record):
    """Photos of one kind that show none of the species, on the test split: how well they are told from the others."""

    photos: int
    auroc: float
    refused: float


class Unknown(Record):
    """None of these: below `threshold` of `score` (of calibrated probabilities) a photo is refused.

    The threshold lets the share `wanted` of the validation split's photos pass; `accepted` passed on the test split.
    `validation_auroc` is that of every score, by which one was chosen; None without photos to refuse. `junk` are the
    photos that pruning flagged as showing no specimen, `strangers` those of `evaluation.unknown_photos`.
    """

    score: Score
    threshold: float
    wanted: float
    accepted: float
    validation_auroc: dict[Score, float] | None
    junk: Refused | None
    strangers: Refused | None


class RiskPoint(Record):
    """Answering only the surest photos, a share `coverage` of them: how many of these answers are wrong."""

    coverage: float
    confidence: float
    risk: float


class PoisonCost(Record):
    """FungiCLEF's cost per photo: 100 for poisonous taken for not documented, 1 for the reverse.

    `missed` of the `poisonous_photos` were taken for a species that is not documented as poisonous (and
    `deadly_missed` of the `deadly_photos`), `false_alarms` the other way. `poisonous` names the classes that count.
    """

    cost: float
    poisonous: tuple[str, ...]
    not_documented: int
    poisonous_photos: int
    missed: int
    deadly_photos: int
    deadly_missed: int
    false_alarms: int


class SplitGap(Record):
    """Logistic regression on frozen features, judged on photos of other observers and on photos drawn at random.

    Both are cross-validated over the same photos with as many photos to learn from; `gap` is what a split by photo
    promises too much.
    """

    photos: int
    classes: int
    folds: int
    observer_top1: float
    photo_top1: float
    gap: float


class EvaluationReport(Record):
    """The content of evaluation.json.

    `as_came` is the split as upstream has it, `kept` without what pruning flagged (None where nothing is left).
    Calibration, fusion, taxonomy, risk and poison are of the photos as kept, or as they came where none is kept.
    `settings` is the fingerprint of what the report was made with.
    """

    schema_version: Literal[2] = SCHEMA_VERSION
    settings: str
    split: str
    as_came: Evaluation
    kept: Evaluation | None
    calibration: Calibration
    fusion: Fusion | None
    taxonomy: TaxonomyAnswers | None
    unknown: Unknown
    risk: tuple[RiskPoint, ...]
    poison: PoisonCost
    split_gap: SplitGap | None
