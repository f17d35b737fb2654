"""Reads a model's metadata with tflite-support's displayer; runs in the environment of that peer, without ours.

Prints one line of JSON: the metadata as the displayer has it, the names of the packed files, and the labels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tflite_support import metadata


def main() -> None:
    """Read, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    given = parser.parse_args()
    displayer = metadata.MetadataDisplayer.with_model_file(str(given.model))
    files = displayer.get_packed_associated_file_list()
    found = {
        "metadata": json.loads(displayer.get_metadata_json()),
        "files": files,
        "labels": displayer.get_associated_file_buffer("labels.txt").decode().splitlines(),
        "needs_parser": _least_parser(given.model),
    }
    print(json.dumps(found))


def _least_parser(model: Path) -> str:
    """Return the least version of the parser that tflite-support computes of the metadata itself."""
    from tensorflow_lite_support.metadata.cc.python import _pywrap_metadata_version

    buffer = metadata.get_metadata_buffer(bytearray(model.read_bytes()))
    return str(_pywrap_metadata_version.GetMinimumMetadataParserVersion(bytes(buffer)))


if __name__ == "__main__":
    main()
