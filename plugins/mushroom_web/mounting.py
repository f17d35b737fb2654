"""An application of the plugin as Airflow's API server mounts it, imported by its first request."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Mounted:
    """Hands requests to what the function `application` of a module returns.

    Parameters
    ----------
    module
        Its name, as it is imported from the plugins folder.
    """

    def __init__(self, module: str) -> None:
        self._module = module

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a request on."""
        await import_module(self._module).application()(scope, receive, send)
