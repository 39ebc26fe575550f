"""The training stream: curated pairs in an order that is a pure function.

Position p of a run's stream is the same pair on any machine: rows are permuted in windows by a
hash of (seed, epoch, pair_id), epoch after epoch, and rank r of w takes positions r, r + w, ….
A run resumes from the number of a step alone.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.errors import InputError
from mc2lib.hashing import key, mix
from mc2lib.io.image_decoder import Pixels
from mc2lib.params import Languages
from mc2lib.trainer.distributed import Rank

#: Rows that are held and shuffled together; a smaller pool is shuffled as a whole.
WINDOW = 1 << 20

Item = TypeVar("Item")

#: Images and texts of some rows of a window, which have these positions in the stream.
Take = Callable[[pa.Table, np.ndarray, np.ndarray], tuple[Pixels, list[str]]]


@dataclass(frozen=True)
class Batch:
    """One rank's share of a step."""

    images: Pixels  # [B, H, W, 3]
    texts: list[str]
    positions: np.ndarray  # int64 [B], in the run's stream


class PairStream(Protocol):
    """The pairs of one run, wherever they are stored."""

    def read(self, steps: range, here: Rank) -> Iterator[Batch]:
        """Yield this rank's batches of some steps; a run that resumes starts above 0."""

    def save(self, here: Rank) -> None:
        """Store what this rank learnt about the data so far; called whenever the run is saved, and at its end."""

    def report(self, here: Rank) -> None:
        """Print what a person should know about the data; called once, at the end."""


def order_shards(names: Sequence[str], seed: int, epoch: int) -> np.ndarray:
    """The order in which an epoch reads shards: int64 indices of `names`."""
    return np.argsort(mix([key(name) for name in names], key("shards", seed, epoch)), kind="stable")


def shuffle_epochs(
    read: Callable[[int], Iterator[pa.Table]], languages: Languages, seed: int, place: str, window: int = WINDOW
) -> Iterator[pa.Table]:
    """Yield the pairs of epochs 0, 1, … in shuffled tables, without end.

    Args:
        read: gives the pairs of an epoch (pair_id, language and whatever else `take` needs), in tables of any size.
        languages: english, other (all but English) or all.
        seed: of the run.
        place: of the pairs, for the error.
        window: rows shuffled together.

    Raises:
        InputError: no pair is left after the language filter.
    """
    epoch = 0
    while True:
        held: list[pa.Table] = []
        rows = total = 0
        for table in read(epoch):
            table = _select(table, languages)
            total += table.num_rows
            held.append(table)
            rows += table.num_rows
            if rows >= window:
                yield _shuffle(held, seed, epoch)
                held, rows = [], 0
        if rows:
            yield _shuffle(held, seed, epoch)
        if not total:
            raise InputError(
                place,
                f"no pair left for languages '{languages}'",
                "Choose other languages, or curate a pool that holds these.",
            )
        epoch += 1


def _select(table: pa.Table, languages: Languages) -> pa.Table:
    if languages == "all":
        return table
    english = pc.equal(table["language"], "en")
    return table.filter(english if languages == "english" else pc.invert(english))


def _shuffle(held: list[pa.Table], seed: int, epoch: int) -> pa.Table:
    table = pa.concat_tables(held)
    ids = table["pair_id"].to_numpy().astype(np.uint64)
    return table.take(np.argsort(mix(ids, key("order", seed, epoch)), kind="stable"))


def cut_batches(
    windows: Iterator[pa.Table], take: Take, batch_size: int, steps: range, rank: int, world: int
) -> Iterator[Batch]:
    """Yield one rank's batches of the pairs that `windows` gives.

    Args:
        windows: the stream's tables, one after another.
        take: images and texts of some rows of a window.
        batch_size: pairs per step over all ranks, a multiple of `world`.
        steps: the steps to yield; a run that resumes starts above 0.
        rank: this rank, of `world`.
        world: number of ranks.
    """
    table, start = next(windows), 0  # `start` is the stream position of the table's first row
    for step in steps:
        positions = np.arange(step * batch_size + rank, (step + 1) * batch_size, world)
        parts: list[tuple[Pixels, list[str]]] = []
        wanted = positions
        while len(wanted):
            inside = wanted[wanted < start + table.num_rows]
            if len(inside):
                parts.append(take(table, inside - start, inside))
                wanted = wanted[len(inside) :]
            if len(wanted):
                start += table.num_rows
                table = next(windows)
        yield Batch(
            np.concatenate([part[0] for part in parts]), [text for part in parts for text in part[1]], positions
        )


def prefetch(items: Iterator[Item], ahead: int = 4) -> Iterator[Item]:
    """Yield `items`, made by a thread up to `ahead` items early; its errors are raised here."""
    made: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(maxsize=ahead)
    stopped = threading.Event()

    def put(item: Item | None, error: BaseException | None) -> None:
        while not stopped.is_set():
            try:
                return made.put((item, error), timeout=0.2)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put(item, None)
                if stopped.is_set():
                    return
            put(None, None)
        except BaseException as error:  # handed to the reader, whatever it is
            put(None, error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        stopped.set()
        thread.join()
