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
    if champion is None:
        return []
    # On another data set the champion was measured on other photos: only a large difference says anything.
    is_same = champion.get("dataset") == manifest.dataset.fingerprint
    name = "max_accuracy_drop" if is_same else "max_accuracy_drop_refresh"
    allowed = getattr(settings, name)
    own, other = next(iter(manifest.evaluation.values())).top1, float(champion["top1"])
    # The tag holds four digits: what differs beyond them is no drop.
    if round(other - own, 4) <= allowed:
        return []
    return [
        f"accuracy: top-1 {own:.3f} on held-out observers, the champion has {other:.3f} on "
        f"{'the same' if is_same else 'an earlier'} data set; registry.{name} allows {allowed}"
    ]
