"""Counting text of any length within a budget of memory: full tables are written to disk, and merged, exactly.

Counts on disk are a folder of five columns and `counts.json`. They are canonical (see
`mc2lib.recipe.metadata.count`), so the files are the same bytes for any budget and for any division of the text
among workers: parts are counted where they lie, then merged.
"""

from __future__ import annotations

import bisect
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mc2lib.errors import InputError
from mc2lib.io.files import TEMPORARY, read_json, remove_written, scratch_folder, write_json
from mc2lib.recipe.metadata.count import Counts, Integers, Keys, Table, merge_pairs, merge_words, relabel
from mc2lib.recipe.metadata.segment import make_segmenter

#: Below this, tables and blocks are too small to be of use.
LEAST_BUDGET = 16 << 20

#: Parts merged at a time; more are merged in rounds, so that each can be read in blocks worth reading.
FAN_IN = 16

#: The share of the budget that tables take; the rest is for the texts at hand and what sorting needs.
TABLE_SHARE = 0.75

#: Rows read at a time where nothing depends on it.
BLOCK = 1 << 17

#: A pair's key has 32 bits for each of its words.
MOST_WORDS = 1 << 32

COLUMNS: dict[str, type[Any]] = {
    "word_ends": np.int64,
    "word_counts": np.int64,
    "pairs": np.uint64,
    "pair_counts": np.int64,
}


@dataclass(frozen=True)
class StoredCounts:
    """Counts in a folder: columns `words` (bytes, end to end), `word_ends`, `word_counts`, `pairs`, `pair_counts`.

    Args:
        folder: where they lie.
        words: distinct words.
        word_bytes: bytes of all distinct words.
        pairs: distinct pairs.
        total: words of the text.
    """

    folder: Path
    words: int
    word_bytes: int
    pairs: int
    total: int

    @property
    def word_counts(self) -> Integers:
        """The count of each word, int64 [words], mapped from disk."""
        return self._mapped("word_counts")

    def word_blocks(self) -> Iterator[Integers]:
        """The counts of the words, in order, block by block."""
        yield from self._blocks("word_counts")

    def pair_blocks(self) -> Iterator[tuple[Keys, Integers]]:
        """The pairs and their counts, in order, block by block."""
        yield from zip(self._blocks("pairs"), self._blocks("pair_counts"), strict=True)

    def take_words(self, rows: Integers) -> pa.LargeBinaryArray:
        """The words of some rows, in the order of `rows`; all words are read through, block by block."""
        distinct, places = np.unique(rows, return_inverse=True)
        found = [pa.array([], pa.large_binary())]
        with WordReader(self, BLOCK) as reader:
            first = 0
            while len(words := reader.read()[0]):
                low, high = np.searchsorted(distinct, [first, first + len(words)])
                found.append(words.take(pa.array(distinct[low:high] - first)))
                first += len(words)
        return pa.concat_arrays(found).take(pa.array(places))

    def load(self) -> Counts:
        """All of it, in memory."""
        ends = self._mapped("word_ends")
        offsets = np.concatenate([np.zeros(1, np.int64), ends])
        data = np.fromfile(self.folder / "words", np.uint8)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
        words = pa.LargeBinaryArray.from_buffers(pa.large_binary(), self.words, buffers)
        counts, pairs, pair_counts = (
            np.fromfile(self.folder / name, COLUMNS[name]) for name in ("word_counts", "pairs", "pair_counts")
        )
        return Counts(words, counts, pairs, pair_counts)

    def _mapped(self, name: str) -> npt.NDArray[Any]:
        path = self.folder / name
        return np.memmap(path, COLUMNS[name], "r") if path.stat().st_size else np.zeros(0, COLUMNS[name])

    def _blocks(self, name: str) -> Iterator[npt.NDArray[Any]]:
        with (self.folder / name).open("rb") as column:
            while len(block := np.fromfile(column, COLUMNS[name], BLOCK)):
                yield block


def count_language(
    texts: Iterable[pa.Array], folder: Path, budget: int, language: str, segmenter: str | None = None
) -> StoredCounts:
    """Count the words and pairs of a language's text, whatever its length.

    Args:
        texts: batches of string or binary; one batch should be small beside the budget.
        folder: where the counts go; counts that are there are replaced.
        budget: bytes that counting may take beside the batch at hand and the interpreter itself.
        language: metadata language.
        segmenter: see `mc2lib.recipe.metadata.segment.make_segmenter`.

    Returns:
        the counts, complete on disk: the same bytes for any budget.

    Raises:
        InputError: the budget is too small, or the segmenter cannot be had.
    """
    segment = make_segmenter(language, segmenter)
    return count_batches((partial(Table.add, texts=batch, segment=segment) for batch in texts), folder, budget)


