"""Memory of many workers' metadata: the mapped index, an automaton in each worker, and automata that a fork shares.

    python -m benchmarks.curation_memory [lists] [workers]

Lists of 500,000 English entries each; as many as asked for are built and held by as many workers, every page touched.
54 lists and 16 workers are the 27 million entries and the node of the paper's size: minutes, and a few gigabytes. Each
worker's automata would not fit any machine: those of one list are measured, and grow with the entries and workers. A
plain pipeline may instead build them once and fork: its workers then share what none of them writes to. Each walks
texts before it is measured, which writes reference counts of entries' numbers, unless these are no Python objects.
Only proportional memory (PSS) counts a shared page once. The last line is one JSON object.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import ahocorasick
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.curation_match import LANGUAGES, build_automaton, find_plainly, make_entries, make_words
from mc2lib.io.config import find_root
from mc2lib.io.files import write_table
from mc2lib.io.match_store import open_indices, write_indices
from mc2lib.schemas import METADATA

#: What the lists of all 329 languages hold, and the processes of a node.
PAPER_ENTRIES, NODE_WORKERS = 27_000_000, 16


def bench_memory(root: Path | None = None, lists: int = 1, workers: int = 3) -> dict[str, float]:
    """Memory of the workers' entries: ours mapped by all, pyahocorasick's built by each, and built once before a fork.

    Args:
        root: of a study, whose sources the words are from.
        lists: of 500,000 entries, built for ours.
        workers: processes that hold them.

    Returns:
        bytes an entry of each way and, scaled from them, gigabytes of a node of the paper's size. `memory_ratio` is of
        automata in each worker, `forked_memory_ratio` of those that forks share and that hold plain numbers, to ours.
    """
    language = "en"
    words = make_words(root or find_root(), language)
    size = LANGUAGES[language][1]
    sizes: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for number in range(lists):
            entries = make_entries(words, language, size, seed=number + 1)
            path = paths[f"list{number}"] = Path(folder) / f"list{number}.parquet"
            rows = {"entry": entries, "source": ["title"] * size, "rank": list(range(size))}
            write_table(pa.table(rows, schema=METADATA), path)
        sizes["index"] = write_indices(Path(folder) / "index", paths)
        sizes["nothing"] = _worker_memory("nothing", Path(folder), workers)
        sizes["ours"] = _worker_memory("ours", Path(folder), workers)
        few = min(workers, 3)
        sizes["plain"] = _worker_memory("plain", Path(folder), few) - sizes["nothing"] * few / workers
        sizes["forked"] = _forked_memory(Path(folder), workers, ahocorasick.STORE_ANY)
        sizes["forked_numbers"] = _forked_memory(Path(folder), workers, ahocorasick.STORE_INTS)
    mapped = (sizes["ours"] - sizes["nothing"]) / (lists * size)
    plain = sizes["plain"] / few / size
    forked, numbers = sizes["forked"] / size, sizes["forked_numbers"] / size
    return {
        "entries": lists * size,
        "workers": workers,
        "index_bytes_an_entry": sizes["index"] / (lists * size),
        "bytes_an_entry_all_workers": mapped,
        "automaton_bytes_an_entry_a_worker": plain,
        "gigabytes_16_workers_27m": PAPER_ENTRIES * mapped / 1e9,
        "automata_gigabytes_16_workers_27m": NODE_WORKERS * PAPER_ENTRIES * plain / 1e9,
        "forked_automata_gigabytes_16_workers_27m": PAPER_ENTRIES * forked / 1e9,
        "forked_numbers_gigabytes_16_workers_27m": PAPER_ENTRIES * numbers / 1e9,
        "forked_memory_ratio": numbers / mapped,
        "memory_ratio": NODE_WORKERS * plain / mapped,
    }


def _worker_memory(kind: str, folder: Path, workers: int) -> float:
    """PSS of `workers` processes in bytes, once all of them hold their entries."""
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(workers)]
    processes = [context.Process(target=_hold, args=(kind, folder, pipe[1])) for pipe in pipes]
    for process in processes:
        process.start()
    for pipe in pipes:
        pipe[0].recv()
    held = float(sum(psutil.Process(process.pid).memory_full_info().pss for process in processes))
    for pipe in pipes:
        pipe[0].send("end")
    for process in processes:
        process.join()
    return held


def _forked_memory(folder: Path, workers: int, store: int) -> float:
    """PSS in bytes that one automaton takes in the process that built it and `workers` forks that walked it."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_fork_holders, args=(folder, workers, store, there))
    process.start()
    held = float(here.recv())
    process.join()
    return held


def _fork_holders(folder: Path, workers: int, store: int, pipe: Connection) -> None:
    """Measure a family of forks with the automaton and, before it is built, without."""
    context = multiprocessing.get_context("fork")
    entries = pq.read_table(folder / "list0.parquet")["entry"].to_pylist()
    texts = [" ".join(entries[start : start + 8]) for start in range(0, len(entries), 8)]
    automaton = None
    sizes = []
    for _ in ("without", "with"):
        gc.collect()
        gc.freeze()  # the usual care before a fork: the collector writes into what it looks through
        pipes = [context.Pipe() for _ in range(workers)]
        forks = [context.Process(target=_walk, args=(automaton, texts, each[1])) for each in pipes]
        for fork in forks:
            fork.start()
        for each in pipes:
            each[0].recv()
        family = [psutil.Process(), *(psutil.Process(fork.pid) for fork in forks)]
        sizes.append(sum(process.memory_full_info().pss for process in family))
        for each, fork in zip(pipes, forks, strict=True):
            each[0].send("end")
            fork.join()
        automaton = build_automaton(entries, store)
    pipe.send(sizes[1] - sizes[0])


def _walk(automaton: Any, texts: list[str], pipe: Connection) -> None:
    """A forked worker: find every text's entries, then hold what it inherited until told to end."""
    if automaton is not None:
        for text in texts:  # one by one: what is found is no part of the automaton's memory
            find_plainly([text], automaton)
    pipe.send("ready")
    pipe.recv()


def _hold(kind: str, folder: Path, pipe: Connection) -> None:
    """A worker: hold one kind of index until told to end, every page of it touched."""
    held: object = None
    if kind == "ours":
        indices = open_indices(folder / "index")
        held = indices, [[int(array.sum()) for array in index.arrays.values()] for index in indices.values()]
    elif kind == "plain":
        held = build_automaton(pq.read_table(folder / "list0.parquet")["entry"].to_pylist())
        gc.collect()
    pipe.send("ready")
    pipe.recv()
    del held


def main(arguments: Sequence[str]) -> None:
    """Measure as many lists and workers as asked for."""
    lists, workers = (int(arguments[i]) if len(arguments) > i else default for i, default in ((0, 1), (1, 3)))
    print(json.dumps(bench_memory(lists=lists, workers=workers)))


if __name__ == "__main__":
    main(sys.argv[1:])
