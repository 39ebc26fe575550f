"""From images and texts to features: each image once per model and set, each distinct text once per model."""

from __future__ import annotations

import io
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt
import torch

from mc2lib.engine.progress import Progress
from mc2lib.errors import InputError
from mc2lib.io.benchmarks.benchmark_set import Benchmark, Images
from mc2lib.pipeline.evaluate.feature_store import Features, ImageStore, TextStore, text_keys
from mc2lib.pipeline.evaluate.models.model import IMAGES, Model

#: Numbers of a file of features, at most: what a stopped evaluation may lose, and what a rank holds.
NUMBERS = 1 << 22
#: Images of a file of features, at most.
CHUNK = 4096
#: Batches of images that are read ahead.
AHEAD = 2
#: Texts that are encoded before progress says so.
PIECE = 1024


@dataclass(frozen=True)
class Group:
    """This process among those that encode together; the first one measures."""

    rank: int = 0
    world: int = 1

    @property
    def screen(self) -> TextIO:
        """Where progress goes: only the first process shows any."""
        return io.StringIO() if self.rank else sys.stdout

    def wait(self) -> None:
        """Wait until all are here."""
        if self.world > 1:
            torch.distributed.barrier()

    def leave(self) -> None:
        """Part, at the very end."""
        if self.world > 1:
            torch.distributed.destroy_process_group()


def join_group() -> Group:
    """The group that torchrun describes in the environment; a process alone is its own."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Group()
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    return Group(torch.distributed.get_rank(), world)


class Encoding:
    """The features of one model, which makes those that are missing.

    Args:
        model: the model.
        cache: the folder of all models' features.
        group: this process among others.
    """

    def __init__(self, model: Model, cache: Path, group: Group) -> None:
        self.model, self.group = model, group
        self.folder = cache / model.digest
        self.width = model.encode_texts(["a"]).shape[1]
        self.texts = TextStore(self.folder, self.width)
        group.wait()  # none writes before all have seen what is there: they share out what is not

    def encode_texts(self, name: str, languages: Iterable[Sequence[str]], total: int) -> None:
        """Encode the texts of some languages that are not encoded yet, each distinct one once.

        Args:
            name: of the benchmark, for progress.
            languages: the texts of each.
            total: how many languages there are.

        Raises:
            InputError: a feature is not finite.
        """
        limit = max(1, NUMBERS // self.width)
        waiting: dict[str, None] = {}
        written = np.zeros(0, np.uint64)  # keys of this call, ascending: the store does not show them yet
        pending = 0  # languages with texts that wait
        with Progress(f"texts {name}", total, "languages", "texts", stream=self.group.screen) as progress:
            for texts in languages:
                distinct = list(dict.fromkeys(texts))
                keys = text_keys(distinct)
                new = (self.texts.find(keys) < 0) & ~_holds(written, keys[:, 0])
                if not new.any():
                    progress.add(1, 0, fresh=False)
                    continue
                pending += 1
                waiting |= dict.fromkeys(text for text, is_new in zip(distinct, new, strict=True) if is_new)
                while len(waiting) >= limit:
                    part = _take(waiting, limit)
                    self._encode_part(part, name, progress)
                    written = np.sort(np.concatenate([written, text_keys(part)[:, 0]]))
                    progress.add(pending - 1, 0)  # the last language's texts may not all be in the part
                    pending = 1
            self._encode_part(list(waiting), name, progress)
            progress.add(pending, 0)
        self.group.wait()
        self.texts.refresh()

    def _encode_part(self, texts: list[str], name: str, progress: Progress) -> None:
        """Encode this rank's share of some texts, the short ones first: a batch is as long as its longest text."""
        share = sorted(texts[self.group.rank :: self.group.world], key=len)
        if not share:
            return
        features = np.empty((len(share), self.width), np.float32)
        for begin in range(0, len(share), PIECE):
            piece = share[begin : begin + PIECE]
            features[begin : begin + PIECE] = self.model.encode_texts(piece)
            require_finite(features[begin : begin + PIECE], piece, f"{self.model.name} on {name}")
            progress.add(0, len(piece))
        self.texts.write(text_keys(share), features)

    def encode_images(self, benchmark: Benchmark) -> ImageStore:
        """Encode a set's images that are not encoded yet.

        Raises:
            InputError: a feature is not finite.
        """
        images = benchmark.images
        chunk = max(1, min(CHUNK, NUMBERS // self.width))
        store = ImageStore(self.folder, images.identity(), len(images.names), self.width, chunk)
        step = f"images {benchmark.name}"
        with Progress(step, store.count, "images", stream=self.group.screen) as progress:
            for number, rows in enumerate(store.chunks()):
                if number % self.group.world == self.group.rank and not store.is_done(rows):
                    self._encode_chunk(images, rows, store, benchmark.name, progress)
                else:  # it is there, or another rank's
                    progress.add(len(rows), fresh=False)
        self.group.wait()
        return store

    def _encode_chunk(self, images: Images, rows: range, store: ImageStore, name: str, progress: Progress) -> None:
        features = np.zeros((len(rows), self.width), np.float32)
        faults: dict[int, str] = {}
        for batch in read_batches(self.model, images, rows):
            good = [(index, found) for index, found in batch if isinstance(found, torch.Tensor)]
            faults |= {index: found for index, found in batch if isinstance(found, str)}
            if good:
                encoded = self.model.encode_images(torch.stack([found for _, found in good]))
                require_finite(encoded, [images.names[i] for i, _ in good], f"{self.model.name} on {name}")
                features[[index - rows.start for index, _ in good]] = encoded
            progress.add(len(batch))
        store.write(rows, features, faults)


def read_batches(model: Model, images: Images, rows: range) -> Iterator[list[tuple[int, torch.Tensor | str]]]:
    """Read and prepare images by threads, a few batches ahead; a fault stands in an image's place."""

    def prepare(index: int) -> tuple[int, torch.Tensor | str]:
        try:
            return index, model.prepare(images.read(index))
        except InputError as error:
            return index, error.fault
        except OSError as error:
            return index, str(error)

    size = IMAGES[model.device.type]
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        flying: deque[list[Future[tuple[int, torch.Tensor | str]]]] = deque()
        for begin in range(rows.start, rows.stop, size):
            flying.append([pool.submit(prepare, index) for index in range(begin, min(begin + size, rows.stop))])
            if len(flying) > AHEAD:
                yield [future.result() for future in flying.popleft()]
        while flying:
            yield [future.result() for future in flying.popleft()]


def require_finite(features: Features, what: Sequence[str], place: str) -> None:
    """Raise InputError if a feature is not finite, with how many and the first."""
    broken = ~np.isfinite(features).all(axis=1)
    if broken.any():
        first = what[int(broken.argmax())]
        fault = f"{int(broken.sum())} of {len(features)} features are not finite, the first of '{first}'"
        raise InputError(place, fault, "Its weights are broken, or the precision is too low: try --precision fp32.")


def _holds(ascending: npt.NDArray[np.uint64], values: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    if not len(ascending):
        return np.zeros(len(values), bool)
    places = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.asarray(ascending[places] == values)


def _take(waiting: dict[str, None], count: int) -> list[str]:
    taken = [text for text, _ in zip(waiting, range(count), strict=False)]
    for text in taken:
        del waiting[text]
    return taken