def count_batches(batches: Iterable[Callable[[Table], Iterator[Counts]]], folder: Path, budget: int) -> StoredCounts:
    """Let each batch count itself into one table; write the table away whenever it is full.

    Args:
        batches: each takes the table and yields what did not fit, see `Table.add`.
        folder: where the counts go.
        budget: bytes, see `count_language`.
    """
    check_budget(budget)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder.parent) as scratch:
        runs = _count_runs(batches, scratch, int(TABLE_SHARE * budget))  # whose table is gone when it returns
        return _rename(runs[0], folder) if len(runs) == 1 else merge_stored(runs, folder, budget)


def merge_stored(parts: Sequence[StoredCounts], folder: Path, budget: int) -> StoredCounts:
    """Add up counts on disk; the same bytes for any order of `parts` and any budget.

    Args:
        parts: counts of parts of a text; they stay where they are.
        folder: where the sum goes.
        budget: bytes, see `count_language`.

    Raises:
        InputError: more distinct words than a pair's key can tell apart, or the budget is too small.
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


def write_counts(counts: Counts, folder: Path) -> StoredCounts:
    """Write counts to a folder, which appears whole or not at all."""
    with CountsWriter(folder) as writer:
        writer.add_words(counts.words, counts.word_counts)
        writer.add_pairs(counts.pairs, counts.pair_counts)
        return writer.finish()


def open_counts(folder: Path) -> StoredCounts:
    """Counts that were written before.

    Raises:
        InputError: they are missing, or a column is not as long as it was written.
    """
    numbers = read_json(folder / "counts.json")
    try:
        stored = StoredCounts(
            folder, **{name: int(numbers[name]) for name in ("words", "word_bytes", "pairs", "total")}
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            str(folder / "counts.json"), f"not counts ({error!r})", "Delete the folder; count again."
        ) from error
    sizes = {"words": stored.word_bytes, "word_ends": 8 * stored.words, "word_counts": 8 * stored.words}
    sizes |= {"pairs": 8 * stored.pairs, "pair_counts": 8 * stored.pairs}
    for name, size in sizes.items():
        path = folder / name
        found = path.stat().st_size if path.exists() else 0
        if found != size:
            raise InputError(str(path), f"{found} bytes, not {size}", "Delete the folder; count again.")
    return stored


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
            del counts  # it looks into the table
    if not runs or not table.empty:
        runs.append(write_counts(table.drain(), scratch / str(len(runs))))
    return runs


def remove_counts(folder: Path) -> None:
    """Remove counts that were written before; any other file stays."""
    remove_written(folder, "|".join((*map(re.escape, ("words", *COLUMNS)), r"counts\.json")))


def _rename(stored: StoredCounts, folder: Path) -> StoredCounts:
    remove_counts(folder)
    try:
        stored.folder.rename(folder)
    except OSError as error:
        if not folder.is_dir():
            raise
        fault = "holds files beside the counts that were written there before"
        raise InputError(str(folder), fault, "Move them to another folder and run again.") from error
    return replace(stored, folder=folder)


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
    """Merge the words; of each part, write the row in the merged list of each of its words, uint32."""
    with ExitStack() as stack:
        # a block's word stands in a head, in the parts joined, in their dictionary and in the merged list
        readers = [stack.enter_context(WordReader(part, _rows_of(part, budget // (24 * len(parts))))) for part in parts]
        files = [stack.enter_context(path.open("wb")) for path in rows]
        for heads in _advance(readers):
            words, counts, found = merge_words(heads)
            for file, row in zip(files, found, strict=True):
                file.write((row + writer.n_words).astype(np.uint32).data)
            writer.add_words(words, counts)


def _merge_pairs(parts: Sequence[StoredCounts], keys: Sequence[Path], writer: CountsWriter, budget: int) -> None:
    with ExitStack() as stack:
        # a row is 16 bytes, and stands in several places while it is merged
        block = max(1, budget // (12 * 16 * max(1, len(parts))))
        readers: list[WordReader | PairReader] = [
            stack.enter_context(PairReader(key, part.folder / "pair_counts", block))
            for part, key in zip(parts, keys, strict=True)
        ]
        for heads in _advance(readers):
            writer.add_pairs(*merge_pairs(heads))


def _relabel(part: StoredCounts, rows: Path, keys: Path) -> None:
    """Write a part's pairs in the merged words' rows; these ascend with the part's own, so order is kept."""
    of = np.fromfile(rows, np.uint32)
    with keys.open("wb") as file:
        for pairs, _ in part.pair_blocks():
            file.write(relabel(pairs, of).data)


def _rows_of(part: StoredCounts, share: int) -> int:
    """How many of a part's words, with offset and count, come to `share` bytes."""
    return max(1, int(share / (16 + part.word_bytes / max(1, part.words))))


