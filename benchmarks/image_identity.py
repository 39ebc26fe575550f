"""What it costs to know that rows are texts of one image: by url or the image's hash, instead of a row's own id.

A CommonPool file of a million rows, eight texts an image, is read with fewer and fewer names of its images. Each
reading is a process of its own, for its peak memory.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.io.pools.open_pool import open_pool, read_batches

ROWS = 1_000_000
TEXTS_AN_IMAGE = 8
#: By what tells images apart, the columns that are left out.
NAMES = {"uid": ["sha256", "url"], "url": ["sha256"], "sha256": []}


def write_pool(folder: Path, without: list[str]) -> Path:
    """A pool of one file without some columns; a pool needs a url, which is then empty."""
    folder.mkdir()
    images = [row // TEXTS_AN_IMAGE for row in range(ROWS)]
    urls = [f"https://a.example/pictures/{image:012d}/large.jpg" for image in images]
    columns = {
        "uid": [f"{row:032x}" for row in range(ROWS)],
        "url": [""] * ROWS if "url" in without else urls,
        "text": [f"a picture of something, number {row}" for row in range(ROWS)],
    }
    if "sha256" not in without:
        columns["sha256"] = [hashlib.sha256(str(image).encode()).hexdigest() for image in images]
    pq.write_table(pa.table(columns), folder / "0.parquet")
    return folder


def read_pool(folder: Path) -> dict[str, float]:
    """Read a pool; pairs a second, peak memory and how many images its pairs are of."""
    (shard,) = open_pool(folder).shards
    for _ in read_batches(shard, rows=64):  # compiled, and warm
        break
    begun = time.perf_counter()
    images = [batch["image_id"].to_numpy() for batch in read_batches(shard)]
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    count = len(np.unique(np.concatenate(images)))
    return {"pairs_per_second": round(ROWS / seconds), "peak_mb": round(peak), "images": count}


def main() -> None:
    """Print a line a name, and the last as JSON."""
    found = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as one,
    ):
        for name, without in NAMES.items():
            pool = write_pool(Path(folder) / name, without)
            found[name] = one.apply(read_pool, (pool,))
            print(name, found[name], flush=True)
    print(json.dumps({"what": "image_identity", "rows": ROWS, **found}))


if __name__ == "__main__":
    main()
