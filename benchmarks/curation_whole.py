"""Curation end to end beside the plain pipeline that one writes with the field's libraries: speed and bytes on disk.

    python -m benchmarks.curation_whole [shards a packaged pool] [distinct]

The packaged pools of the first two seeds as one pool, their languages hidden, against the study's lists. The plain
pipeline asks fastText text by text, walks one pyahocorasick automaton per language, keeps Python lists, writes one
JSON file per shard, and reads it again to sample. Ours is `curate_pool` with one worker, and its report. Both have
one core. Neither is charged for what is there before the first pair: automata or index, the library imported and, of
ours, compiled, which a checkout does once. Both must find the same language and entries for every pair, and the same
keep probability for every pair that is kept.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.curation_match import build_automaton, find_plainly
from mc2lib.engine.lock import claim
from mc2lib.io.config import find_root, load_params
from mc2lib.io.curated_pool import PoolFiles, open_curated
from mc2lib.io.lid_models import packaged_model
from mc2lib.io.match_store import write_indices
from mc2lib.io.pools.open_pool import open_pool
from mc2lib.languages import OTHER, metadata_language
from mc2lib.params import CuratePool, Machine
from mc2lib.pipeline.curate.curate_pool import curate_pool
from mc2lib.recipe.curation.balance import tail_share, threshold_for_share
from mc2lib.study.curation_stages import read_pool

DRAWS = 2  # of a million pairs each
SHARDS = 5  # of a draw, 200,000 pairs each
T_EN = 240  # the study's, for a pool twice as large


def write_pool(root: Path, folder: Path, shards: int = SHARDS, distinct: bool = False) -> Path:
    """The packaged pools of DRAWS seeds, each in `shards`, their languages hidden, images and pairs told apart.

    With `distinct`, a text's first pair only.
    """
    folder.mkdir()
    params = load_params(root)
    texts = pa.array([], pa.string())
    for number, seed in enumerate(params.seeds[:DRAWS]):
        pool = read_pool(root, "base", seed)
        pool = pool.set_column(pool.column_names.index("language"), "language", pa.nulls(len(pool), pa.string()))
        for name in ("pair_id", "image_id"):
            ids = pool[name].to_numpy() ^ np.uint64(number << 60)
            pool = pool.set_column(pool.column_names.index(name), name, pa.array(ids))
        if distinct:
            first = np.unique(pool["alt_text"].combine_chunks().dictionary_encode().indices, return_index=True)[1]
            pool = pool.take(pa.array(np.sort(first)))
            pool = pool.filter(pc.invert(pc.is_in(pool["alt_text"], texts)))
            texts = pa.concat_arrays([texts, *pool["alt_text"].chunks])
        rows = -(-len(pool) // shards)
        for part in range(shards):
            pq.write_table(pool.slice(part * rows, rows), folder / f"pairs-{number * shards + part:05}.parquet")
    return folder


def curate_plainly(pool: Path, automata: dict[str, Any], sizes: dict[str, int], folder: Path) -> dict[int, float]:
    """The plain pipeline, with JSON shards in `folder`; the keep probability of each matched pair."""
    model = fasttext.load_model(str(packaged_model()))
    counts: dict[str, Counter[int]] = {language: Counter() for language in automata}
    for shard in sorted(pool.glob("*.parquet")):
        rows = []
        for pair in pq.read_table(shard).to_pylist():
            labels, _ = model.predict(" ".join(pair["alt_text"].split()))
            language = metadata_language(labels[0]) if labels else OTHER
            if language not in automata:
                language = OTHER
            found = find_plainly([pair["alt_text"]], automata[language])[0] if language in automata else []
            if found:
                counts[language].update(found)
                rows.append({**pair, "language": language, "entries": found})
        (folder / f"{shard.stem}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    keep = keep_plainly(counts, sizes)
    probabilities: dict[int, float] = {}
    draw = random.Random(0)
    for path in sorted(folder.glob("*.json")):
        by_image: dict[int, list[dict[str, Any]]] = {}
        for row in json.loads(path.read_text(encoding="utf-8")):
            by_image.setdefault(row["image_id"], []).append(row)
            lost = 1.0
            for entry in row["entries"]:
                lost *= 1.0 - keep[row["language"]].get(entry, 1.0)
            row["keep_probability"] = probabilities[row["pair_id"]] = 1.0 - lost
        kept = [draw.choice(rows) for rows in by_image.values()]
        kept = [row for row in kept if draw.random() < row["keep_probability"]]
        path.with_suffix(".kept").write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
    return probabilities


def keep_plainly(counts: dict[str, Counter[int]], sizes: dict[str, int]) -> dict[str, dict[int, float]]:
    """Each entry's keep probability, from thresholds at English's tail share."""
    dense = {language: np.zeros(size, np.int64) for language, size in sizes.items()}
    for language, counted in counts.items():
        for entry, count in counted.items():
            dense[language][entry] = count
    p = tail_share(dense["en"], T_EN)
    t = {name: T_EN if name == "en" else threshold_for_share(dense[name], p) for name in dense}
    return {name: {e: min(1.0, t[name] / n) for e, n in counted.items()} for name, counted in counts.items()}


def bench_whole(root: Path, shards: int = SHARDS, distinct: bool = False) -> dict[str, Any]:
    """Seconds and bytes of both pipelines on one pool, see `write_pool`.

    `core_hours_of_10b` are of ten billion such pairs; ours leave out `fixed_seconds`, which a pool of 200 pairs takes
    as well.
    """
    lists = {path.stem: path for path in sorted((root / "data" / "metadata").glob("*.parquet"))}
    entries = {language: pq.read_table(path)["entry"].to_pylist() for language, path in lists.items()}
    with _one_core(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pool = write_pool(root, folder / "pool", shards, distinct)
        automata = {language: build_automaton(words) for language, words in entries.items()}
        (folder / "plain").mkdir()
        began = time.perf_counter()
        expected = curate_plainly(pool, automata, {k: len(v) for k, v in entries.items()}, folder / "plain")
        plain = time.perf_counter() - began
        del automata
        machine = Machine(processes=1, checkpoint_seconds=30.0)
        params = CuratePool(language="lid", t_en=T_EN)
        few = folder / "few"
        few.mkdir()
        first = pq.read_table(next(iter(sorted(pool.glob("*.parquet"))))).slice(0, 200)
        pq.write_table(first, few / "pairs-00000.parquet")
        for out in ("warm", "fixed"):  # compiled, once; then what any pool costs, however small
            with claim(folder / out):
                write_indices(PoolFiles(folder / out).index / "own", lists)
            began = time.perf_counter()
            curate_pool(open_pool(few), root / "data" / "metadata", folder / out, params, machine)
            fixed = time.perf_counter() - began
        with claim(folder / "out"):
            write_indices(PoolFiles(folder / "out").index / "own", lists)
        gc.collect()
        gc.freeze()  # ours is not to look through what the plain pipeline left in memory
        began = time.perf_counter()
        curate_pool(open_pool(pool), root / "data" / "metadata", folder / "out", params, machine)
        ours = time.perf_counter() - began
        gc.unfreeze()
        paths = sorted(pool.glob("*.parquet"))
        pairs = sum(pq.read_metadata(path).num_rows for path in paths)
        texts = sum(len(pc.unique(pq.read_table(path)["alt_text"])) for path in paths)
        return {
            "pairs": pairs,
            "shards": len(paths),
            "repeats_another_text_of_its_shard": round(1 - texts / pairs, 2),
            "plain_seconds": round(plain, 1),
            "seconds": round(ours, 2),
            "fixed_seconds": round(fixed, 2),
            "core_hours_of_10b": round(core_hours(ours - fixed, pairs), 1),
            "plain_core_hours_of_10b": round(core_hours(plain, pairs), 1),
            "plain_pairs_per_second": round(pairs / plain),
            "pairs_per_second": round(pairs / ours),
            "end_to_end_speedup": round(plain / ours, 2),
            "disk_ratio": round(_bytes(folder / "out", "matches", "counts") / _bytes(folder, "plain"), 3),
            "equal": _same(folder, expected),
        }


def core_hours(seconds: float, pairs: int, wanted: float = 10e9) -> float:
    """Hours of one core for `wanted` pairs, at the pace of `pairs` in `seconds`."""
    return wanted / pairs * seconds / 3600


@contextmanager
def _one_core() -> Iterator[None]:
    """Hold this process, and those it starts, to one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


