"""SQL that lies in files, in the folder `sql` beside the module that runs it.

read_sql(__file__, "swap")      # the text of sql/swap.sql
"""

from __future__ import annotations

from pathlib import Path


def read_sql(module: str, name: str) -> str:
    """Return the text of `sql/<name>.sql` beside a module, which is given as its `__file__`."""
    return (Path(module).with_name("sql") / f"{name}.sql").read_text(encoding="utf-8")
