"""What stages return: small, frozen, JSON-friendly, so that XCom carries addresses and counts and never rows."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """Base of all results."""

    model_config = ConfigDict(frozen=True)


class SnapshotResult(Result):
    """A snapshot in the store, or the news that there is no new one."""

    fingerprint: str
    folder: str
    is_new: bool
    bytes: int
    validators: dict[str, dict[str, str | int | None]]


class IngestResult(Result):
    """What a load left in PostgreSQL."""

    fingerprint: str
    taxa: int
    observations: int
    photos: int
    observers: int
    malformed: int


class SelectionResult(Result):
    """A selection manifest."""

    fingerprint: str
    address: str
    species: int
    photos: int
    shards: list[int]


class ShardResult(Result):
    """One mapped shard of a download or an embedding."""

    shard: int
    done: int
    failed: int
    reused: int


class DownloadResult(Result):
    """The downloads manifest of a whole selection."""

    fingerprint: str
    address: str
    downloaded: int
    failures: dict[str, int]
    shards: list[int]


class PruneResult(Result):
    """The pruned manifest."""

    fingerprint: str
    address: str
    photos: int
    pruned: dict[str, int]


class DatasetResult(Result):
    """A published data set."""

    fingerprint: str
    folder: str
    species: int
    photos: int
    pruned: int
    splits: dict[str, int]


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
    """The bundle for the phone."""

    fingerprint: str
    folder: str
    files: dict[str, int]
    agreement: dict[str, float]
    top1: dict[str, float]


class RegistrationResult(Result):
    """The version in the registry, and whether it became champion."""

    bundle: str
    version: str
    is_champion: bool
    failed_gates: list[str]
