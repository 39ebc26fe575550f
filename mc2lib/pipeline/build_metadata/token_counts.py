"""Counting text of any length within a budget of memory: full tables are written to disk, and merged, exactly.

Counts are canonical (see `mc2lib.recipe.metadata.counting.counts`), so the files are the same bytes for any budget and
for any division of the text among workers: parts are counted where they are, then merged.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mc2lib.errors import InputError
from mc2lib.io.files import scratch_folder
from mc2lib.pipeline.build_metadata.stored_counts import (
    CountsWriter,
    PairReader,
    StoredCounts,
    WordReader,
    take_name,
    write_counts,
)
from mc2lib.recipe.metadata.counting.count_table import Table
from mc2lib.recipe.metadata.counting.counts import Counts, Integers, merge_pairs, merge_words, relabel
from mc2lib.recipe.metadata.segment import make_segmenter

#: Bytes; with less, tables and blocks are too small to be useful.
LEAST_BUDGET = 16 << 20

#: How many parts are merged at a time; more are merged in rounds, so that each is read in large enough blocks.
FAN_IN = 16

#: The share of the budget that tables take; the rest is for the texts at hand and what sorting needs.
TABLE_SHARE = 0.75


def count_language(
    texts: Iterable[pa.Array], folder: Path, budget: int, language: str, segmenter: str | None = None
) -> StoredCounts:
    """Count the words and pairs of a language's text, whatever its length.

    Args:
        texts: batches of string or binary; a batch should be small compared with the budget.
        folder: where the counts go; counts that are there are replaced.
        budget: bytes that counting may take, in addition to the current batch and the interpreter itself.
        language: metadata language.
        segmenter: see `mc2lib.recipe.metadata.segment.make_segmenter`.

    Returns:
        The counts, complete on disk: the same bytes for any budget.

    Raises:
        InputError: the budget is too small, or the segmenter is not installed.
    """
    segment = make_segmenter(language, segmenter)
    return count_batches((partial(Table.add, texts=batch, segment=segment) for batch in texts), folder, budget)


def count_batches(batches: Iterable[Callable[[Table], Iterator[Counts]]], folder: Path, budget: int) -> StoredCounts:
    """Let each batch count itself into one table; write the table to disk whenever it is full.

    Args:
        batches: each takes the table and yields what did not fit, see `Table.add`.
        folder: where the counts go.
        budget: bytes, see `count_language`.

    Returns:
        The counts, complete on disk.
    """
    check_budget(budget)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder.parent) as scratch:
        runs = _count_runs(batches, scratch, int(TABLE_SHARE * budget))  # its table is freed when it returns
        return take_name(runs[0], folder) if len(runs) == 1 else merge_stored(runs, folder, budget)


def merge_stored(parts: Sequence[StoredCounts], folder: Path, budget: int) -> StoredCounts:
    """Add up counts on disk; the result is the same bytes for any order of `parts` and any budget.

    Args:
        parts: counts of parts of a text; they stay where they are.
        folder: where the sum goes.
        budget: bytes, see `count_language`.

    Raises:
        InputError: there are more distinct words than the key of a pair can distinguish, or the budget is too small.
    """
    check_budget(budget)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder.parent) as scratch:
        parts = list(parts)
        while len(parts) > FAN_IN:
            rounds = [parts[start : start + FAN_IN] for start in range(0, len(parts), FAN_IN)]
            of_round = Path(tempfile.mkdtemp(dir=scratch))
            done, parts = parts, [_merge(some, of_round / str(i), budget) for i, some in enumerate(rounds)]
            for part in done:
                if scratch in part.folder.parents:
                    shutil.rmtree(part.folder)
        return _merge(parts, folder, budget)


def check_budget(budget: int) -> None:
    """Raise InputError unless the budget, in bytes, is enough to work with."""
    if budget < LEAST_BUDGET:
        raise InputError("budget", f"{budget} bytes", f"Give counting at least {LEAST_BUDGET >> 20} MiB.")


def _count_runs(
    batches: Iterable[Callable[[Table], Iterator[Counts]]], scratch: Path, limit: int
) -> list[StoredCounts]:
    """Count batches in one table; each time it is full, and at the end, write it to a folder of its own."""
    runs: list[StoredCounts] = []
    table = Table(limit)
    for batch in batches:
        for counts in batch(table):
            runs.append(write_counts(counts, scratch / str(len(runs))))
            del counts  # a view of the table
    if not runs or not table.empty:
        runs.append(write_counts(table.drain(), scratch / str(len(runs))))
    return runs


def _merge(parts: Sequence[StoredCounts], folder: Path, budget: int) -> StoredCounts:
    with scratch_folder(folder.parent) as scratch, CountsWriter(folder) as writer:
        rows = [scratch / f"rows{i}" for i in range(len(parts))]
        keys = [scratch / f"keys{i}" for i in range(len(parts))]
        _merge_words(parts, rows, writer, budget)
        pa.default_memory_pool().release_unused()
        for part, row, key in zip(parts, rows, keys, strict=True):
            _relabel(part, row, key)
        _merge_pairs(parts, keys, writer, budget)
        return writer.finish()


def _merge_words(parts: Sequence[StoredCounts], rows: Sequence[Path], writer: CountsWriter, budget: int) -> None:
    """Merge the words; for each part, write the row of each of its words in the merged list, uint32."""
    with ExitStack() as stack:
        # a word of a block exists four times: in a head, in the joined parts, in their dictionary, in the merged list
        readers = [stack.enter_context(WordReader(part, _rows_of(part, budget // (24 * len(parts))))) for part in parts]
        files = [stack.enter_context(path.open("wb")) for path in rows]
        for heads in _advance(readers):
            words, counts, found = merge_words(heads)
            for file, row in zip(files, found, strict=True):
                file.write((row + writer.n_words).astype(np.uint32).data)
            writer.add_words(words, counts)


def _merge_pairs(parts: Sequence[StoredCounts], keys: Sequence[Path], writer: CountsWriter, budget: int) -> None:
    with ExitStack() as stack:
        # a row takes 16 bytes, and exists in several places while it is merged
        block = max(1, budget // (12 * 16 * max(1, len(parts))))
        readers: list[WordReader | PairReader] = [
            stack.enter_context(PairReader(key, part.folder / "pair_counts", block))
            for part, key in zip(parts, keys, strict=True)
        ]
        for heads in _advance(readers):
            writer.add_pairs(*merge_pairs(heads))


def _relabel(part: StoredCounts, rows: Path, keys: Path) -> None:
    """Write the pairs of a part with the rows of the merged words; these ascend with its own, so order is kept."""
    of = np.fromfile(rows, np.uint32)
    with keys.open("wb") as file:
        for pairs, _ in part.pair_blocks():
            file.write(relabel(pairs, of).data)


def _rows_of(part: StoredCounts, share: int) -> int:
    """How many words of a part, with offsets and counts, take `share` bytes."""
    return max(1, int(share / (16 + part.word_bytes / max(1, part.words))))


def _advance(readers: Sequence[WordReader | PairReader]) -> Iterator[list[tuple[Any, Integers]]]:
    """Step through sorted columns in parallel.

    Each step takes from the block of every reader what is not beyond the least of the last items of the blocks: nothing
    that is still on disk can be equal to it.
    """
    heads: list[tuple[Any, Integers]] = [reader.read() for reader in readers]
    while any(len(column) for column, _ in heads):
        ends: list[Any] = [
            reader.end(column) for reader, (column, _) in zip(readers, heads, strict=True) if reader.more
        ]
        bound = min(ends) if ends else None
        cuts = [
            len(column) if bound is None else reader.upto(column, bound)
            for reader, (column, _) in zip(readers, heads, strict=True)
        ]
        yield [(column[:cut], counts[:cut]) for (column, counts), cut in zip(heads, cuts, strict=True)]
        for i, ((column, counts), cut) in enumerate(zip(heads, cuts, strict=True)):
            heads[i] = (column[cut:], counts[cut:]) if cut < len(column) else readers[i].read()
