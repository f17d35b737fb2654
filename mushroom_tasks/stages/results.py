"""What stages return: small, frozen, JSON-friendly, so that XCom carries addresses and counts and never rows."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """Base of all results."""

    model_config = ConfigDict(frozen=True)


Report = Callable[[str, Result], None]  # told the name and the result of each stage when it has ended


class SnapshotResult(Result):
    """A snapshot in the store, or the news that there is no new one: it is loaded, or was rolled back."""

    fingerprint: str
    folder: str
    is_new: bool
    is_rolled_back: bool = False
    bytes: int
    validators: dict[str, dict[str, str | int | None]]


class IngestResult(Result):
    """What a load left in PostgreSQL, and what it changed.

    `changes` has the totals beside the snapshot `since` (see `inat.refresh.changes.Totals`), and `report` is the
    address of the page about them; empty and None where there was nothing of the same root taxa to compare with.
    """

    fingerprint: str
    taxa: int
    observations: int
    photos: int
    observers: int
    malformed: int
    since: str | None
    changes: dict[str, int]
    report: str | None


class RollbackResult(Result):
    """What PostgreSQL holds again, and the snapshot whose load was `undone`."""

    fingerprint: str
    undone: str
    taxa: int
    observations: int
    photos: int
    observers: int


class SelectionResult(Result):
    """A selection manifest."""

    fingerprint: str
    address: str
    species: int
    photos: int
    shards: list[int]


class BuildPlan(Result):
    """Whether a data set is to be built of a selection; `dataset` is the one that is there already."""

    selection: str
    dataset: str | None
    is_new: bool


class ImportResult(Result):
    """Photos of another source, taken in: the fingerprints of both manifests, and what could not be used."""

    selection: str
    downloads: str
    species: int
    photos: int
    duplicates: int
    failures: dict[str, int]
    shards: list[int]


class ShardResult(Result):
    """One mapped shard of a download or an embedding."""

    shard: int
    done: int
    failed: int
    reused: int


class DownloadShardResult(ShardResult):
    """One shard of a download: photos fetched now (`new`) and found in the store (`reused`), bytes fetched, seconds."""

    new: int
    bytes: int
    seconds: float


class DownloadResult(Result):
    """The downloads manifest of a whole selection.

    `new` photos were fetched by the last run of their shard and `reused` ones were in the store; `bytes` were fetched,
    and `seconds` are those of all shards together.
    """

    fingerprint: str
    address: str
    downloaded: int
    failures: dict[str, int]
    shards: list[int]
    new: int
    reused: int
    bytes: int
    seconds: float


class PruneResult(Result):
    """The pruned manifest: photos pruned by reason, and photos that a person should look at by doubt."""

    fingerprint: str
    address: str
    photos: int
    pruned: dict[str, int]
    doubtful: dict[str, int]


class ReportResult(Result):
    """The report of a pruned manifest.

    `address` is its page in the store, `page` the one on which MLflow shows it (None where no server does).
    """

    fingerprint: str
    address: str
    page: str | None
    species: int
    photos: int
    sheets: int


class ReviewResult(Result):
    """A set of photos on the page where people decide; `is_new` is False where it was there already.

    `pruned` and `doubtful` are the rules' choice, `waiting` those of both without a verdict, `decided` all with one.
    """

    fingerprint: str
    is_new: bool
    photos: int
    pruned: int
    doubtful: int
    waiting: int
    decided: int


class DatasetResult(Result):
    """A published data set.

    `decisions` counts what people decided, by verdict; `changes` what differs from the data set before it (see
    `curation.dataset.refresh.Counts`).
    """

    fingerprint: str
    folder: str
    species: int
    photos: int
    pruned: int
    splits: dict[str, int]
    decisions: dict[str, int]
    changes: dict[str, int]


class WithdrawalResult(Result):
    """Photos that iNaturalist no longer publishes, and how many of their files were deleted now."""

    withdrawn: int
    deleted: int


class PlanResult(Result):
    """What a training run is about to do; `is_new` is False where its bundle is registered already."""

    dataset: str
    backbone: str
    model: str
    bundle: str
    is_new: bool


class DevicesResult(Result):
    """The devices a training may use; see `learning.devices.Device` for the fields."""

    backbone: str
    devices: list[dict[str, str | int | tuple[str, ...]]]


class TrainResult(Result):
    """A trained Keras model."""

    fingerprint: str
    folder: str
    backbone: str
    classes: int
    validation_accuracy: float
    seconds: float


class EvaluationResult(Result):
    """Accuracy of a model on held-out observers."""

    fingerprint: str
    photos: int
    top1: float
    top5: float
    macro_f1: float


class BundleResult(Result):
    """The bundle for the phone: its folder, and the zip of it."""

    fingerprint: str
    folder: str
    zip: str
    files: dict[str, int]
    agreement: dict[str, float]
    top1: dict[str, float]


class RegistrationResult(Result):
    """The version in the registry, and whether it became champion."""

    bundle: str
    version: str
    is_champion: bool
    failed_gates: list[str]
