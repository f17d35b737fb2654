"""All settings in one object, and where their values come from."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from mushroom_tasks.errors import SettingsError
from mushroom_tasks.settings.download import DownloadSettings
from mushroom_tasks.settings.embedding import EmbeddingSettings
from mushroom_tasks.settings.evaluation import EvaluationSettings
from mushroom_tasks.settings.imports import ImportSettings
from mushroom_tasks.settings.ingest import IngestSettings
from mushroom_tasks.settings.labels import LabelSettings
from mushroom_tasks.settings.pruning import PruningSettings
from mushroom_tasks.settings.quality import DuplicateSettings, QualitySettings
from mushroom_tasks.settings.release import ExportSettings, RegistrySettings
from mushroom_tasks.settings.report import ReportSettings
from mushroom_tasks.settings.review import ReviewSettings
from mushroom_tasks.settings.selection import SelectionSettings
from mushroom_tasks.settings.source import SourceSettings
from mushroom_tasks.settings.training import TrainingSettings

_OPEN_DATA = "https://inaturalist-open-data.s3.amazonaws.com"
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
        _OPEN_DATA, description="Bucket in iNaturalist's layout: an HTTP(S) address or a folder."
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
    imports: ImportSettings = Field(default_factory=ImportSettings)
    embedding: EmbeddingSettings = Field(default_factory=EmbeddingSettings)
    quality: QualitySettings = Field(default_factory=QualitySettings)
    duplicates: DuplicateSettings = Field(default_factory=DuplicateSettings)
    pruning: PruningSettings = Field(default_factory=PruningSettings)
    labels: LabelSettings = Field(default_factory=LabelSettings)
    report: ReportSettings = Field(default_factory=ReportSettings)
    review: ReviewSettings = Field(default_factory=ReviewSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
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


def flat(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `{"selection": {"seed": 2}}` into `{"selection.seed": 2}`: `nest` the other way round."""
    found: dict[str, Any] = {}
    for section, values in nested.items():
        if isinstance(values, Mapping):
            found |= {f"{section}.{name}": value for name, value in flat(values).items()}
        else:
            found[section] = values
    return found


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"]) or "settings"
        received = "" if "database_url" in name or not item["loc"] else f" Received: {item['input']!r}."
        lines.append(f"{name}: {item['msg']}.{received}")
    return "settings that cannot be used:\n  " + "\n  ".join(lines) + "\nSee docs/settings.md for all settings."