def _bytes(folder: Path, *parts: str) -> int:
    """Bytes of what stands between the pool and the curated pool."""
    files = (path for part in parts for path in (folder / part).rglob("*") if path.suffix != ".kept")
    return sum(path.stat().st_size for path in files if path.is_file())


def _same(folder: Path, expected: dict[int, float]) -> bool:
    """Whether both found each pair's language and entries, and give what ours keeps the same probability."""
    plain = {
        row["pair_id"]: (row["language"], row["entries"])
        for path in (folder / "plain").glob("*.json")
        for row in json.loads(path.read_text(encoding="utf-8"))
    }
    ours = {
        row["pair_id"]: (row["language"], row["entries"])
        for path in (folder / "out" / "matches" / "own").glob("*.parquet")
        for row in pq.read_table(path, columns=["pair_id", "language", "entries"]).to_pylist()
    }
    kept = [
        row
        for path in open_curated(folder / "out").draw(0).rglob("*.parquet")
        for row in pq.read_table(path, columns=["pair_id", "keep_probability"]).to_pylist()
    ]
    near = all(abs(row["keep_probability"] - expected[row["pair_id"]]) < 1e-12 for row in kept)
    return plain == ours and bool(kept) and near


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    print(json.dumps(bench_whole(find_root(), *numbers[:1], distinct="distinct" in sys.argv)))
