"""The backbones by name.

backbone = get("efficientnet_lite0")
"""

from __future__ import annotations

from mushroom_tasks.errors import UnknownBackbone
from mushroom_tasks.learning.backbones.backbone import Backbone
from mushroom_tasks.learning.backbones.convnext_v2 import CONVNEXT_V2
from mushroom_tasks.learning.backbones.efficientnet_lite0 import EFFICIENTNET_LITE0
from mushroom_tasks.learning.backbones.keras_applications import (
    CONVNEXT_TINY,
    EFFICIENTNET_B0,
    EFFICIENTNET_V2_B0,
    MOBILENET_V3_LARGE,
    MOBILENET_V3_SMALL,
    RESNET50_V2,
    XCEPTION,
)

_ROWS = (
    EFFICIENTNET_LITE0,
    MOBILENET_V3_SMALL,
    MOBILENET_V3_LARGE,
    EFFICIENTNET_B0,
    EFFICIENTNET_V2_B0,
    RESNET50_V2,
    XCEPTION,
    CONVNEXT_TINY,
    *CONVNEXT_V2,
)
_BACKBONES = {backbone.name: backbone for backbone in _ROWS}


def names() -> tuple[str, ...]:
    """Return the names of all backbones, sorted."""
    return tuple(sorted(_BACKBONES))


def rows() -> tuple[Backbone, ...]:
    """Return all backbones."""
    return _ROWS


def get(name: str) -> Backbone:
    """Return a backbone by its name; raises UnknownBackbone that lists the known ones."""
    try:
        return _BACKBONES[name]
    except KeyError:
        raise UnknownBackbone(f"no backbone of that name. Received: {name!r}. Known: {', '.join(names())}.") from None
