"""Counting words and pairs: plain Python beside this package, on the same text and one core; and a budget of memory.

    make bench WHAT=metadata

The text is the English Wikipedia's: the excerpt of a dump that gensim carries as test data, read and stripped
of its markup once, and repeated. The plain way is what one would write without thinking of speed: a loop over
characters that asks `unicodedata` for each one's category, and two dictionaries. `split_clauses` with
`collections.Counter` is measured beside it. All three must give equal counts.

Memory: a text of Zipf's law is made, whose exact counts need more than the budget. A process of its own counts
it; `peak_mb` is the most it held (Linux: VmHWM) less what it held, libraries loaded and code compiled, before
it began; `process_mb` is all it held. What it wrote must equal what a table without a limit gives.

One core: nothing here has threads, and seconds are the processor's, so that other work on the machine counts
little. The last line is one JSON object. `mb_per_s` and `speedup` are of counting, in 10^6 bytes of plain text;
`dump_mb_per_s` and `dump_speedup` of going from the compressed dump to counts, in compressed bytes, beside
wikiextractor and the plain counter; `core_hours` is what that comes to for all 329 dumps, estimated at
`metadata_text.ALL_DUMPS_BYTES`. `dump_to_text` is `benchmarks.metadata_text`'s.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.hashing import key, uniform
from mc2lib.pipeline.build_metadata.dumps import read_articles, read_pages
from mc2lib.pipeline.build_metadata.stored_counts import StoredCounts, open_counts
from mc2lib.pipeline.build_metadata.token_counts import count_language
from mc2lib.recipe.metadata.counting.count_table import Table, count_texts
from mc2lib.recipe.metadata.counting.counts import Counts
from mc2lib.recipe.metadata.words import WORD_SPACE, split_clauses

#: Text of Zipf's law: words, vocabulary, words a text and texts a batch (about a megabyte).
ZIPF_WORDS, ZIPF_VOCABULARY, ZIPF_LENGTH, ZIPF_BATCH = 12_000_000, 1_000_000, 500, 250

Plain = tuple[dict[str, int], dict[tuple[str, str], int]]


def plain_counts(texts: list[str]) -> Plain:
    """Words and pairs counted character by character, by the rules of `split_clauses`."""
    words: dict[str, int] = {}
    pairs: dict[tuple[str, str], int] = {}
    for text in texts:
        word, before = "", ""
        for character in text + "\n":
            space = character.isspace() or character == WORD_SPACE
            if not space and unicodedata.category(character)[0] not in "PS":
                word += character
                continue
            if word:
                words[word] = words.get(word, 0) + 1
                if before:
                    pairs[before, word] = pairs.get((before, word), 0) + 1
            before = (word or before) if space else ""
            word = ""
    return words, pairs


def clause_counts(texts: list[str]) -> Plain:
    """Words and pairs counted by the standard library, clause by clause."""
    clauses = split_clauses(texts, "en")
    words = Counter(word for clause in clauses for word in clause)
    return words, Counter(pair for clause in clauses for pair in pairwise(clause))


def as_plain(counts: Counts) -> Plain:
    """Counts as dictionaries, to compare."""
    words = [word.decode() for word in counts.words.to_pylist()]
    pairs = zip(counts.pairs.tolist(), counts.pair_counts.tolist(), strict=True)
    return (
        dict(zip(words, counts.word_counts.tolist(), strict=True)),
        {(words[pair >> 32], words[pair & 0xFFFF_FFFF]): count for pair, count in pairs},
    )


def timed(call: Callable[[], Any], times: int = 1) -> tuple[Any, float]:
    """What `call` gives, and the least processor seconds of some runs."""
    seconds = []
    for _ in range(times):
        began = time.process_time()
        result = call()
        seconds.append(time.process_time() - began)
    return result, min(seconds)


def zipf_batches() -> Iterator[pa.Array]:
    """Texts of words whose frequency falls as 1 / rank: the same on every machine."""
    names = pa.array([np.base_repr(rank, 36).lower() for rank in range(ZIPF_VOCABULARY)])
    size = ZIPF_LENGTH * ZIPF_BATCH
    for start in range(0, ZIPF_WORDS, size):
        draws = uniform(np.arange(start, start + size), key("benchmark", "zipf"))
        ranks = (ZIPF_VOCABULARY**draws).astype(np.int64)
        lists = pa.ListArray.from_arrays(
            np.arange(0, size + 1, ZIPF_LENGTH, dtype=np.int32), names.take(pa.array(ranks))
        )
        yield pc.binary_join(lists, " ")


def count_zipf(folder: Path, budget: int) -> dict[str, float]:
    """Count Zipf's text within a budget, in this process; megabytes held before, and at most."""
    count_language([pa.array(["warm, up"])], folder / "warm", budget, "en")  # compiles what is not yet compiled
    batches = zipf_batches()
    first = next(batches)
    before = psutil.Process().memory_info().rss / 1e6
    began = time.process_time()
    count_language(_then(first, batches), folder / "counts", budget, "en")
    return {"before": before, "most": most_megabytes(), "seconds": time.process_time() - began}


