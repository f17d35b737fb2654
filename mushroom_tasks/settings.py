"""All settings, in one frozen object, and the only reader of the environment.

Each setting comes from the first of: a value given in code or by a flag, an environment variable
(`MUSHROOM_STORE_ROOT`, nested as `MUSHROOM_SELECTION__PHOTOS_PER_SPECIES`), a TOML file (`MUSHROOM_CONFIG`, or
`mushroom.toml` in the home folder), the default below. `docs/settings.md` is generated from these fields.

    settings = load_settings({"selection": {"photos_per_species": 200}})
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from mushroom_tasks.errors import SettingsError

INATURALIST = "https://inaturalist-open-data.s3.amazonaws.com"
LICENSES = ("CC0", "CC-BY", "CC-BY-NC", "CC-BY-SA", "CC-BY-ND", "CC-BY-NC-SA", "CC-BY-NC-ND", "PD")
PhotoSize = Literal["original", "large", "medium", "small", "thumb", "square"]
Precision = Literal["float32", "int8"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceSettings(_Section):
    """How the bucket is reached."""

    timeout: float = Field(60.0, gt=0, le=3600, description="Seconds without a byte before a request has failed.")
    retries: int = Field(5, ge=0, le=20, description="Further tries of a request that failed in passing.")


class IngestSettings(_Section):
    """What of a snapshot enters PostgreSQL."""

    max_malformed_ratio: float = Field(
        0.001, ge=0, le=1, description="Share of malformed rows per table beyond which a load is refused."
    )
    min_kept_ratio: float = Field(
        0.5,
        ge=0,
        le=1,
        description="A load with fewer photos than this share of the last load's is refused as damaged.",
    )


class SelectionSettings(_Section):
    """N photos of M species."""

    species_count: int = Field(
        500, ge=2, le=20_000, description="Species at the most; those with the most photos come first."
    )
    photos_per_species: int = Field(500, ge=1, le=100_000, description="Photos per species at the most.")
    min_photos_per_species: int = Field(20, ge=1, le=100_000, description="Species with fewer photos are left out.")
    max_photos_per_observation: int = Field(10, ge=1, le=1000, description="Photos of one observation at the most.")
    max_photos_per_observer: int = Field(
        100, ge=1, le=100_000, description="Photos of one species by one observer at the most."
    )
    quality_grades: tuple[Literal["research", "needs_id", "casual"], ...] = Field(
        ("research",), min_length=1, description="iNaturalist quality grades that are allowed."
    )
    licenses: tuple[str, ...] = Field(LICENSES, min_length=1, description="Photo licences that are allowed.")
    validation_share: float = Field(0.15, gt=0, lt=0.5, description="Share of observers in the validation split.")
    test_share: float = Field(0.15, gt=0, lt=0.5, description="Share of observers in the test split.")
    seed: int = Field(1, ge=0, description="Seed of the hashes that sample photos and split observers.")

    @model_validator(mode="after")
    def _check(self) -> SelectionSettings:
        unknown = sorted(set(self.licenses) - set(LICENSES))
        if unknown:
            raise ValueError(f"unknown licences {unknown}; iNaturalist has {list(LICENSES)}")
        if self.min_photos_per_species > self.photos_per_species:
            raise ValueError("min_photos_per_species is larger than photos_per_species")
        return self


class DownloadSettings(_Section):
    """Photos over HTTP(S)."""

    size: PhotoSize = Field("medium", description="iNaturalist's photo size; medium is at most 500 px wide.")
    connections: int = Field(32, ge=1, le=256, description="Photos under way at once, per shard.")
    retries: int = Field(4, ge=0, le=20, description="Further tries of a photo that failed in passing.")
    timeout: float = Field(30.0, gt=0, le=600, description="Seconds for one photo.")
    max_bytes: int = Field(30_000_000, ge=1000, description="A larger file is recorded as too large.")
    max_failed_ratio: float = Field(0.1, ge=0, le=1, description="Share of failed photos beyond which the stage fails.")
    shards: int = Field(4, ge=1, le=64, description="Mapped tasks the download is cut into.")


class EmbeddingSettings(_Section):
    """One pass of a pretrained backbone over every photo, for pruning and for the head."""

    backbone: str = Field("efficientnet_lite0", description="Backbone whose features are used.")
    weights: str = Field("imagenet", description="`imagenet`, or a weights file.")
    batch_size: int = Field(32, ge=1, le=1024, description="Photos per batch.")
    shards: int = Field(2, ge=1, le=64, description="Mapped tasks the embedding is cut into.")


class PruningSettings(_Section):
    """DBSCAN per class."""

    eps: float | None = Field(
        None, gt=0, le=2, description="Radius in L2-normalised feature space; empty: chosen per class from the data."
    )
    min_samples: int = Field(4, ge=2, le=100, description="DBSCAN's min_samples.")
    min_class_size: int = Field(10, ge=1, description="Classes with fewer photos are not pruned.")
    max_pruned_share: float = Field(
        0.35, gt=0, le=1, description="At most this share of a class is pruned, most outlying first."
    )


class PhaseSettings(_Section):
    """One phase of training: how deep it reaches, how long, how fast."""

    name: str = Field(pattern=r"^[\w-]+$", description="Name of the phase in logs and curves.")
    depth: float = Field(
        ge=0, le=1, description="Share of the backbone's blocks that learn, from the top; 0: head only."
    )
    epochs: int = Field(ge=1, le=1000, description="Epochs at the most.")
    learning_rate: float = Field(gt=0, le=1, description="Learning rate at the start.")


# The head stops early on purpose: one that already fits every training photo leaves the layers below it no error to
# learn from. Chosen by validation loss on 1,300 photos of 20 species; see docs/results.md.
_PHASES = (
    PhaseSettings(name="head", depth=0.0, epochs=5, learning_rate=1e-3),
    PhaseSettings(name="last", depth=0.3, epochs=2, learning_rate=3e-4),
    PhaseSettings(name="deep", depth=1.0, epochs=10, learning_rate=5e-4),
)


class TrainingSettings(_Section):
    """Transfer learning, from the head down."""

    backbone: str = Field("efficientnet_lite0", description="Backbone of the classifier.")
    weights: str = Field("imagenet", description="`imagenet`, `none`, or a weights file.")
    phases: tuple[PhaseSettings, ...] = Field(_PHASES, min_length=1, description="Phases, in order.")
    batch_size: int = Field(32, ge=1, le=4096, description="Photos per step.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Dropout before the head.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Label smoothing of the loss.")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="AdamW's weight decay.")
    ema_momentum: float = Field(
        0.97,
        ge=0,
        lt=1,
        description="Momentum of the moving average of the weights that is validated and kept; 0 turns it off.",
    )
    flip: bool = Field(True, description="RandomFlip, horizontal.")
    rotation: float = Field(0.08, ge=0, le=0.5, description="RandomRotation, as a share of a full turn.")
    translation: float = Field(0.1, ge=0, le=0.5, description="RandomTranslation, as a share of the side.")
    zoom: float = Field(0.4, ge=0, le=0.9, description="RandomZoom, as a share.")
    contrast: float = Field(0.2, ge=0, le=1, description="RandomContrast factor.")
    brightness: float = Field(0.15, ge=0, le=1, description="RandomBrightness factor.")
    plateau_patience: int = Field(4, ge=1, description="ReduceLROnPlateau: epochs without gain before it acts.")
    plateau_factor: float = Field(0.3, gt=0, lt=1, description="ReduceLROnPlateau: factor on the learning rate.")
    stop_patience: int = Field(6, ge=1, description="EarlyStopping: epochs without gain before a phase ends.")
    seed: int = Field(1, ge=0, description="Seed of initial weights, shuffling and augmentation.")

    @model_validator(mode="after")
    def _check(self) -> TrainingSettings:
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise ValueError(f"phases need names of their own, here are {names}")
        return self


class ExportSettings(_Section):
    """LiteRT models and the bundle."""

    precisions: tuple[Precision, ...] = Field(("float32", "int8"), min_length=1, description="Variants to export.")
    representative_photos: int = Field(
        200, ge=8, le=10_000, description="Training photos that calibrate the int8 variant."
    )
    min_agreement: float = Field(
        0.9, ge=0, le=1, description="Least top-1 agreement with Keras on the test split, for every variant."
    )


class RegistrySettings(_Section):
    """The gates before the alias `champion` moves."""

    model_name: str = Field("mushroom-classifier", pattern=r"^[\w.-]+$", description="Registered model in MLflow.")
    max_model_mb: float = Field(5.0, gt=0, description="Largest size of the smallest variant, in MB.")
    max_accuracy_drop: float = Field(
        0.02,
        ge=0,
        le=1,
        description="How far a challenger's top-1 may be below the champion's on the same data set.",
    )
    max_accuracy_drop_refresh: float = Field(
        0.1,
        ge=0,
        le=1,
        description="The same where the champion was measured on another data set, and so on other photos.",
    )


_CREDENTIALS = (
    "Give MLflow's as MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; a bucket that needs a login is read "
    "through a mirror or a folder."
)


def _expanded(source: str) -> str:
    return source if "://" in source or not source else str(Path(source).expanduser().absolute())


class Settings(BaseSettings):
    """Everything that can be set. Frozen: derive another with `model_copy(update=...)`."""

    model_config = SettingsConfigDict(
        env_prefix="MUSHROOM_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    home: Annotated[Path, AfterValidator(lambda p: p.expanduser().absolute())] = Field(
        Path(".mushroom"), description="Folder that holds all state: databases, store, logs, caches."
    )
    source: Annotated[str, AfterValidator(_expanded)] = Field(
        INATURALIST, description="Bucket in iNaturalist's layout: an HTTP(S) address or a folder."
    )
    store_root: str = Field("", description="Root of the store (folder, s3://, gs://); empty: `store` in the home.")
    database_url: SecretStr = Field(
        SecretStr(""), description="PostgreSQL, as postgresql+psycopg2://...; empty: the embedded one in the home."
    )
    mlflow_tracking_uri: str = Field(
        "", description="MLflow server; empty: MLflow's tables in the embedded PostgreSQL, artifacts in the home."
    )
    root_taxa: tuple[int, ...] = Field(
        (47169, 48250), min_length=1, description="Taxa whose species are wanted; default Basidiomycota, Ascomycota."
    )
    source_access: SourceSettings = Field(default_factory=SourceSettings)
    ingest: IngestSettings = Field(default_factory=IngestSettings)
    selection: SelectionSettings = Field(default_factory=SelectionSettings)
    download: DownloadSettings = Field(default_factory=DownloadSettings)
    embedding: EmbeddingSettings = Field(default_factory=EmbeddingSettings)
    pruning: PruningSettings = Field(default_factory=PruningSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    export: ExportSettings = Field(default_factory=ExportSettings)
    registry: RegistrySettings = Field(default_factory=RegistrySettings)

    @property
    def store(self) -> str:
        """The store root that is in force."""
        return self.store_root or str(self.home / "store")

    @property
    def cache(self) -> Path:
        """Folder for what can be made again: local copies, prepared pixels."""
        return self.home / "cache"

    @model_validator(mode="after")
    def _check(self) -> Settings:
        url = self.database_url.get_secret_value()
        if url and not url.startswith("postgresql+psycopg2://"):
            raise ValueError(
                "database_url has to start with postgresql+psycopg2:// (it is not shown: it may hold a password)"
            )
        if not self.source:
            raise ValueError("source is empty; give an HTTP(S) address or a folder")
        for name, address in (("source", self.source), ("mlflow_tracking_uri", self.mlflow_tracking_uri)):
            # Addresses are logged, shown and kept with the data; a password in one would be too.
            if "://" in address and "@" in urlsplit(address).netloc:
                raise ValueError(f"{name} holds a user name or password (it is not shown). {_CREDENTIALS}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values in code, then the environment, then the file."""
        return init_settings, env_settings, _TomlFile(settings_cls)


