"""Alembic's environment: runs on the connection that `mushroom_tasks.db.engine.migrate` hands over."""

from __future__ import annotations

from alembic import context

from mushroom_tasks.db.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
    compare_server_default=True,
)
context.run_migrations()
