"""Matching beside pyahocorasick as a researcher would use it: seconds and bytes an entry.

Entries are word lists of `wordfreq`, the study's metadata, and words and word pairs of the Universal
Declaration of Human Rights; texts are runs of its words and draws by frequency, as long as alt-texts are.
"""

from __future__ import annotations

import gc
import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import ahocorasick
import daachorse
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import wordfreq

from mc2lib.io.config import find_root
from mc2lib.io.udhr import read_udhr
from mc2lib.languages import spaced
from mc2lib.params import DEFAULT_RULES
from mc2lib.recipe.curation.borders import make_needles, space_out
from mc2lib.recipe.curation.index import build_index
from mc2lib.recipe.curation.match import match
from mc2lib.recipe.metadata.words import count_words, split_clauses

#: Metadata language -> file names of its UDHR texts, and its size of list here.
LANGUAGES: dict[str, tuple[tuple[str, ...], int]] = {
    "en": (("eng",), 500_000),
    "de": (("deu_1996",), 500_000),
    "ru": (("rus",), 500_000),
    "ar": (("arb",), 300_000),
    "hi": (("hin",), 100_000),
    "zh": (("cmn_hans", "cmn_hant"), 400_000),
    "ja": (("jpn", "jpn_osaka"), 250_000),
    "th": (("tha", "tha2"), 200_000),
}


def make_words(root: Path, language: str) -> tuple[list[str], dict[str, float], list[str]]:
    """A language's running words in order, words by frequency, and entries of the study's metadata if it is built."""
    files = [root / "data" / "sources" / "udhr" / f"{name}.html" for name in LANGUAGES[language][0]]
    clauses = split_clauses([text for file in files for text in read_udhr(file)], language)
    running = [word for clause in clauses for word in clause]
    frequencies: dict[str, float] = dict(count_words(clauses))
    if language in wordfreq.available_languages("best"):
        frequencies = wordfreq.get_frequency_dict(language, "best")
    metadata = root / "data" / "metadata" / f"{language}.parquet"
    known = pq.read_table(metadata)["entry"].to_pylist() if metadata.exists() else []
    return running, frequencies, known


