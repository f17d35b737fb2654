"""The gates before the alias `champion` moves.

failed_gates(bundle.manifest, settings.registry, champion.tags)      # [] or what stands in the way
"""

from __future__ import annotations

from collections.abc import Mapping

from mushroom_tasks.mobile.schema import Manifest
from mushroom_tasks.settings import RegistrySettings


def failed_gates(manifest: Manifest, settings: RegistrySettings, champion: Mapping[str, str] | None) -> list[str]:
    """Return what stands in the way of a bundle becoming champion, each as a sentence; nothing where all gates pass.

    Parameters
    ----------
    champion
        Tags of the present champion's version: `top1` and `dataset`. None where there is none.
    """
    return [*_size(manifest, settings), *_accuracy(manifest, settings, champion)]


def _size(manifest: Manifest, settings: RegistrySettings) -> list[str]:
    smallest = min(manifest.files[entry.file].bytes for entry in manifest.models.values()) / 1e6
    if smallest <= settings.max_model_mb:
        return []
    return [f"size: the smallest variant has {smallest:.2f} MB, registry.max_model_mb allows {settings.max_model_mb}"]


def _accuracy(manifest: Manifest, settings: RegistrySettings, champion: Mapping[str, str] | None) -> list[str]:
    # Accuracies of different data sets are measured on different photos: they cannot be compared.
    if champion is None or champion.get("dataset") != manifest.dataset.fingerprint:
        return []
    own, other = next(iter(manifest.evaluation.values())).top1, float(champion["top1"])
    if own >= other - settings.max_accuracy_drop:
        return []
    return [
        f"accuracy: top-1 {own:.3f} on held-out observers, the champion has {other:.3f} on the same data set "
        f"(registry.max_accuracy_drop allows {settings.max_accuracy_drop})"
    ]
