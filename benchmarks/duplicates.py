"""Near-duplicate images: what goes at which distance, how much of it is truly alike, and what finding it costs.

    make bench WHAT=duplicates

The packaged drawings say which concept each image shows: two near images of one concept are true duplicates
(the same drawing in two versions of a font), two of different concepts are a false alarm. Then the search over
shards alone, on random hashes of which a tenth lie near another, with memory for a quarter of them at a time.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.engine.machine import count_workers
from mc2lib.errors import InputError
from mc2lib.hashing import mix
from mc2lib.io.config import find_root
from mc2lib.io.curated_pool import CuratedPool
from mc2lib.io.provenance import write_made
from mc2lib.params import Machine
from mc2lib.pipeline.curate import duplicate_search
from mc2lib.pipeline.curate.decontamination import hash_images
from mc2lib.pipeline.curate.image_hashing import HASHED
from mc2lib.recipe.curation.perceptual_hash import near_duplicates
from mc2lib.recipe.curation.strategies import STRATEGIES

DISTANCES = (0, 1, 2, 3, 4, 6, 8, 10, 12, 16)
RANDOM, SHARDS, WITHIN, PARTS = 4_000_000, 16, 4, 4


def count_near(hashes: np.ndarray, concepts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs at each distance in bits, and those of one concept among them: int64 [65] each."""
    pairs, true = np.zeros(65, np.int64), np.zeros(65, np.int64)
    for row in range(len(hashes) - 1):
        bits = np.bitwise_count(hashes[row] ^ hashes[row + 1 :])
        pairs += np.bincount(bits, minlength=65)
        true += np.bincount(bits[concepts[row + 1 :] == concepts[row]], minlength=65)
    return pairs.cumsum(), true.cumsum()


def measure_drawings(path: Path) -> list[dict[str, float]]:
    """A row a distance: pairs within it, those of one concept, and the images that go."""
    if not path.exists():
        raise InputError(str(path), "no such file", "Run `make repro` first.")
    drawings = pq.read_table(path)
    names, content = drawings["image"].to_pylist(), drawings["png"].to_pylist()
    hashes = hash_images(zip(names, content, strict=True))["hash"].to_numpy()
    concepts = drawings["concept"].combine_chunks().dictionary_encode().indices.to_numpy()
    pairs, true = count_near(hashes, concepts)
    print(f"{len(names):,} drawings, {len(set(names))} names, {len(set(content)):,} of different bytes", flush=True)
    print(f"{'bits':>4}{'pairs':>10}{'of one concept':>16}{'share':>8}{'images that go':>16}{'share':>8}")
    rows = []
    for within in DISTANCES:
        goes = int(near_duplicates(hashes, mix(np.arange(len(hashes)), 0), within).sum())
        row = {"bits": within, "pairs": int(pairs[within]), "true": int(true[within]), "go": goes}
        share = row["true"] / max(row["pairs"], 1)
        print(f"{within:>4}{row['pairs']:>10,}{row['true']:>16,}{share:>8.1%}{goes:>16,}{goes / len(names):>8.1%}")
        rows.append(row)
    return rows


def measure_search(folder: Path) -> dict[str, Any]:
    """Seconds, by workers, and peak memory of finding duplicates among random hashes."""
    hashes, ids = mix(np.arange(RANDOM), 1), mix(np.arange(RANDOM), 2)
    hashes[: RANDOM // 10] = hashes[-(RANDOM // 10) :] ^ np.uint64(0b111)
    pool = CuratedPool(folder, STRATEGIES["isolated"])
    for number in range(SHARDS):
        columns = [column[number::SHARDS] for column in (ids, hashes, np.zeros_like(hashes))]
        with write_made(pool.hashes(str(number)), HASHED, {"from": number}) as writer:
            writer.write_table(pa.table(columns, schema=HASHED))
    expected = int(RANDOM // 10)
    del hashes, ids
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    names = [str(number) for number in range(SHARDS)]
    seconds: dict[int, float] = {}
    for workers, few in ((1, RANDOM), (count_workers(Machine("auto", 30.0)), 0)):  # here, then by workers
        duplicate_search.FEW = few
        shutil.rmtree(pool.duplicates.parent, ignore_errors=True)
        start = time.perf_counter()
        found = duplicate_search.find_duplicates(
            pool, names, "near", WITHIN, Machine(workers, 30.0), -(-RANDOM // PARTS)
        )
        seconds[workers] = round(time.perf_counter() - start, 1)
        assert found["images_removed"] == expected, found
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{RANDOM:,} random hashes within {WITHIN} bits, in {PARTS} parts: {seconds} s, {peak:,.0f} MB at most")
    return {"hashes": RANDOM, "seconds": seconds, "peak_mb": round(peak), "before_mb": round(before)}


def main() -> int:
    """Both measurements; the last line is one JSON object."""
    try:
        drawings = measure_drawings(find_root() / "data" / "drawings.parquet")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        search = measure_search(Path(folder))
    print(json.dumps({"what": "duplicates", "drawings": drawings, "search": search}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
