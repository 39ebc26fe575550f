"""Counts on disk: a folder of five columns and `counts.json`, its readers and its writer."""

from __future__ import annotations

import bisect
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mc2lib.errors import InputError
from mc2lib.io.files import TEMPORARY, read_json, remove_written, write_json
from mc2lib.recipe.metadata.counting.counts import Counts, Integers, Keys

#: Rows read at a time where memory does not limit them.
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
        folder: that holds them.
        words: number of distinct words.
        word_bytes: bytes of all distinct words.
        pairs: number of distinct pairs.
        total: number of words in the text.
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
        """Yield the counts of the words, in order, block by block."""
        yield from self._blocks("word_counts")

    def pair_blocks(self) -> Iterator[tuple[Keys, Integers]]:
        """Yield the pairs and their counts, in order, block by block."""
        yield from zip(self._blocks("pairs"), self._blocks("pair_counts"), strict=True)

    def take_words(self, rows: Integers) -> pa.LargeBinaryArray:
        """The words in some rows, in the order of `rows`; reads all words, block by block."""
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
        """Read all counts into memory."""
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


def write_counts(counts: Counts, folder: Path) -> StoredCounts:
    """Write counts to a folder, which appears complete or not at all.

    Args:
        counts: in memory.
        folder: where they go; counts that are there are replaced.

    Returns:
        The counts on disk.
    """
    with CountsWriter(folder) as writer:
        writer.add_words(counts.words, counts.word_counts)
        writer.add_pairs(counts.pairs, counts.pair_counts)
        return writer.finish()


def open_counts(folder: Path) -> StoredCounts:
    """Open counts that were written before.

    Raises:
        InputError: they are missing, or a column is not as long as it was when written.
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


def remove_counts(folder: Path) -> None:
    """Remove counts that were written before; any other file stays."""
    remove_written(folder, "|".join((*map(re.escape, ("words", *COLUMNS)), r"counts\.json")))


def take_name(stored: StoredCounts, folder: Path) -> StoredCounts:
    """Rename a folder of counts, in place of the counts that have the name.

    Args:
        stored: complete counts under another name.
        folder: the name to take.

    Returns:
        The counts under their new name.

    Raises:
        InputError: the folder of that name holds other files.
    """
    remove_counts(folder)
    try:
        stored.folder.rename(folder)
    except OSError as error:
        if not folder.is_dir():
            raise
        fault = "holds files other than the counts that were written there before"
        raise InputError(str(folder), fault, "Move them to another folder and run again.") from error
    return replace(stored, folder=folder)


class WordReader:
    """Reads words and their counts, some rows at a time.

    Args:
        part: counts on disk.
        rows: to read at a time.
    """

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
        """Read the next words and their counts; none at the end."""
        data, ends, counts = self.files
        offsets = np.concatenate([np.array([self.byte], np.int64), np.fromfile(ends, np.int64, self.rows)])
        length = int(offsets[-1]) - self.byte
        buffers = [None, pa.py_buffer(offsets - self.byte), pa.py_buffer(data.read(length))]
        self.at, self.byte = self.at + len(offsets) - 1, int(offsets[-1])
        words = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)
        return words, np.fromfile(counts, np.int64, self.rows)

    @staticmethod
    def end(words: pa.LargeBinaryArray) -> bytes:
        """The last item of a block."""
        last: bytes = words[-1].as_py()
        return last

    @staticmethod
    def upto(words: pa.LargeBinaryArray, bound: bytes) -> int:
        """How many items of a block are not greater than `bound`."""
        return bisect.bisect_right(range(len(words)), bound, key=lambda row: words[row].as_py())


class PairReader:
    """Reads keys of pairs and their counts, some rows at a time.

    Args:
        keys: file of uint64.
        counts: file of int64.
        rows: to read at a time.
    """

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
        """Read the next keys and their counts; none at the end."""
        keys, counts = self.files
        block = np.fromfile(keys, np.uint64, self.rows)
        self.left -= len(block)
        return block, np.fromfile(counts, np.int64, self.rows)

    @staticmethod
    def end(keys: Keys) -> np.uint64:
        """The last item of a block."""
        last: np.uint64 = keys[-1]
        return last

    @staticmethod
    def upto(keys: Keys, bound: np.uint64) -> int:
        """How many items of a block are not greater than `bound`."""
        return int(np.searchsorted(keys, bound, side="right"))


class CountsWriter:
    """Writes counts, in order, to a folder that takes its name when everything is written.

    Args:
        folder: where the counts go.
    """

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
        """Write the next words.

        Args:
            words: large_binary [n], ascending, greater than all before them.
            counts: int64 [n].
        """
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
        """Write the next pairs.

        Args:
            keys: uint64 [n], ascending, greater than all before them.
            counts: int64 [n].
        """
        for start in range(0, len(keys), BLOCK):  # a table hands out strided columns, which are copied
            self.files["pairs"].write(np.ascontiguousarray(keys[start : start + BLOCK]).data)
            self.files["pair_counts"].write(np.ascontiguousarray(counts[start : start + BLOCK]).data)
        self.n_pairs += len(keys)

    def finish(self) -> StoredCounts:
        """Sync everything, and give the folder its name."""
        for file in self.files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        stored = StoredCounts(self.folder, self.n_words, self.n_bytes, self.n_pairs, self.total)
        write_json(
            {key: value for key, value in asdict(stored).items() if key != "folder"}, self.scratch / "counts.json"
        )
        stored = take_name(replace(stored, folder=self.scratch), self.folder)
        self.finished = True
        return stored
