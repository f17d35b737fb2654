"""Alembic migrations, packaged and run by `mushroom_tasks.db.engine.migrate`."""
