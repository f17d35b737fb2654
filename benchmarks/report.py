"""What every benchmark ends with: a table on the screen, and its figures in `benchmarks/results/NAME.json`.

A `Row` compares one figure of ours with a peer's, or with a limit of its own. Its `ratio` is what its target speaks
of: how many times better ours is (`at_least`), or what share of the peer's figure ours is (`at_most`). A missed
target is shown and does not fail the run, for on a busy machine it may be the neighbours; ways that disagree do
(`require_same`).

    rows = [
        at_least("download: photos/s", ours=[2100, 2230], peer=[310, 320], times=6, better="more"),
        at_most("download: peak memory, MB", ours=[61], peer=[420], times=0.25),
        limited("refresh: seconds of an unchanged snapshot", ours=[0.8], limit=5, unit="s"),
    ]
    report("download", "10,000 photos of 47 kB; median of 3 (least-most)", rows)

`python benchmarks/report.py ingest download` prints the kept results of several as one table.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Literal, TypeVar

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("results")
_HEAD = ("", "ours", "peer", "ratio", "target", "holds")
T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One line of a benchmark: the figures of its runs, and what is made of them.

    Attributes
    ----------
    name
        What was measured, with its unit: "download: photos/s".
    ours, peer
        A figure per run; `peer` is empty where the target is a limit of its own, or nothing is compared.
    ratio
        None where nothing is compared.
    target, holds
        The target in words, and whether the medians meet it; both None where there is none.
    """

    name: str
    ours: tuple[float, ...]
    peer: tuple[float, ...] = ()
    ratio: float | None = None
    target: str | None = None
    holds: bool | None = None

    def figures(self) -> dict[str, object]:
        """Return what the results file holds: exactly name, ours, peer, ratio, target and holds."""
        return {
            "name": self.name,
            "ours": _rounded(median(self.ours)),
            "peer": _rounded(median(self.peer)) if self.peer else None,
            "ratio": None if self.ratio is None else _rounded(self.ratio),
            "target": self.target,
            "holds": self.holds,
        }


def at_least(
    name: str, ours: Sequence[float], peer: Sequence[float], *, times: float, better: Literal["less", "more"]
) -> Row:
    """Compare medians where ours is to be so many times better: less (seconds, bytes) or more (photos/s)."""
    mine, other = median(ours), median(peer)
    ratio = _ratio(mine, other) if better == "more" else _ratio(other, mine)
    return Row(name, tuple(ours), tuple(peer), ratio, f">= {times:g}x", ratio >= times)


def at_most(name: str, ours: Sequence[float], peer: Sequence[float], *, times: float) -> Row:
    """Compare medians where ours may be so many times the peer's: memory, or a time that has a floor."""
    ratio = _ratio(median(ours), median(peer))
    return Row(name, tuple(ours), tuple(peer), ratio, f"<= {times:g}x", ratio <= times)


def limited(name: str, ours: Sequence[float], *, limit: float, unit: str) -> Row:
    """Hold the median against a limit of its own, such as 5 s; there is no peer."""
    return Row(name, tuple(ours), target=f"<= {limit:g} {unit}".rstrip(), holds=median(ours) <= limit)


def reached(name: str, ours: Sequence[float], *, limit: float, unit: str = "") -> Row:
    """Hold the median against a least of its own, such as an F1 of 0.9; there is no peer."""
    return Row(name, tuple(ours), target=f">= {limit:g} {unit}".rstrip(), holds=median(ours) >= limit)


def beside(name: str, ours: Sequence[float], peer: Sequence[float] = ()) -> Row:
    """Show figures without a target: what explains the others."""
    ratio = _ratio(median(ours), median(peer)) if peer else None
    return Row(name, tuple(ours), tuple(peer), ratio)


def report(name: str, title: str, rows: Iterable[Row], console: Console | None = None) -> Path:
    """Print the rows as a table below `title` and a line on the machine; return the results file they are in."""
    rows, console = list(rows), console or _wide()
    table = Table(*_HEAD)
    for row in rows:
        table.add_row(
            row.name, _spread(row.ours), _spread(row.peer), _number(row.ratio), row.target or "", _verdict(row.holds)
        )
    console.print(f"\n{name}: {title}", machine(), table, sep="\n")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps([row.figures() for row in rows], indent=2) + "\n", encoding="utf-8")
    return path


def show(names: Sequence[str], console: Console | None = None) -> None:
    """Print the results files of these benchmarks as one table; one that never ran is an error."""
    table = Table("benchmark", *_HEAD)
    for name in names:
        for row in json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")):
            figures = (_number(row[column]) for column in ("ours", "peer", "ratio"))
            table.add_row(name, row["name"], *figures, row["target"] or "", _verdict(row["holds"]))
        table.add_section()
    (console or _wide()).print("", machine(), table, sep="\n")


def machine() -> str:
    """Describe where and when: cores, load, Python and date."""
    loads = " ".join(f"{load:.1f}" for load in os.getloadavg())
    today = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{os.cpu_count()} cores, load {loads} (1, 5, 15 min), Python {platform.python_version()}, {today}"


def in_turns(ways: Mapping[str, Callable[[], T]], repeats: int) -> dict[str, list[T]]:
    """Run every way once per round, the order reversed in every other, and return the results of each.

    What disturbs the machine for a while then disturbs all of them, and none is always the first.
    """
    results: dict[str, list[T]] = {name: [] for name in ways}
    for turn in range(repeats):
        for name in list(ways) if turn % 2 == 0 else reversed(list(ways)):
            results[name].append(ways[name]())
    return results


def require_same(what: str, results: Mapping[str, object]) -> None:
    """End the run where the ways do not give the same: then there is nothing to compare."""
    first, *others = results.values()
    if any(other != first for other in others):
        raise SystemExit(f"the ways do not give the same {what}. Received: {dict(results)}")


def _ratio(above: float, below: float) -> float:
    return above / below if below else float("inf")


def _rounded(value: float) -> float | None:
    """Round to what a measurement is worth; infinity is no JSON."""
    return float(f"{value:.6g}") if value not in (float("inf"), float("-inf")) else None


def _wide() -> Console:
    return Console(width=max(Console().width, 130))


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _spread(values: Sequence[float]) -> str:
    if len(values) < 2:
        return "".join(map(_number, values))
    return f"{_number(median(values))} ({_number(min(values))}-{_number(max(values))})"


def _verdict(holds: bool | None) -> str:
    return "" if holds is None else "yes" if holds else "NO"


if __name__ == "__main__":
    show(sys.argv[1:])
