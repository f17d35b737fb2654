"""The backbones by name.

backbone = get("efficientnet_lite0")
"""

from __future__ import annotations

from mushroom_tasks.errors import UnknownBackbone
from mushroom_tasks.learning.backbones.backbone import Backbone
from mushroom_tasks.learning.backbones.efficientnet_lite0 import EFFICIENTNET_LITE0
from mushroom_tasks.learning.backbones.mobilenet_v3_large import MOBILENET_V3_LARGE

_BACKBONES = {backbone.name: backbone for backbone in (EFFICIENTNET_LITE0, MOBILENET_V3_LARGE)}


def names() -> tuple[str, ...]:
    """Return the names of all backbones, sorted."""
    return tuple(sorted(_BACKBONES))


def get(name: str) -> Backbone:
    """Return a backbone by its name; raises UnknownBackbone that lists the known ones."""
    try:
        return _BACKBONES[name]
    except KeyError:
        raise UnknownBackbone(f"no backbone of that name. Received: {name!r}. Known: {', '.join(names())}.") from None
