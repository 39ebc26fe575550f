"""A pool's shards, and one pass over one of them: what every format's reader is given."""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.errors import InputError
from mc2lib.io.tars import SUFFIXES
from mc2lib.recipe.curation.pair_ids import Met

if TYPE_CHECKING:
    pass

#: Rows of a batch, and bytes of text at which a batch ends before.
ROWS = 1 << 18
BYTES = 1 << 26
#: Rows of a batch while they are Python's objects, or their bytes are not known before.
LOOSE_ROWS = 1 << 16
IMAGE = ("image", "img", "jpg", "png", "webp")
REMEDY = "Fetch the shard again, or take it out of the pool."
#: What cutting or damaging a file makes the libraries raise.
BROKEN = (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeError)


@dataclass(frozen=True)
class Shard:
    """One part of a pool, read by one worker; it pickles.

    Args:
        name: its path below the pool's root, without suffix; no two shards of a pool share it.
        format: a key of `FORMATS`.
        paths: the files that its rows are read from; none where the `datasets` library finds them.
        images: the tars that may hold its images.
        text: the column with the text, if the usual names do not find it.
        image: the column with the image, likewise.
        dataset: what `datasets.load_dataset` is given, with `split`; the shard is `part` of `parts`.
    """

    name: str
    format: str
    paths: tuple[Path, ...] = ()
    images: tuple[Path, ...] = ()
    text: str | None = None
    image: str | None = None
    dataset: str = ""
    split: str = "train"
    part: int = 0
    parts: int = 1

    @property
    def place(self) -> str:
        """What an error calls the shard."""
        return str(self.paths[0]) if self.paths else f"{self.dataset}, part {self.part} of {self.parts}"


@dataclass(frozen=True)
class PoolSource:
    """A pool: its format, its folder and its shards, sorted by name."""

    format: str
    root: Path | str
    shards: tuple[Shard, ...]

    @property
    def images(self) -> tuple[Path, ...]:
        """All tars with images, sorted."""
        return tuple(sorted({path for shard in self.shards for path in shard.images}))


@dataclass
class Reading:
    """One pass over a shard: what has been counted and met so far."""

    shard: Shard
    rows: int
    tally: Counter[str]
    images: Met = field(default_factory=Met)
    pairs: Met = field(default_factory=Met)
    row: int = 0

    @property
    def loose_rows(self) -> int:
        """Rows of a batch that are read one by one."""
        return min(self.rows, LOOSE_ROWS)


def list_files(root: Path) -> list[Path]:
    """All files of a pool but hidden and half-written ones; linked folders are followed."""
    if root.is_file():
        return [root]
    found: list[Path] = []
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        seen.add(os.path.realpath(folder))
        kept = (name for name in folders if not name.startswith("."))
        # a link to a folder that holds it would be walked without end
        folders[:] = [name for name in sorted(kept) if os.path.realpath(Path(folder, name)) not in seen]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    for path in found:
        if not str(path).isprintable() and any("\ud800" <= letter <= "\udfff" for letter in str(path)):
            raise InputError(ascii(str(path)), "the file's name is no UTF-8", "Rename it.")
    return sorted(path for path in found if path.is_file())


def shard_name(path: Path, root: Path) -> str:
    """A shard's name: its path below the pool's root without the suffix of its format."""
    name = path.name if path == root else path.relative_to(root).as_posix()
    suffixes = (*SUFFIXES, ".warc.wat.gz", ".wat.gz", ".warc.wat", ".wat", ".parquet", ".arrow", ".jsonl")
    return next((name.removesuffix(suffix) for suffix in suffixes if name.endswith(suffix)), name)


def with_options(shard: Shard, options: Mapping[str, str | None]) -> Shard:
    """The shard with the options that are given: text, image."""
    return Shard(**{**shard.__dict__, **{name: value for name, value in options.items() if value}})


def in_order(shards: Sequence[Shard], root: Path) -> tuple[Shard, ...]:
    """The shards by name; InputError if two have the same."""
    counts = Counter(shard.name for shard in shards)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise InputError(str(root), f"two shards are called '{twice[0]}'", "Rename one of them.")
    return tuple(sorted(shards, key=lambda shard: shard.name))


def _schema_of(files: Sequence[Path]) -> pa.Schema:
    """Columns of the first Parquet file that can be read; a broken one speaks when it is read."""
    for path in files:
        if path.suffix == ".parquet":
            try:
                return pq.read_schema(path)
            except BROKEN:
                continue
    return pa.schema([])


def columns_of(files: Sequence[Path]) -> set[str]:
    """Their names, in lower case."""
    return {name.lower() for name in _schema_of(files).names}


def image_columns(files: Sequence[Path]) -> list[str]:
    """Those that hold images' bytes, plain or as `datasets` writes them."""
    held = [field for field in _schema_of(files) if pa.types.is_struct(field.type) or is_binary(field.type)]
    return [field.name for field in held if field.name.lower() in IMAGE]


def first_line(error: BaseException) -> str:
    """The first line of an error's text, for a message of one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


@dataclass(frozen=True)
class Format:
    """How a format is recognised, found and read."""

    looks_for: str
    find: Callable[[Path, Sequence[Path], str], list[Shard]]
    read: Callable[[Reading], Iterator[pa.Table]]


def is_binary(type_: pa.DataType) -> bool:
    """Whether a column holds bytes."""
    return bool(pa.types.is_binary(type_) or pa.types.is_large_binary(type_))
