"""Sets whose images are in Parquet or in a folder that `datasets` saved: their columns, and their images one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.benchmark_set import Recent, digest_of

REMEDY = "Fetch the set again."


@dataclass
class ParquetImages:
    """Images of a column of Parquet files; reading in order reads each row group once.

    Args:
        paths: the files, in order.
        column: of bytes, or of the struct of bytes and path that the hub's data sets have.
        names: of the images, for errors.
    """

    paths: tuple[Path, ...]
    column: str
    names: tuple[str, ...]
    _ends: np.ndarray = field(init=False, repr=False)
    _groups: list[tuple[Path, int]] = field(init=False, repr=False)
    _recent: Recent = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sizes: list[int] = []
        self._groups = []
        for path in self.paths:
            metadata = pq.read_metadata(path)
            sizes += [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
            self._groups += [(path, i) for i in range(metadata.num_row_groups)]
        self._ends = np.cumsum(sizes, dtype=np.int64)
        self._recent = Recent(self._read_group)

    def _read_group(self, group: int) -> Any:
        path, number = self._groups[group]
        with pq.ParquetFile(path) as file:
            return file.read_row_group(number, columns=[self.column]).column(self.column)

    def read(self, index: int) -> bytes:
        """One image's bytes; OSError if the row holds none."""
        group = int(np.searchsorted(self._ends, index, side="right"))
        row = index - (int(self._ends[group - 1]) if group else 0)
        value = self._recent.get(group)[row].as_py()
        content = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(content, bytes):
            raise OSError("the row holds no image bytes")
        return content

    def find_missing(self) -> list[int]:
        """None: a row without an image is found when it is read."""
        return []

    def identity(self) -> str:
        """Digest of the files' names, sizes and times of change."""
        stats = ((path, path.stat()) for path in self.paths)
        return digest_of(f"{path.name}\x1f{stat.st_size}\x1f{stat.st_mtime_ns}" for path, stat in stats)


@dataclass(frozen=True)
class ParquetRows:
    """Some rows of `ParquetImages`, such as the first of each image."""

    whole: ParquetImages
    rows: tuple[int, ...]

    @property
    def names(self) -> list[str]:
        """Of the rows."""
        return [self.whole.names[row] for row in self.rows]

    def read(self, index: int) -> bytes:
        """One image's bytes; OSError if the row holds none."""
        return self.whole.read(self.rows[index])

    def find_missing(self) -> list[int]:
        """None: a row without an image is found when it is read."""
        return []

    def identity(self) -> str:
        """Digest of the file and of the rows."""
        return digest_of([self.whole.identity(), str(self.rows)])


@dataclass(frozen=True)
class DatasetImages:
    """Images of a column of a data set that `datasets` opened, with `Image(decode=False)`."""

    dataset: Any
    column: str
    names: tuple[str, ...]

    def read(self, index: int) -> bytes:
        """One image's bytes; OSError if the row holds none."""
        value = self.dataset[index][self.column]
        if value and value.get("bytes"):
            return bytes(value["bytes"])
        if value and value.get("path"):
            return Path(value["path"]).read_bytes()
        raise OSError("the row holds no image bytes")

    def find_missing(self) -> list[int]:
        """None: a row without an image is found when it is read."""
        return []

    def identity(self) -> str:
        """What `datasets` calls this state of the data."""
        return str(self.dataset._fingerprint)


def open_rows(
    folder: Path, image: str, columns: Sequence[str], identifier: str
) -> tuple[list[dict[str, Any]], ParquetImages | DatasetImages]:
    """The rows of a set without their images, and the images.

    Args:
        folder: with Parquet files at any depth, or one that `datasets` saved with `save_to_disk`.
        image: the column of images.
        columns: the others to read.
        identifier: which of them names an image.

    Raises:
        InputError: there is neither, a file is broken, or a column is missing.
    """
    if (folder / "state.json").exists() or (folder / "dataset_dict.json").exists():
        return _open_saved(folder, image, columns, identifier)
    paths = tuple(sorted(folder.rglob("*.parquet")))
    if not paths:
        raise InputError(str(folder), "no Parquet files and no data set that `datasets` saved", REMEDY)
    rows: list[dict[str, Any]] = []
    for path in paths:
        try:
            names = pq.read_schema(path).names
            _require_columns([image, *columns], names, str(path))
            rows += pq.read_table(path, columns=list(columns)).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise InputError(str(path), f"not a whole Parquet file ({error})", REMEDY) from error
    return rows, ParquetImages(paths, image, tuple(str(row[identifier]) for row in rows))


def _open_saved(
    folder: Path, image: str, columns: Sequence[str], identifier: str
) -> tuple[list[dict[str, Any]], DatasetImages]:
    import datasets

    dataset = datasets.load_from_disk(str(folder))
    if isinstance(dataset, datasets.DatasetDict):
        if "test" not in dataset:
            raise InputError(str(folder), f"no split 'test' (it has {', '.join(dataset)})", REMEDY)
        dataset = dataset["test"]
    _require_columns([image, *columns], dataset.column_names, str(folder))
    rows = dataset.select_columns(list(columns)).to_list()
    images = dataset.cast_column(image, datasets.Image(decode=False))
    return rows, DatasetImages(images, image, tuple(str(row[identifier]) for row in rows))


def _require_columns(wanted: Sequence[str], found: Sequence[str], place: str) -> None:
    for column in wanted:
        if column not in found:
            raise InputError(place, f"no column '{column}' (it has {', '.join(found)})", REMEDY)
