"""The stream of a run on curated files, read through `datasets`; their images fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa

from mc2lib.errors import InputError
from mc2lib.io.image_decoder import Pixels, decode_pixels
from mc2lib.io.tars import read_shards
from mc2lib.params import Languages
from mc2lib.trainer.crops import resize_crops
from mc2lib.trainer.distributed import Rank
from mc2lib.trainer.recipe import CuratedFiles, Recipe, find
from mc2lib.trainer.stream import WINDOW, Batch, cut_batches, order_shards, shuffle_epochs

READ = 1 << 14
REMEDY = "Delete it and run the command that wrote it again."


class FileStream:
    """The pairs of curated Parquet shards.

    Args:
        run: folder of the run.
        recipe: of the run.
        data: of the recipe.
    """

    def __init__(self, run: Path, recipe: Recipe, data: CuratedFiles) -> None:
        self.recipe = recipe
        self.pairs = [find(path, run) for path in data.pairs]
        self.tars = [find(path, run) for path in data.images]

    def read(self, steps: range, here: Rank) -> Iterator[Batch]:
        """Yield this rank's batches of some steps, see `PairStream`."""
        images, seed = ImageStore(self.tars), self.recipe.seed
        crop = self.recipe.training.augmentation.random_resized_crop

        def take(window: pa.Table, rows: np.ndarray, positions: np.ndarray) -> tuple[Pixels, list[str]]:
            pairs = window.take(rows)
            found = images.take(pairs["image"].to_pylist())
            return found if crop is None else resize_crops(found, positions, seed, crop), pairs["alt_text"].to_pylist()

        windows = stream_windows(self.pairs, self.recipe.languages, seed)
        return cut_batches(windows, take, self.recipe.plan.batch_size, steps, here.rank, here.world)

    def save(self, here: Rank) -> None:
        """Store nothing: an image that cannot be decoded stops the run."""

    def report(self, here: Rank) -> None:
        """Print nothing, for the same reason."""


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

    def read(epoch: int) -> Iterator[pa.Table]:
        order = order_shards([path.name for path in paths], seed, epoch)
        return _read([paths[i] for i in order], min(READ, window))

    return shuffle_epochs(read, languages, seed, str(paths[0].parent), window)


def _read(paths: Sequence[Path], rows: int) -> Iterator[pa.Table]:
    columns = ["pair_id", "image", "alt_text", "language"]
    try:
        streamed = datasets.load_dataset(
            "parquet", data_files=[str(path) for path in paths], split="train", streaming=True, columns=columns
        )
        yield from streamed.with_format("arrow").iter(batch_size=rows)
    except (pa.ArrowInvalid, OSError, datasets.exceptions.DatasetGenerationError) as error:
        raise InputError(str(paths[0].parent), f"a shard cannot be read ({error})", REMEDY) from error


class ImageStore:
    """Training images by key, read from webdataset shards and decoded when first asked for.

    Args:
        shards: tar files.
        limit: bytes of decoded pixels to keep; above it images are decoded each time.
    """

    def __init__(self, shards: Sequence[Path], limit: int = 4 << 30) -> None:
        try:
            self.encoded = read_shards(shards)
        except InputError as error:
            raise InputError(error.place, error.fault, REMEDY) from error
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
            fault = f"no image '{key}' in its shards"
            raise InputError(self.place, fault, "Write pairs and images again; these do not belong together.")
        pixels = decode_pixels([self.encoded[key]], f"{self.place}: {key}")[0]
        if self.bytes + pixels.nbytes <= self.limit:
            self.decoded[key] = pixels
            self.bytes += pixels.nbytes
        return pixels
