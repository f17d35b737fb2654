"""A snapshot into PostgreSQL: streamed, filtered, copied, checked."""
