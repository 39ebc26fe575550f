"""The training stream: curated pairs through `datasets`, in an order that is a pure function.

Position p of a run's stream is the same pair on any machine: rows are permuted in windows by a
hash of (seed, epoch, pair_id), epoch after epoch, and rank r of w takes positions r, r + w, ….
A run continues from a step alone.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.errors import InputError
from mc2lib.hashing import key, mix
from mc2lib.io.drawings import Pixels, decode, read_shards
from mc2lib.params import Languages, RandomResizedCrop
from mc2lib.trainer.crops import resize_crops

#: Rows that are held and shuffled together; a smaller pool is shuffled as a whole.
WINDOW = 1 << 20
READ = 1 << 14


Item = TypeVar("Item")

#: Images and texts of some rows of a window, which stand at these places of the stream.
Take = Callable[[pa.Table, np.ndarray, np.ndarray], tuple[Pixels, list[str]]]


@dataclass(frozen=True)
class Batch:
    """One rank's share of a step."""

    images: Pixels  # [B, H, W, 3]
    texts: list[str]
    positions: np.ndarray  # int64 [B], in the run's stream


def stream_windows(paths: Sequence[Path], languages: Languages, seed: int, window: int = WINDOW) -> Iterator[pa.Table]:
    """Yield shuffled tables of curated pairs, epoch after epoch, without end.

    Args:
        paths: curated Parquet shards (CURATED); their order is shuffled each epoch.
        languages: english, other (all but English) or all.
        seed: of the run.
        window: rows shuffled together.

    Raises:
        InputError: no pair is left after the language filter, or a shard cannot be read.
    """
    if not paths:
        raise InputError("curated pool", "no shard", "Run `dvc repro balance`.")

    def read(epoch: int) -> Iterator[pa.Table]:
        order = order_shards([path.name for path in paths], seed, epoch)
        return _read([paths[i] for i in order], min(READ, window))

    return shuffle_epochs(read, languages, seed, str(paths[0].parent), window)


def order_shards(names: Sequence[str], seed: int, epoch: int) -> np.ndarray:
    """The order in which an epoch reads shards: int64 indices of `names`."""
    return np.argsort(mix([key(name) for name in names], key("shards", seed, epoch)), kind="stable")


def shuffle_epochs(
    read: Callable[[int], Iterator[pa.Table]], languages: Languages, seed: int, place: str, window: int = WINDOW
) -> Iterator[pa.Table]:
    """Yield what `read` gives for epoch 0, 1, … in shuffled tables, without end.

    Args:
        read: an epoch's pairs (pair_id, language and what else a batch is made of), in tables of any size.
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
            raise InputError(place, f"no pair left for languages '{languages}'", "Check the arm's curation.")
        epoch += 1


def _read(paths: Sequence[Path], rows: int) -> Iterator[pa.Table]:
    columns = ["pair_id", "image", "alt_text", "language"]
    try:
        streamed = datasets.load_dataset(
            "parquet", data_files=[str(path) for path in paths], split="train", streaming=True, columns=columns
        )
        yield from streamed.with_format("arrow").iter(batch_size=rows)
    except (pa.ArrowInvalid, OSError, datasets.exceptions.DatasetGenerationError) as error:
        raise InputError(
            str(paths[0].parent), f"a shard cannot be read ({error})", "Delete it and run `dvc repro`."
        ) from error


def _select(table: pa.Table, languages: Languages) -> pa.Table:
    if languages == "all":
        return table
    english = pc.equal(table["language"], "en")
    return table.filter(english if languages == "english" else pc.invert(english))


def _shuffle(held: list[pa.Table], seed: int, epoch: int) -> pa.Table:
    table = pa.concat_tables(held)
    ids = table["pair_id"].to_numpy().astype(np.uint64)
    return table.take(np.argsort(mix(ids, key("order", seed, epoch)), kind="stable"))


def stream_batches(
    paths: Sequence[Path],
    images: ImageStore,
    languages: Languages,
    seed: int,
    batch_size: int,
    steps: range,
    rank: int = 0,
    world: int = 1,
    crop: RandomResizedCrop | None = None,
) -> Iterator[Batch]:
    """Yield one rank's batches for the given steps.

    Args:
        paths: curated Parquet shards.
        images: decoded training images.
        languages: english, other or all.
        seed: of the run.
        batch_size: pairs a step over all ranks, a multiple of `world`.
        steps: the steps to yield; a run that continues starts above 0.
        rank: this rank, of `world`.
        world: number of ranks.
        crop: what part of an image is taken; the whole if left out.
    """

    def take(window: pa.Table, rows: np.ndarray, positions: np.ndarray) -> tuple[Pixels, list[str]]:
        pairs = window.take(rows)
        found = images.take(pairs["image"].to_pylist())
        return found if crop is None else resize_crops(found, positions, seed, crop), pairs["alt_text"].to_pylist()

    return cut_batches(stream_windows(paths, languages, seed), take, batch_size, steps, rank, world)


def cut_batches(
    windows: Iterator[pa.Table], take: Take, batch_size: int, steps: range, rank: int, world: int
) -> Iterator[Batch]:
    """Yield one rank's batches of the pairs that `windows` gives, see `stream_batches`.

    Args:
        windows: the stream's tables, one after another.
        take: images and texts of some rows of a window.
        batch_size, steps, rank, world: as of `stream_batches`.
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


class ImageStore:
    """Training images by key, read from webdataset shards and decoded when first asked for.

    Args:
        shards: tar files.
        limit: bytes of decoded pixels to keep; above it images are decoded each time.
    """

    def __init__(self, shards: Sequence[Path], limit: int = 4 << 30) -> None:
        self.encoded = read_shards(shards)
        self.place = str(shards[0].parent) if shards else "images"
        self.limit = limit
        self.decoded: dict[str, Pixels] = {}
        self.bytes = 0

    def take(self, keys: Sequence[str]) -> Pixels:
        """Images of `keys`, uint8 [n, H, W, 3]; InputError if a key is in no shard."""
        return np.stack([self._get(key) for key in keys])

    def _get(self, key: str) -> Pixels:
        if key in self.decoded:
            return self.decoded[key]
        if key not in self.encoded:
            raise InputError(self.place, f"no image '{key}' in its shards", "Run `dvc repro pool`.")
        pixels = decode([self.encoded[key]], f"{self.place}: {key}")[0]
        if self.bytes + pixels.nbytes <= self.limit:
            self.decoded[key] = pixels
            self.bytes += pixels.nbytes
        return pixels
