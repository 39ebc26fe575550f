"""Images of a pool that does not fit into memory: found by an index of its tars, decoded when asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mc2lib.engine.tasks import TaskFailure, run_tasks
from mc2lib.errors import InputError
from mc2lib.hashing import key
from mc2lib.io.files import atomic, read_json, write_json
from mc2lib.io.image_decoder import Pixels, decode, read_square
from mc2lib.io.provenance import stamp
from mc2lib.io.tars import locate_images
from mc2lib.params import Machine, RandomResizedCrop
from mc2lib.recipe.curation.pair_ids import hash_strings
from mc2lib.recipe.training.augment import Draws, draw_crops
from mc2lib.trainer.crops import resize_crop

#: Folder of the index, in a run's.
IMAGES = "images"
REMEDY = "Fetch it again; a compressed tar must be unpacked first, for images are read out of order."

U64 = npt.NDArray[np.uint64]


def describe_tars(shards: Mapping[str, Sequence[Path]]) -> dict[str, Any]:
    """What an index is made from: tars with size and time of change, and by the shard's name their numbers.

    Args:
        shards: by the shard's name the tars that may hold its images.

    Raises:
        InputError: a tar is missing.
    """
    tars = sorted({path for paths in shards.values() for path in paths})
    number = {path: i for i, path in enumerate(tars)}
    return {
        "tars": [[str(path), *stamp(path)] for path in tars],
        "shards": {name: [number[path] for path in paths] for name, paths in shards.items()},
    }


def write_image_index(shards: Mapping[str, Sequence[Path]], folder: Path, machine: Machine) -> None:
    """Find where each image of a pool is, once: 32 bytes per image, which all ranks of a machine share.

    Args:
        shards: by the shard's name the tars that may hold its images.
        folder: gets keys.npy, places.npy and, last, index.json; left alone if they are of these tars as they are now.
        machine: whose workers read the tars' headers.

    Raises:
        InputError: a tar is missing, cut or compressed.
    """
    about = describe_tars(shards)
    tars = [Path(row[0]) for row in about["tars"]]
    if (folder / "index.json").exists() and read_json(folder / "index.json") == about:
        return
    (folder / "index.json").unlink(missing_ok=True)
    keys, places = [np.zeros(0, np.uint64)], [np.zeros((0, 3), np.int64)]
    for _, found in run_tasks(_list_images, list(enumerate(tars)), machine, describe=lambda task: str(task[1])):
        if isinstance(found, TaskFailure):
            raise InputError(found.place, found.fault, found.remedy)
        keys.append(found[0])
        places.append(found[1])
    every = np.concatenate(keys)
    order = np.argsort(every, kind="stable")
    for name, array in (("keys", every[order]), ("places", np.concatenate(places)[order])):
        with atomic(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)
    write_json(about, folder / "index.json")


def _list_images(task: tuple[int, Path]) -> tuple[U64, npt.NDArray[np.int64]]:
    """Hashed keys of a tar's images, and the tar's number, the offset and the size in bytes of each."""
    number, path = task
    try:
        found = list(locate_images(path))
    except InputError as error:
        raise InputError(error.place, error.fault, REMEDY) from error
    names = pa.array([name for name, _, _ in found], pa.string())
    places = [(number, offset, size) for _, offset, size in found]
    return hash_strings(names, _salt(number)), np.array(places, np.int64).reshape(-1, 3)


def _salt(tar: int) -> int:
    return key("image in tar", tar)


class PoolImages:
    """Images by shard and key, read from their tars each time they are asked for.

    Args:
        folder: of `write_image_index`.
        shards: the shards' names, in the order in which pairs number them.
        size: pixels; images are resized to this shorter side and cut to the square in the middle.
        threads: that decode.
        crop: what part of an image is taken and resized instead of the middle.
        seed: of the run, for the crops.
        skipped: gets the tar and key of each image that cannot be decoded, and why.
    """

    def __init__(
        self,
        folder: Path,
        shards: Sequence[str],
        size: int,
        threads: int = 1,
        crop: RandomResizedCrop | None = None,
        seed: int = 0,
        skipped: dict[str, str] | None = None,
    ) -> None:
        about: dict[str, Any] = read_json(folder / "index.json")
        self.size, self.crop, self.seed = size, crop, seed
        self.tars = [Path(row[0]) for row in about["tars"]]
        self.keys = np.load(folder / "keys.npy", mmap_mode="r", allow_pickle=False)
        self.places = np.load(folder / "places.npy", mmap_mode="r", allow_pickle=False)
        of_shard = [about["shards"][name] for name in shards]
        most = max(map(len, of_shard), default=0)
        self.of_shard = np.array([[*row, *[-1] * (most - len(row))] for row in of_shard], np.int64)
        self.salts = np.array([_salt(number) for number in range(len(self.tars))], np.uint64)
        self.threads = ThreadPoolExecutor(threads)
        self.skipped = {} if skipped is None else skipped

    def take(
        self, window: pa.Table, rows: npt.NDArray[np.int64], positions: npt.NDArray[np.int64]
    ) -> tuple[Pixels, list[str]]:
        """Images and texts of some pairs; one whose image cannot be decoded gives its turn to the next that can.

        So what a batch holds follows from the pairs and the images alone, on any number of ranks.

        Args:
            window: columns shard (int32), image (the key) and alt_text.
            rows: int64 [n].
            positions: int64 [n], the pairs' places in the stream, for the crops.

        Returns:
            uint8 [n, size, size, 3] and n texts.

        Raises:
            InputError: an image is in none of its shard's tars, or no image of the window can be decoded.
        """
        draws = draw_crops(positions, self.seed) if self.crop else np.zeros((len(rows), 0, 4))
        found = list(self.threads.map(self._read, self._locate(window.take(rows)), draws))
        rows = rows.copy()
        for i in range(len(found)):
            tried = 0
            while (pixels := found[i]) is None:
                tried += 1
                if tried > window.num_rows:
                    place, fault = next(iter(self.skipped.items()))
                    raise InputError(place, f"none of {window.num_rows} images can be decoded ({fault})", REMEDY)
                rows[i] = (rows[i] + 1) % window.num_rows
                found[i] = self._read(self._locate(window.slice(int(rows[i]), 1))[0], draws[i])
        pixels = np.stack([image for image in found if image is not None])
        return pixels, window["alt_text"].take(pa.array(rows)).to_pylist()

    def _locate(self, pairs: pa.Table) -> list[tuple[int, int, int, str]]:
        """Tar, offset, size and key of each pair's image."""
        keys = pairs["image"].combine_chunks()
        shards = pairs["shard"].to_numpy()
        at = np.full(len(keys), -1, np.int64)
        for column in self.of_shard.T if len(self.keys) else ():
            tars = column[shards]
            wanted = hash_strings(keys, self.salts[tars])
            places = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
            there = (
                (at < 0) & (tars >= 0) & (self.keys[places] == wanted) if len(self.keys) else np.zeros(len(at), bool)
            )
            at[there] = places[there]
        if (at < 0).any():
            row = int(np.flatnonzero(at < 0)[0])
            place = ", ".join(str(self.tars[tar]) for tar in self.of_shard[shards[row]] if tar >= 0)[:300]
            raise InputError(place, f"no image '{keys[row].as_py()}' here", "Curate the pool again as it is now.")
        found = self.places[at].tolist()
        return [(tar, offset, size, name) for (tar, offset, size), name in zip(found, keys.to_pylist(), strict=True)]

    def _read(self, where: tuple[int, int, int, str], draws: Draws) -> Pixels | None:
        number, offset, size, name = where
        with self.tars[number].open("rb", buffering=0) as tar:
            content = os.pread(tar.fileno(), size, offset)
        try:
            if self.crop is None:
                return read_square(content, self.size)
            image = decode(content, least=2 * self.size).convert("RGB")
            return resize_crop(image, (self.size, self.size), draws, self.crop)
        except InputError as error:
            self.skipped[f"{self.tars[number]}: {name}"] = error.fault
            return None
