"""Downloads photos 1 to N of a bucket with img2dataset; runs in the environment of that peer, without ours.

Without `--checks` it is spared what it does by default and the comparison does not need: a sha256, and reading EXIF.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

from img2dataset import download


def main() -> None:
    """Download as it comes, or resized where a side is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("photos", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--side", type=int, default=0, help="pixels of the shorter side; 0 keeps the bytes")
    parser.add_argument("--quality", type=int, default=95)
    parser.add_argument("--checks", action="store_true", help="hash and EXIF, as by default")
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    addresses = given.folder / "addresses.txt"
    lines = (f"{given.address}/photos/{photo_id}/medium.jpg" for photo_id in range(1, given.photos + 1))
    addresses.write_text("\n".join(lines), encoding="utf-8")
    download(
        str(addresses),
        output_folder=str(given.folder / "photos"),
        output_format="files",
        processes_count=given.processes,
        thread_count=given.threads,
        number_sample_per_shard=math.ceil(given.photos / given.processes),  # else one process would do them all
        disable_all_reencoding=not given.side,
        resize_mode="keep_ratio" if given.side else "no",
        image_size=given.side or 256,
        encode_quality=given.quality,
        extract_exif=given.checks,
        compute_hash="sha256" if given.checks else None,
        enable_wandb=False,
    )
    print(json.dumps({"ended": time.monotonic()}))


if __name__ == "__main__":
    main()
