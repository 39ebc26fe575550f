"""Seconds and recall of `mc2lib search` over many vectors, beside one product with all of them and a full sort.

python -m benchmarks.image_search [VECTORS]
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from mc2lib.pipeline.search import nearest

VECTORS, WIDTH, QUERIES, K = 1_000_000, 128, 8, 24


def main(count: int = VECTORS) -> None:
    """Print how long both take per query, and how many of the nearest the search finds."""
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((count, WIDTH), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = vectors[generator.integers(0, count, QUERIES)] + generator.normal(0, 0.05, (QUERIES, WIDTH))
    queries = queries.astype(np.float32)
    nearest(queries[:1], vectors[:1000], K)
    begin = time.perf_counter(), time.process_time()
    found = [nearest(query[None], vectors, K)[1][0] for query in queries]
    ours = time.perf_counter() - begin[0], time.process_time() - begin[1]
    begin = time.perf_counter(), time.process_time()
    exact = [np.argsort(-(vectors @ query), kind="stable")[:K] for query in queries]
    brute = time.perf_counter() - begin[0], time.process_time() - begin[1]
    hits = [len(set(a.tolist()) & set(b.tolist())) / K for a, b in zip(found, exact, strict=True)]
    row = {
        "what": "image search",
        "vectors": count,
        "width": WIDTH,
        "recall": float(np.mean(hits)),
        "milliseconds": round(1000 * ours[0] / QUERIES, 1),
        "cpu_milliseconds": round(1000 * ours[1] / QUERIES, 1),
        "brute_force_milliseconds": round(1000 * brute[0] / QUERIES, 1),
        "brute_force_cpu_milliseconds": round(1000 * brute[1] / QUERIES, 1),
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
