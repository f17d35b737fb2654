"""Downloads photos 1 to N of a bucket with `mushroom_tasks.photos.download`; the last line says when it was done."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import pyarrow as pa

from mushroom_tasks.arrays import array
from mushroom_tasks.photos.download import download
from mushroom_tasks.settings import DownloadSettings
from mushroom_tasks.storage import Store


def main() -> None:
    """Download, and count what came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("photos", type=int)
    parser.add_argument("store", type=Path)
    parser.add_argument("--settings", default="{}", help="JSON of DownloadSettings")
    given = parser.parse_args()
    photo_ids = array(range(1, given.photos + 1), pa.int64())
    wanted = pa.Table.from_arrays([photo_ids, array(["jpg"] * given.photos, pa.string())], ["photo_id", "extension"])
    settings = DownloadSettings(**json.loads(given.settings))
    table = download(wanted, given.address, Store(given.store), settings)
    print(json.dumps({"ended": time.monotonic(), "ok": table["status"].to_pylist().count("ok")}))


if __name__ == "__main__":
    main()
