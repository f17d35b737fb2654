"""The figures of docs/results.md, printed as Markdown from a finished run and the truth about its photos.

Needs a home folder that `make demo` or `mushroom run` has finished in, and the `truth.csv` of its bucket. The truth is
used here alone: the workflow never sees it.

    python benchmarks/results_table.py --home .mushroom --truth .mushroom/sample/truth.csv
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mushroom_tasks import manifests, stages
from mushroom_tasks.curation.dataset.publish import MANIFEST
from mushroom_tasks.local import summary
from mushroom_tasks.local.summary import Finished
from mushroom_tasks.mobile.predict import Predictor
from mushroom_tasks.settings import load_settings
from mushroom_tasks.storage import Store

Truth = Mapping[int, Mapping[str, str]]


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    given = parser.parse_args()
    settings = load_settings({"home": given.home})
    found = summary.finished(settings)
    if found is None:
        parser.error(f"no finished data set and bundle of these settings in {settings.home}")
    store = Store(settings.store)
    rows = manifests.read_manifest(store, found.dataset.file(MANIFEST), manifests.PRUNED)
    with given.truth.open(newline="", encoding="utf-8") as file:
        truth = {int(row["photo_id"]): row for row in csv.DictReader(file)}
    print_data(found, rows, truth)
    print_pruning(rows, truth)
    print_accuracy(found, rows, truth, store, stages.plan_training(settings, found.dataset.fingerprint).model)
    print_files(found)


def print_data(found: Finished, rows: pa.Table, truth: Truth) -> None:
    """Print what was selected, downloaded and split."""
    counts, failures = found.dataset.counts, found.dataset.failures
    faults = Counter(row["fault"] for row in truth.values() if row["fault"] in failures)
    print(f"\nData set `{found.dataset.fingerprint}`: {counts.species} species, {counts.photos} photos downloaded, ")
    print(f"{sum(failures.values())} not to be had ({_listed(failures)}; planted: {_listed(faults)}).")
    photos = Counter(zip(rows["split"].to_pylist(), rows["is_outlier"].to_pylist(), strict=True))
    table(
        ("split", "photos", "kept", "observers"),
        (
            (split, photos[split, True] + photos[split, False], photos[split, False], _observers(rows, split))
            for split in manifests.SPLITS
        ),
    )


def print_pruning(rows: pa.Table, truth: Truth) -> None:
    """Print what was pruned against the truth, by kind."""
    kinds = [truth[photo_id]["kind"] for photo_id in rows["photo_id"].to_pylist()]
    pruned = np.asarray(rows["is_outlier"])
    junk = np.array([kind.startswith(("junk", "clump")) for kind in kinds])
    precision, recall = (pruned & junk).sum() / max(pruned.sum(), 1), (pruned & junk).sum() / max(junk.sum(), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    print(f"\nPruned: {pruned.sum()} photos. Against the truth, for junk and clumps: precision {precision:.3f}, ")
    print(f"recall {recall:.3f}, F1 {f1:.3f}.\n")
    total, flagged = Counter(kinds), Counter(kind for kind, flag in zip(kinds, pruned, strict=True) if flag)
    table(
        ("kind", "photos", "pruned", "share"),
        ((kind, total[kind], flagged[kind], f"{flagged[kind] / total[kind]:.1%}") for kind in sorted(total)),
    )


def print_accuracy(found: Finished, rows: pa.Table, truth: Truth, store: Store, model: str) -> None:
    """Print accuracy on held-out observers: Keras as evaluated, and each LiteRT variant on the truly clean photos."""
    evaluated = [
        (f"Keras, {name}", a.photos, f"{a.top1:.1%}", f"{a.top3:.1%}", f"{a.top5:.1%}", f"{a.macro_f1:.3f}")
        for name, a in found.bundle.manifest.evaluation.items()
    ]
    clean = [
        row
        for row in rows.select(["photo_id", "path", "scientific_name", "split"]).to_pylist()
        if row["split"] == "test" and truth[row["photo_id"]]["kind"] == "clean"
    ]
    print()
    lines = []
    for precision in found.bundle.manifest.models:
        ranks = ranks_of(Predictor(found.bundle.folder, str(precision)), clean, store)
        shares = (f"{(ranks < k).mean():.1%}" for k in (1, 3, 5))
        lines.append((f"LiteRT {precision}, truly clean photos", len(ranks), *shares, ""))
    table(("model and photos", "photos", "top-1", "top-3", "top-5", "macro F1"), [*evaluated, *lines])
    print("\nPer class, held-out observers as kept:\n")
    report = store.read_json(f"models/{model}/evaluation.json")["kept"]
    table(
        ("species", "photos", "precision", "recall", "F1"),
        (
            (one["scientific_name"], one["support"], *(_number(one[name]) for name in ("precision", "recall", "f1")))
            for one in report["classes"]
        ),
    )


def ranks_of(predictor: Predictor, rows: Iterable[Mapping[str, Any]], store: Store) -> NDArray[np.int64]:
    """Return the place of the true species among the predictions of each photo, 0 for the first; shape (N,)."""
    ranks = []
    for row in rows:
        names = [
            each.species.scientific_name
            for each in predictor.predict(store.read_bytes(row["path"]), top=10**6).predictions
        ]
        ranks.append(names.index(row["scientific_name"]))
    return np.asarray(ranks)


def print_files(found: Finished) -> None:
    """Print sizes, and each variant against Keras."""
    manifest = found.bundle.manifest
    print()
    table(
        ("variant", "bytes", "top-1 agreement", "top-1", "top-1 of Keras", "median, one thread"),
        (
            (
                str(name),
                f"{manifest.files[entry.file].bytes:,}",
                f"{entry.parity.agreement:.1%}",
                f"{entry.parity.accuracy_litert:.1%}",
                f"{entry.parity.accuracy_keras:.1%}",
                f"{entry.parity.latency_ms:.1f} ms",
            )
            for name, entry in manifest.models.items()
        ),
    )


def table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def _observers(rows: pa.Table, split: str) -> int:
    pairs = zip(rows["observer_id"].to_pylist(), rows["split"].to_pylist(), strict=True)
    return len({observer for observer, found in pairs if found == split})


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
