"""The hub is never asked: said before `datasets` is imported, which reads it once."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"
