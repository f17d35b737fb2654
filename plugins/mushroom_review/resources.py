"""What the application works on: PostgreSQL and the store, opened when they are first needed.

The API server starts before there is a database, and has to live when there is none.
"""

from __future__ import annotations

from threading import Lock
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine

from mushroom_tasks.db.engine import migrate, open_engine
from mushroom_tasks.settings import Settings
from mushroom_tasks.storage import Store


class Resources:
    """The database and the store of one application; threads share it."""

    def __init__(self, settings: Settings) -> None:
        self.store = Store(settings.store)
        self._settings = settings
        self._lock = Lock()
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The engine, on a migrated database; where that fails, the next request tries again."""
        with self._lock:
            if self._engine is None:
                engine = open_engine(self._settings)
                migrate(engine)
                self._engine = engine
            return self._engine


def _engine(request: Request) -> Engine:
    return request.app.state.resources.engine  # type: ignore[no-any-return]


def _store(request: Request) -> Store:
    return request.app.state.resources.store  # type: ignore[no-any-return]


EngineDep = Annotated[Engine, Depends(_engine)]
StoreDep = Annotated[Store, Depends(_store)]