def make_entries(
    words: tuple[list[str], dict[str, float], list[str]], language: str, size: int, seed: int = 1
) -> list[str]:
    """`size` entries: known ones, words of running text with their pairs, words by frequency, then drawn pairs."""
    running, frequencies, known = words
    glue = " " if spaced(language) else ""
    entries = dict.fromkeys(known)
    entries |= dict.fromkeys(running)
    entries |= dict.fromkeys(glue.join(pair) for pair in itertools.pairwise(running))
    entries |= dict.fromkeys(list(frequencies)[: int(0.6 * size)])
    draw = np.random.default_rng(seed)
    names, weights = _weights(frequencies)
    while len(entries) < size:
        rows = draw.choice(len(names), (size // 2, 2), p=weights)
        entries |= dict.fromkeys(glue.join((names[a], names[b])) for a, b in rows)
    return list(entries)[:size]


def make_texts(words: tuple[list[str], dict[str, float], list[str]], language: str, n: int) -> list[str]:
    """`n` alt-texts: half windows of running text, half words by frequency with one entry of the metadata in them.

    Spaced ones have 5 to 30 words, others 10 to 60 characters.
    """
    running, frequencies, known = words
    draw = np.random.default_rng(2)
    names, weights = _weights(frequencies)
    drawn = draw.choice(len(names), 35 * n, p=weights)
    known = known or names
    texts = []
    for number in range(n):
        if number % 2:
            at = int(draw.integers(max(len(running) - 40, 1)))
            row = running[at : at + 40]
        else:
            row = [names[i] for i in drawn[35 * number : 35 * number + 35]]
            row.insert(int(draw.integers(5)), known[int(draw.integers(len(known)))])
        if spaced(language):
            row = row[: int(draw.integers(5, 31))]
            texts.append(" ".join(row) + ("." if number % 3 == 0 else ""))
        else:
            texts.append("".join(row)[: int(draw.integers(10, 61))])
    return texts


def _weights(frequencies: dict[str, float]) -> tuple[list[str], np.ndarray]:
    names = list(frequencies)[:200_000]
    weights = np.array([frequencies[name] for name in names], float)
    return names, weights / weights.sum()


def needles_of(entries: Sequence[str]) -> list[str]:
    """What an automaton looks for to find each entry."""
    return list(make_needles(pa.array(entries, pa.large_string()), DEFAULT_RULES).to_pylist())


def build_automaton(entries: Sequence[str], store: int = ahocorasick.STORE_ANY) -> ahocorasick.Automaton:
    """One language's automaton, as the field builds it: entries' numbers as Python objects, or as STORE_INTS."""
    automaton = ahocorasick.Automaton(store)
    for number, needle in enumerate(needles_of(entries)):
        automaton.add_word(needle, number)
    automaton.make_automaton()
    return automaton


def find_plainly(texts: Sequence[str], automaton: ahocorasick.Automaton) -> list[list[int]]:
    """Distinct entries in each text, one text at a time."""
    return [sorted({number for _, number in automaton.iter(f" {space_out(text)} ")}) for text in texts]


def find_compactly(texts: Sequence[str], automaton: daachorse.CharwiseDoubleArrayAhoCorasick) -> list[list[int]]:
    """The same with daachorse, a double array in Rust."""
    return [sorted({row[-1] for row in automaton.find_overlapping(f" {space_out(text)} ")}) for text in texts]


def time_language(root: Path, language: str, n: int = 60_000, rounds: int = 3) -> dict[str, float]:
    """Time both on one language, best of `rounds`; raises unless their matches are equal."""
    words = make_words(root, language)
    entries = make_entries(words, language, LANGUAGES[language][1])
    # one needle has one number in an automaton
    entries = list(dict(zip(needles_of(entries), entries, strict=True)).values())
    texts = make_texts(words, language, n)
    before = psutil.Process().memory_info().rss
    automaton = build_automaton(entries)
    automaton_bytes = psutil.Process().memory_info().rss - before
    index = build_index(entries)
    column = pa.array(texts)
    match(column.slice(0, 10), index)
    ours, found = _best(lambda: match(column, index), rounds)
    plain, expected = _best(lambda: find_plainly(texts, automaton), min(rounds, 2))
    compact = daachorse.CharwiseDoubleArrayAhoCorasick(needles_of(entries))
    other, also = _best(lambda: find_compactly(texts, compact), min(rounds, 2))
    if not found.to_pylist() == expected == also:
        raise RuntimeError(f"{language}: matches differ")
    return {
        "entries": len(entries),
        "texts": n,
        "matches_a_text": len(found.flatten()) / n,
        "plain_us_a_text": plain / n * 1e6,
        "daachorse_us_a_text": other / n * 1e6,
        "us_a_text": ours / n * 1e6,
        "speedup": plain / ours,
        "bytes_an_entry": index.nbytes / len(entries),
        "automaton_bytes_an_entry": automaton_bytes / len(entries),
    }


def _best(function: Callable[[], object], rounds: int) -> tuple[float, pa.ListArray]:
    best, result = float("inf"), None
    for _ in range(rounds):
        began = time.process_time()
        result = function()
        best = min(best, time.process_time() - began)
    return best, result


def bench_match(root: Path | None = None, languages: Sequence[str] = tuple(LANGUAGES)) -> dict[str, dict[str, float]]:
    """Speed and memory by language."""
    results = {}
    for language in languages:
        results[language] = time_language(root or find_root(), language)
        print(language, {key: round(value, 2) for key, value in results[language].items()}, flush=True)
        gc.collect()
    return results


if __name__ == "__main__":
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else find_root()
    speeds = bench_match(root, sys.argv[2].split(",") if len(sys.argv) > 2 else tuple(LANGUAGES))
    print(json.dumps({"match_speedup": {language: round(row["speedup"], 2) for language, row in speeds.items()}}))