def _advance(readers: Sequence[WordReader | PairReader]) -> Iterator[list[tuple[Any, Integers]]]:
    """Step through sorted columns side by side.

    Each step takes of every reader's block what is not beyond the least of the blocks' ends: nothing that
    is still on disk can be equal to it.
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


class WordReader:
    """Reads a part's words and their counts, some rows at a time."""

    def __init__(self, part: StoredCounts, rows: int) -> None:
        self.part, self.rows, self.at, self.byte = part, rows, 0, 0
        self.files: list[BinaryIO] = []

    def __enter__(self) -> Self:
        self.files = [(self.part.folder / name).open("rb") for name in ("words", "word_ends", "word_counts")]
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.files:
            file.close()

    @property
    def more(self) -> bool:
        """Whether words remain to be read."""
        return self.at < self.part.words

    def read(self) -> tuple[pa.LargeBinaryArray, Integers]:
        """The next words and their counts; none at the end."""
        data, ends, counts = self.files
        offsets = np.concatenate([np.array([self.byte], np.int64), np.fromfile(ends, np.int64, self.rows)])
        length = int(offsets[-1]) - self.byte
        buffers = [None, pa.py_buffer(offsets - self.byte), pa.py_buffer(data.read(length))]
        self.at, self.byte = self.at + len(offsets) - 1, int(offsets[-1])
        words = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)
        return words, np.fromfile(counts, np.int64, self.rows)

    @staticmethod
    def end(words: pa.LargeBinaryArray) -> bytes:
        """The last of a block."""
        last: bytes = words[-1].as_py()
        return last

    @staticmethod
    def upto(words: pa.LargeBinaryArray, bound: bytes) -> int:
        """How many of a block are not beyond `bound`."""
        return bisect.bisect_right(range(len(words)), bound, key=lambda row: words[row].as_py())


class PairReader:
    """Reads keys and their counts, some rows at a time."""

    def __init__(self, keys: Path, counts: Path, rows: int) -> None:
        self.paths, self.rows, self.left = (keys, counts), rows, keys.stat().st_size // 8
        self.files: list[BinaryIO] = []

    def __enter__(self) -> Self:
        self.files = [path.open("rb") for path in self.paths]
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.files:
            file.close()

    @property
    def more(self) -> bool:
        """Whether pairs remain to be read."""
        return self.left > 0

    def read(self) -> tuple[Keys, Integers]:
        """The next keys and their counts; none at the end."""
        keys, counts = self.files
        block = np.fromfile(keys, np.uint64, self.rows)
        self.left -= len(block)
        return block, np.fromfile(counts, np.int64, self.rows)

    @staticmethod
    def end(keys: Keys) -> np.uint64:
        """The last of a block."""
        last: np.uint64 = keys[-1]
        return last

    @staticmethod
    def upto(keys: Keys, bound: np.uint64) -> int:
        """How many of a block are not beyond `bound`."""
        return int(np.searchsorted(keys, bound, side="right"))


class CountsWriter:
    """Writes counts, in order, to a folder that takes its name when all is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.n_words = self.n_bytes = self.n_pairs = self.total = 0
        self.finished = False

    def __enter__(self) -> Self:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.scratch = Path(tempfile.mkdtemp(TEMPORARY[1], TEMPORARY[0], self.folder.parent))
        self.files = {name: (self.scratch / name).open("wb") for name in ("words", *COLUMNS)}
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.files.values():
            file.close()
        if not self.finished:
            shutil.rmtree(self.scratch)

    def add_words(self, words: pa.LargeBinaryArray, counts: Integers) -> None:
        """Write the next words; beyond all before them."""
        _, offsets, data = words.buffers()
        places = np.frombuffer(offsets, np.int64)[words.offset : words.offset + len(words) + 1]
        if len(words):
            self.files["words"].write(memoryview(data)[places[0] : places[-1]])
            self.files["word_ends"].write((places[1:] + (self.n_bytes - places[0])).data)
            self.files["word_counts"].write(np.ascontiguousarray(counts).data)
            self.n_bytes += int(places[-1] - places[0])
        self.n_words += len(words)
        self.total += int(counts.sum())
        if self.n_words >= MOST_WORDS:
            raise InputError(
                str(self.folder), f"more than {MOST_WORDS:,} distinct words", "Count fewer languages at once."
            )

    def add_pairs(self, keys: Keys, counts: Integers) -> None:
        """Write the next pairs; beyond all before them."""
        for start in range(0, len(keys), BLOCK):  # what a table hands out lies in strides, and is copied to be written
            self.files["pairs"].write(np.ascontiguousarray(keys[start : start + BLOCK]).data)
            self.files["pair_counts"].write(np.ascontiguousarray(counts[start : start + BLOCK]).data)
        self.n_pairs += len(keys)

    def finish(self) -> StoredCounts:
        """Give the folder its name."""
        for file in self.files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        stored = StoredCounts(self.folder, self.n_words, self.n_bytes, self.n_pairs, self.total)
        write_json(
            {key: value for key, value in asdict(stored).items() if key != "folder"}, self.scratch / "counts.json"
        )
        stored = _rename(replace(stored, folder=self.scratch), self.folder)
        self.finished = True
        return stored
