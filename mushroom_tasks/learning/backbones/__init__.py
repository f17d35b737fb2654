"""Pretrained feature extractors, one per file, found by name through `registry`."""

from mushroom_tasks.learning.backbones.backbone import Backbone
from mushroom_tasks.learning.backbones.registry import get, names

__all__ = ["Backbone", "get", "names"]