class _TomlFile(PydanticBaseSettingsSource):
    """The settings file: MUSHROOM_CONFIG, or mushroom.toml in the home folder."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        named = os.environ.get("MUSHROOM_CONFIG")
        home = self.current_state.get("home") or os.environ.get("MUSHROOM_HOME") or ".mushroom"
        path = Path(named) if named else Path(str(home)).expanduser() / "mushroom.toml"
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if named:
                raise SettingsError(f"the settings file does not exist. Received: MUSHROOM_CONFIG={named!r}") from None
            return {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"the settings file {path} is not valid TOML: {error}") from error


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings in force, with `overrides` (nested mappings) on top.

    Raises SettingsError that names each setting that is wrong, and what was received.
    """
    try:
        return Settings(**dict(overrides or {}))
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `{"selection.seed": 2}` into `{"selection": {"seed": 2}}`, as flags and web forms give them."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, leaf = key.split(".")
        node = nested
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise SettingsError(f"{parent} is given both as a whole and in parts. Received: {sorted(flat)}")
        node[leaf] = value
    return nested


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"]) or "settings"
        received = "" if "database_url" in name or not item["loc"] else f" Received: {item['input']!r}."
        lines.append(f"{name}: {item['msg']}.{received}")
    return "settings that cannot be used:\n  " + "\n  ".join(lines) + "\nSee docs/settings.md for all settings."
