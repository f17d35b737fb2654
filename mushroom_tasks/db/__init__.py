"""PostgreSQL: the tables, their migrations, the engine, and an embedded server."""
