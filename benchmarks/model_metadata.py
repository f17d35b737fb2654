"""The metadata inside the `.tflite` files of a bundle, read back by tflite-support's own displayer.

Says, for every model of a bundle, whether that tool finds the identifier, image and label properties that an app needs,
and the packed labels in the bundle's order, and whether it asks for the version of the parser that the file names.
tflite-support has wheels for Python 3.11 at the latest: run this with that one.

    python -m benchmarks.model_metadata BUNDLE          # a folder or a zip
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.peers import TFLITE_SUPPORT
from mushroom_tasks.mobile.archive import opened
from mushroom_tasks.mobile.bundle import Bundle

_PROGRAM = Path(__file__).parent / "programs" / "metadata_tflite_support.py"


def main() -> None:
    """Read the arguments, print a line per model; exit code 1 where one does not read as it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    given = parser.parse_args()
    failed = False
    with opened(given.bundle) as bundle:
        for precision in bundle.manifest.models:
            wrong = faults(bundle, read(bundle.model(precision)))
            failed |= bool(wrong)
            print(f"{precision:<8} {'; '.join(wrong) or 'read by tflite-support ' + TFLITE_SUPPORT.version}")
    if failed:
        raise SystemExit(1)


def read(model: Path) -> dict[str, Any]:
    """Return what tflite-support's displayer finds in a model."""
    done = subprocess.run(
        [TFLITE_SUPPORT.python, str(_PROGRAM), str(model)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"tflite-support cannot read {model}:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def faults(bundle: Bundle, found: dict[str, Any]) -> list[str]:
    """Return what the displayer finds otherwise than the bundle has it."""
    [graph] = found["metadata"]["subgraph_metadata"]
    [pixels], [answer] = graph["input_tensor_metadata"], graph["output_tensor_metadata"]
    size = bundle.manifest.input.size
    expected = {
        "labels": ([item.scientific_name for item in bundle.species], found["labels"]),
        "version": (bundle.manifest.fingerprint, found["metadata"]["version"]),
        "parser": (found["needs_parser"], found["metadata"]["min_parser_version"]),
        "image": (
            {"color_space": "RGB", "default_size": {"width": size, "height": size}},
            pixels["content"]["content_properties"],
        ),
        "normalization": ({"mean": [0.0], "std": [1.0]}, pixels["process_units"][0]["options"]),
        "label file": (
            [("labels.txt", "TENSOR_AXIS_LABELS")],
            [(file["name"], file["type"]) for file in answer["associated_files"]],
        ),
    }
    return [f"{name}: expected {wanted}, found {got}" for name, (wanted, got) in expected.items() if wanted != got]


if __name__ == "__main__":
    main()