def _then(first: pa.Array, rest: Iterator[pa.Array]) -> Iterator[pa.Array]:
    yield first
    yield from rest


def most_megabytes() -> float:
    """The most memory this process has held."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure_memory(budget: int) -> dict[str, Any]:
    """Let another process count Zipf's text within `budget` bytes, and compare with a table without a limit."""
    with tempfile.TemporaryDirectory(prefix="mc2lib-bench-") as name:
        command = [sys.executable, "-m", "benchmarks.metadata", "--count", name, "--budget", str(budget)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        held = json.loads(done.stdout.splitlines()[-1])
        table = Table()
        size = 0
        for batch in zipf_batches():
            size += pc.sum(pc.binary_length(batch)).as_py()
            for _ in table.add(batch):
                raise AssertionError("no limit")
        needed = table.held
        equal = same(open_counts(Path(name) / "counts"), table.drain())
    return {
        "budget_mb": round(budget / 1e6, 1),
        "peak_mb": round(held["most"] - held["before"], 1),
        "process_mb": round(held["most"], 1),
        "unlimited_mb": round(needed / 1e6, 1),
        "budget_mb_per_s": round(size / 1e6 / held["seconds"], 1),
        "budget_equal": equal,
    }


def same(stored: StoredCounts, counts: Counts) -> bool:
    """Whether counts on disk are those in memory."""
    loaded = stored.load()
    columns = ((getattr(loaded, name), getattr(counts, name)) for name in ("word_counts", "pairs", "pair_counts"))
    return bool(loaded.words.equals(counts.words) and all(np.array_equal(*column) for column in columns))


def measure_speed(repeats: int) -> dict[str, Any]:
    """Count the excerpt's text in three ways, and go from its dump to counts in two."""
    from benchmarks import metadata_text  # here, so that the process whose memory is measured does without

    dump = metadata_text.excerpt()
    count_texts(pa.array(["warm, up"]))
    next(read_articles(dump))
    articles, reading = timed(lambda: [article.text for article in read_articles(dump)], 3)
    texts = articles * repeats
    size = sum(len(text.encode()) for text in texts) / 1e6
    array = pa.array(texts, pa.large_string())
    plain, plain_seconds = timed(lambda: plain_counts(texts))
    clauses, clause_seconds = timed(lambda: clause_counts(texts))
    ours, our_seconds = timed(lambda: count_texts(array), 5)
    for name, seconds in {"plain": plain_seconds, "clauses": clause_seconds, "ours": our_seconds}.items():
        print(f"{name:<10}{size / seconds:>10.1f} MB/s")
    _, once = timed(lambda: count_texts(pa.array(articles, pa.large_string())), 3)
    _, plainly = timed(lambda: plain_counts([metadata_text.wikiextractor_text(page) for page in read_pages(dump)]))
    compressed = dump.stat().st_size / 1e6
    return {
        "speedup": round(plain_seconds / our_seconds, 1),
        "speedup_over_counter": round(clause_seconds / our_seconds, 1),
        "equal": as_plain(ours) == plain == clauses,
        "mb_per_s": round(size / our_seconds, 1),
        "plain_mb_per_s": round(size / plain_seconds, 1),
        "text_mb": round(size, 1),
        "words": len(ours.words),
        "pairs": len(ours.pairs),
        "dump_speedup": round(plainly / (reading + once), 1),
        "dump_mb_per_s": round(compressed / (reading + once), 2),
        "core_hours": round(metadata_text.core_hours(compressed / (reading + once))),
        "core_hours_plain": round(metadata_text.core_hours(compressed / plainly)),
        "dump_to_text": {key: round(number, 3) for key, number in metadata_text.bench_text().items()},
    }


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(prog="make bench WHAT=metadata", description=__doc__)
    parser.add_argument("--scale", help="not used: the text is always the same")
    parser.add_argument("--budget", type=int, default=64_000_000, help="bytes")
    parser.add_argument("--repeats", type=int, default=4, help="of the excerpt")
    parser.add_argument("--count", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    pa.set_cpu_count(1)
    if options.count is not None:
        print(json.dumps(count_zipf(options.count, options.budget)))
        return
    result = {"what": "metadata"} | measure_speed(options.repeats) | measure_memory(options.budget)
    result["equal"] = result["equal"] and result.pop("budget_equal")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
