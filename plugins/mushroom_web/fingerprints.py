"""A fingerprint in an address or a body, as `mushroom_tasks.storage.fingerprint` makes it."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

Fingerprint = Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]
