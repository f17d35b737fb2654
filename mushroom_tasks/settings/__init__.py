"""All settings, in one frozen object, and the only reader of the environment; a module per section.

Each setting comes from the first of: a value given in code or by a flag, an environment variable
(`MUSHROOM_STORE_ROOT`, nested as `MUSHROOM_SELECTION__PHOTOS_PER_SPECIES`), a TOML file (`MUSHROOM_CONFIG`, or
`mushroom.toml` in the home folder), the default below. `docs/settings.md` is generated from these fields.

    settings = load_settings({"selection": {"photos_per_species": 200}})
"""

from mushroom_tasks.settings.augmentation import AugmentationSettings
from mushroom_tasks.settings.balance import BalanceSettings
from mushroom_tasks.settings.download import DownloadSettings, PhotoSize
from mushroom_tasks.settings.embedding import EmbeddingSettings
from mushroom_tasks.settings.evaluation import EvaluationSettings
from mushroom_tasks.settings.imports import ImportSettings
from mushroom_tasks.settings.ingest import IngestSettings
from mushroom_tasks.settings.labels import LabelSettings
from mushroom_tasks.settings.loading import Settings, flat, load_settings, nest
from mushroom_tasks.settings.pruning import PruningSettings
from mushroom_tasks.settings.quality import DuplicateSettings, QualitySettings
from mushroom_tasks.settings.recipes import RECIPES, Recipe
from mushroom_tasks.settings.release import ExportSettings, Precision, RegistrySettings
from mushroom_tasks.settings.report import ReportSettings
from mushroom_tasks.settings.review import ReviewSettings
from mushroom_tasks.settings.selection import LICENSES, SelectionSettings
from mushroom_tasks.settings.source import SourceSettings
from mushroom_tasks.settings.training import PhaseSettings, TrainingSettings

__all__ = [
    "LICENSES",
    "RECIPES",
    "AugmentationSettings",
    "BalanceSettings",
    "DownloadSettings",
    "DuplicateSettings",
    "EmbeddingSettings",
    "EvaluationSettings",
    "ExportSettings",
    "ImportSettings",
    "IngestSettings",
    "LabelSettings",
    "PhaseSettings",
    "PhotoSize",
    "Precision",
    "PruningSettings",
    "QualitySettings",
    "Recipe",
    "RegistrySettings",
    "ReportSettings",
    "ReviewSettings",
    "SelectionSettings",
    "Settings",
    "SourceSettings",
    "TrainingSettings",
    "flat",
    "load_settings",
    "nest",
]
