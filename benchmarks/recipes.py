"""Recipes of training beside each other on the same photos, judged by observers held out for validation.

Observers are dealt into five folds. The first is kept for the final figures and is never looked at here; each seed
validates on another of the rest. What pruning would leave at its best is trained on: photos of something else are out,
wrong labels are in; clean photos validate. Printed for each recipe, over the seeds: the loss without smoothing, the
right answers, and the differences to `default`, seed by seed. Needs the bucket of `inputs/labelled_bucket.py`.

A run takes minutes to an hour on two cores, and all of them hours: stop it at any time, and start it again to go on at
the step. Kept in `benchmarks/results/recipes.json`, work in `--work`.

    python benchmarks/recipes.py --seeds 1 2 3 --only default seed long
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from inputs.labelled_bucket import CACHE, LabelledPhotos, find_bucket, read_bucket

from mushroom_tasks.curation.labels.folds import assign_folds
from mushroom_tasks.learning.dataset import classes_of, image_batches, select_split
from mushroom_tasks.learning.pixels import prepare
from mushroom_tasks.learning.train import train
from mushroom_tasks.settings import EmbeddingSettings, TrainingSettings
from mushroom_tasks.storage import Store, fingerprint

RESULTS = Path(__file__).parent / "results" / "recipes.json"
FOLDS = 5
SAME_HEAD = ({"name": "head", "depth": 0.0, "epochs": 5, "learning_rate": 1e-3},)


def _deep(epochs: int, rate: float) -> dict[str, Any]:
    return {"phases": (*SAME_HEAD, {"name": "deep", "depth": 1.0, "epochs": epochs, "learning_rate": rate})}


# What differs from the preset `default`, and where the idea comes from.
CANDIDATES: dict[str, dict[str, Any]] = {
    "default": {},
    "seed": {"recipe": "seed"},
    # In place of the random crop: shifts and zooms of the centre square.
    "zoom": {"crop_area": 1.0, "crop_aspect": 1.0, "translation": 0.1, "zoom": 0.4},
    # He et al. 2019, Bag of tricks: MixUp wants long training.
    "mixup": {"mixup_alpha": 0.2},
    "cutmix": {"cutmix_alpha": 1.0},
    # Cubuk et al. 2020, mild: two operations at magnitude 5 of 10.
    "randaugment": {"randaugment_number": 2, "randaugment_magnitude": 5.0},
    # Howard and Ruder 2018; Bao et al. 2022 take 0.65 to 0.9.
    "layer_decay": {"layer_decay": 0.85},
    # All blocks at once after the head, for longer, averaged over more steps.
    "long": {**_deep(20, 5e-4), "ema_momentum": 0.99},
    "long_mixed": {**_deep(20, 5e-4), "ema_momentum": 0.99, "mixup_alpha": 0.1, "cutmix_alpha": 0.5},
    "long_all": {
        **_deep(25, 8e-4),
        "ema_momentum": 0.99,
        "layer_decay": 0.9,
        "randaugment_number": 1,
        "randaugment_magnitude": 5.0,
        "mixup_alpha": 0.1,
        "cutmix_alpha": 0.5,
    },
}


def table(photos: LabelledPhotos, seed: int) -> pa.Table:
    """Return the rows that training takes: without the first fold, another fold for validation with each seed."""
    fold = assign_folds(photos.observers, FOLDS)
    validates = fold == 1 + (seed - 1) % (FOLDS - 1)
    columns = {
        "photo_id": photos.photo_ids,
        "scientific_name": photos.labels,
        "path": photos.paths,
        "sha256": photos.sha256,
        "split": np.where(validates, "validation", "train"),
        "is_outlier": np.where(validates, ~photos.is_clean, photos.is_junk),
    }
    return pa.table({name: values[fold > 0] for name, values in columns.items()})


def judged(model_path: Path, rows: pa.Table, store: Store) -> dict[str, float]:
    """Return the loss without smoothing and the share of right answers on the validation photos."""
    import keras

    model = keras.saving.load_model(model_path, compile=False)
    split = select_split(rows, "validation", kept_only=True)
    prepared = prepare(rows, store, CACHE, model.input_shape[1])
    batches = image_batches(prepared, split, len(classes_of(rows)), 64)
    probabilities = np.concatenate([model(pixels, training=False).numpy() for pixels, _ in batches])
    of_truth = probabilities[np.arange(len(split)), split.labels]
    right = probabilities.argmax(axis=1) == split.labels
    return {"loss": float(-np.log(np.maximum(of_truth, 1e-12)).mean()), "accuracy": float(right.mean())}


def compared(chosen: Sequence[str], seeds: Sequence[int], work: Path) -> dict[str, Any]:
    """Train what has no result yet, seed by seed, and return all results that are asked for."""
    photos = read_bucket(find_bucket(), EmbeddingSettings())
    store = Store(photos.folder)
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    found: dict[str, Any] = {}
    for seed in seeds:
        rows = table(photos, seed)
        for name in chosen:
            settings = TrainingSettings.model_validate({**CANDIDATES[name], "seed": seed})
            key = fingerprint("recipe", settings=settings, photos=rows["sha256"].to_pylist())
            if key not in results:
                folder = work / key
                trained = train(rows, store, CACHE, folder, settings, _said(name, seed))
                results[key] = {**judged(folder / "model.keras", rows, store), "seconds": trained.seconds}
                _write(results)
                shutil.rmtree(folder)
            found[f"{name}/{seed}"] = results[key]
    return found


def print_table(found: Mapping[str, Any], chosen: Sequence[str], seeds: Sequence[int]) -> None:
    """Print a row for each recipe, the lowest loss first."""
    values = {name: np.array([_figures(found[f"{name}/{seed}"]) for seed in seeds]) for name in chosen}
    print("| recipe | loss | to default | top-1 | to default | seconds |\n|---|---|---|---|---|---|")
    for name in sorted(chosen, key=lambda one: float(values[one][:, 0].mean())):
        mean = values[name].mean(axis=0)
        loss, accuracy = _differences(values[name] - values["default"]) if "default" in values else ("", "")
        print(f"| {name} | {mean[0]:.3f} | {loss} | {mean[1]:.1%} | {accuracy} | {mean[2]:.0f} |")


def _figures(result: Mapping[str, float]) -> tuple[float, float, float]:
    return result["loss"], result["accuracy"], result["seconds"]


def _differences(paired: np.ndarray) -> tuple[str, str]:
    """Mean and standard error of the differences seed by seed, of loss and accuracy."""
    mean = paired.mean(axis=0)
    if len(paired) < 2:
        return f"{mean[0]:+.3f}", f"{mean[1]:+.1%}"
    error = paired.std(axis=0, ddof=1) / np.sqrt(len(paired))
    return f"{mean[0]:+.3f} ± {error[0]:.3f}", f"{mean[1]:+.1%} ± {error[1]:.1%}"


def _said(name: str, seed: int) -> Any:
    def say(phase: str, epoch: int, metrics: dict[str, float]) -> None:
        print(f"{name}/{seed} {phase} {epoch + 1}: {metrics['val_loss']:.3f} {metrics['val_accuracy']:.1%}", flush=True)

    return say


def _write(results: Mapping[str, Any]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    partial = RESULTS.with_suffix(".part")
    partial.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    partial.replace(RESULTS)


def main() -> None:
    """Compare, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, default=list(CANDIDATES), metavar="RECIPE")
    parser.add_argument("--work", type=Path, default=CACHE / "recipes")
    given = parser.parse_args()
    print_table(compared(given.only, given.seeds, given.work), given.only, given.seeds)


if __name__ == "__main__":
    main()
