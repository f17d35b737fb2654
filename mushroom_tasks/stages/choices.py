"""The settings that shape a data set: they name it, stand on its card and in MLflow, and make it again.

choices(settings)["selection"]["seed"]
"""

from __future__ import annotations

from typing import Any

from mushroom_tasks.settings import Settings

_CURATION = ("quality", "duplicates", "pruning", "labels")  # sections of the settings that `prune` goes by


def choices(settings: Settings) -> dict[str, Any]:
    """Return the settings that shape a data set, JSON-friendly, as its card shows them."""
    return {
        "root_taxa": list(settings.root_taxa),
        "selection": settings.selection.model_dump(mode="json"),
        "download": settings.download.model_dump(mode="json", include={"size", "small_side"}),
        "embedding": settings.embedding.model_dump(mode="json", include={"backbone", "weights"}),
        **curation_choices(settings),
    }


def curation_choices(settings: Settings) -> dict[str, Any]:
    """Return those of them that photos are judged by."""
    return {name: getattr(settings, name).model_dump(mode="json") for name in _CURATION}
