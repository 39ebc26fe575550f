"""Features on disk: of texts by what they say, of a set's images by chunk; memory-mapped, each file whole or not there.

A file that is there is done, so a stopped evaluation resumes; ranks write files of their own and read each other's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mc2lib.errors import InputError
from mc2lib.io.files import atomic, digest, read_json, write_json

Features = npt.NDArray[np.float32]
#: The two halves of a text's 128-bit digest, uint64 [n, 2].
Keys = npt.NDArray[np.uint64]

KEY_BYTES = 16


def text_keys(texts: Sequence[str]) -> Keys:
    """The digest of each text."""
    found = b"".join(hashlib.blake2b(text.encode(), digest_size=KEY_BYTES).digest() for text in texts)
    return np.frombuffer(found, "<u8").reshape(-1, 2).astype(np.uint64)


class TextStore:
    """Features of one model's texts, whichever sets they are of.

    Args:
        folder: of the model's features.
        width: numbers of a feature.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.folder, self.width = folder / "texts", width
        self.refresh()

    def refresh(self) -> None:
        """Look again for files, as after other ranks have written theirs."""
        self._parts: list[Features] = []
        self._places: list[npt.NDArray[np.int64]] = []
        keys: list[Keys] = []
        row = KEY_BYTES + 4 * self.width
        self._starts = [0]
        for path in sorted(self.folder.glob("*.bin")):
            size, rest = divmod(path.stat().st_size, row)
            if rest or not size:
                raise InputError(str(path), f"no features of {self.width} numbers each", f"Delete {path}.")
            keys.append(np.fromfile(path, np.uint64, 2 * size).reshape(-1, 2))
            self._parts.append(np.memmap(path, np.float32, "r", KEY_BYTES * size, (size, self.width)))
            self._starts.append(self._starts[-1] + size)
        everything = np.concatenate(keys) if keys else np.zeros((0, 2), np.uint64)
        self._order = np.argsort(everything[:, 0], kind="stable")
        self._keys = everything[self._order]

    def find(self, keys: Keys) -> npt.NDArray[np.int64]:
        """The rows of some texts, -1 for those that are not here."""
        if not len(self._keys):
            return np.full(len(keys), -1, np.int64)
        places = np.minimum(np.searchsorted(self._keys[:, 0], keys[:, 0]), len(self._keys) - 1)
        same = (self._keys[places] == keys).all(axis=1)
        return np.where(same, self._order[places], -1).astype(np.int64)

    def take(self, rows: npt.NDArray[np.int64]) -> Features:
        """Features of rows of `find`, float32 [n, d].

        Raises:
            InputError: a text was not encoded.
        """
        if len(rows) and rows.min() < 0:
            raise InputError(str(self.folder), f"{int((rows < 0).sum())} texts have no features", "Run again.")
        features = np.empty((len(rows), self.width), np.float32)
        parts = np.searchsorted(self._starts, rows, side="right") - 1
        for part in np.unique(parts):
            of_part = np.flatnonzero(parts == part)
            features[of_part] = self._parts[part][rows[of_part] - self._starts[part]]
        return features

    def write(self, keys: Keys, features: Features) -> None:
        """Add texts that are not here yet, as a file of their own; `refresh` shows them."""
        name = hashlib.blake2b(keys.tobytes(), digest_size=16).hexdigest()
        with atomic(self.folder / f"{name}.bin") as temporary, temporary.open("wb") as file:
            np.ascontiguousarray(keys).tofile(file)
            np.ascontiguousarray(features, np.float32).tofile(file)


class ImageStore:
    """Features of one set's images, in chunks of its order; a broken image has a fault and a feature of zeros.

    Args:
        folder: of the model's features.
        identity: of the images.
        count: of them.
        width: numbers of a feature.
        chunk: images of a file.
    """

    def __init__(self, folder: Path, identity: str, count: int, width: int, chunk: int) -> None:
        self.folder = folder / "images" / digest({"images": identity, "chunk": chunk})[:32]
        self.count, self.width, self.chunk = count, width, chunk

    def chunks(self) -> list[range]:
        """The images of each file."""
        return [range(begin, min(begin + self.chunk, self.count)) for begin in range(0, self.count, self.chunk)]

    def is_done(self, chunk: range) -> bool:
        """Whether a chunk's features are here."""
        return self._faults(chunk).exists()

    def write(self, chunk: range, features: Features, faults: dict[int, str]) -> None:
        """Write a chunk; its faults come last, and say that it is whole."""
        with atomic(self._features(chunk)) as temporary:
            np.ascontiguousarray(features, np.float32).tofile(temporary)
        write_json({str(index): fault for index, fault in faults.items()}, self._faults(chunk))

    def read_faults(self) -> dict[int, str]:
        """The images that could not be read, and why."""
        return {int(i): fault for chunk in self.chunks() for i, fault in read_json(self._faults(chunk)).items()}

    def open(self) -> Features:
        """All features, float32 [n, d]: mapped where they are one file, else in memory."""
        shapes = ((self._features(chunk), (len(chunk), self.width)) for chunk in self.chunks())
        parts = [np.memmap(path, np.float32, "r", 0, shape) for path, shape in shapes]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _features(self, chunk: range) -> Path:
        return self.folder / f"{chunk.start:08d}.bin"

    def _faults(self, chunk: range) -> Path:
        return self.folder / f"{chunk.start:08d}.json"
