"""Files that say what they were made from, and are made again only if that has changed: `reuse_or_make`.

A Parquet file carries the digest of its inputs in its metadata. Other files have a JSON file next to them that does.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.errors import InputError, RunError
from mc2lib.io.files import atomic, digest, file_digest, read_json, write_json

#: The key of a Parquet file's metadata under which it says what it was made from.
MADE = "mc2lib"


#: Columns whose values repeat; others are written faster, and as small, without a dictionary of them.
REPEATING = ["language", "source", "image", "alt_text", "url"]


#: Columns of integers near those before them, or small.
NEAR = ["entry", "entry_id", "count"]

#: What a write raises when there is no room.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

#: What a file says of itself: under `from` the digest of what it was made from, and what its maker adds.
Record = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A file that is made from inputs.

    Args:
        path: a Parquet file of `write_made`; or a JSON file, whose content is the record.
        inputs: all that shapes it, as JSON content.
        also: files that are made with it. Next to a Parquet file they must say the same of themselves; next to a
            JSON file, which is removed before they are written, they must be there.
    """

    path: Path
    inputs: Mapping[str, Any]
    also: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Made:
    """A file as it is now: its record, and whether it was there already."""

    record: Record
    reused: bool

    @property
    def digest(self) -> str:
        """Of what it was made from."""
        return str(self.record["from"])


def reuse_or_make(
    path: Path, inputs: Mapping[str, Any], make: Callable[[Record], None], also: Sequence[Path] = ()
) -> Made:
    """Make one file from inputs, or reuse it. See `reuse_or_make_all`.

    Args:
        path, inputs, also: as `Target`.
        make: writes the file; is given its record.
    """
    return reuse_or_make_all([Target(path, inputs, tuple(also))], lambda records: make(records[path]))[0]


def reuse_or_make_all(targets: Sequence[Target], make: Callable[[Mapping[Path, Record]], None]) -> list[Made]:
    """Make files from inputs, those that are not there or were made from other inputs; reuse the rest.

    Args:
        targets: what is wanted.
        make: is called once, with the record of each path that must be made. It writes the Parquet files with
            `write_made`, and whatever belongs to a JSON file, which is written afterwards. What it adds to a record
            is kept there.

    Returns:
        one per target.

    Raises:
        RunError: there is no room on the disk.
    """
    digests = [digest(target.inputs) for target in targets]
    held = [read_made(target.path) for target in targets]
    fresh: dict[Path, Record] = {}
    for target, wanted, record in zip(targets, digests, held, strict=True):
        if record.get("from") != wanted or not _whole(target, wanted):
            fresh[target.path] = {"from": wanted}
    if fresh:
        with tell_full_disk(next(iter(fresh)).parent):
            records = [path for path in fresh if path.suffix == ".json"]
            for path in records:
                path.unlink(missing_ok=True)  # at no moment does it describe other files
            make(fresh)
            for path in records:
                write_json(fresh[path], path)
    return [
        Made(fresh.get(target.path, record), target.path not in fresh)
        for target, record in zip(targets, held, strict=True)
    ]


def _whole(target: Target, wanted: str) -> bool:
    """Whether what is made with a target belongs to it."""
    if target.path.suffix == ".json":
        return all(path.exists() for path in target.also)
    return all(read_made(path).get("from") == wanted for path in target.also)


@contextmanager
def tell_full_disk(place: Path) -> Iterator[None]:
    """Turn the error of a disk without room into a `RunError` that names `place`; any other is raised as it is."""
    try:
        yield
    except OSError as error:
        # NumPy says only how much it could write
        short = error.errno is None and "requested and" in str(error)
        if error.errno not in NO_ROOM and "No space left" not in str(error) and not short:
            raise
        remedy = "Free some space and run again: what is finished stays."
        raise RunError(str(place), f"no room to write ({error})", remedy) from error


def look(path: Path, known: list[Any] | None) -> list[Any]:
    """Size, time and digest of a file; its content is read only if size or time are new."""
    now = stamp(path)
    return known if known and known[:2] == now else [*now, file_digest(path)]


def stamp(path: Path) -> list[int]:
    """Size and time of change of a file; InputError if it is not there."""
    try:
        stat = path.stat()
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", "Fetch the shard again.") from error
    return [stat.st_size, stat.st_mtime_ns]


@contextmanager
def write_made(path: Path, schema: pa.Schema, made: Record, level: int = 3) -> Iterator[pq.ParquetWriter]:
    """Write a Parquet file batch by batch, atomically, with what it was made from.

    Args:
        path: of the file.
        schema: of its batches.
        made: JSON content; what is added to it before the block ends is written too.
        level: of zstd.
    """
    with (
        atomic(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            compression_level=level,
            use_dictionary=[name for name in REPEATING if name in schema.names],
            column_encoding={f.name: "DELTA_BINARY_PACKED" for f in schema if f.name in NEAR and _is_integer(f)},
            write_statistics=False,
        ) as writer,
    ):
        yield writer
        writer.add_key_value_metadata({MADE: json.dumps(made, sort_keys=True, ensure_ascii=False)})


def _is_integer(field: pa.Field) -> bool:
    return bool(pa.types.is_integer(field.type))


def remove_made(folder: Path, keep: Collection[Path] = ()) -> None:
    """Remove the Parquet files below a folder that say that `write_made` wrote them, but for some to keep."""
    for path in sorted(folder.rglob("*.parquet")):
        if path not in keep and path.is_file() and _says_made(path):  # Spark's folders are called name.parquet
            path.unlink()


def _says_made(path: Path) -> bool:
    try:
        return MADE.encode() in (pq.read_metadata(path).metadata or {})
    except (pa.ArrowException, OSError):
        return False


def read_made(path: Path) -> Record:
    """What a file that `reuse_or_make` made says of itself; empty if it is missing, broken or none of those."""
    try:
        if path.suffix == ".json":
            made = read_json(path)
        else:
            found = (pq.read_metadata(path).metadata or {}).get(MADE.encode())
            made = json.loads(found) if found else {}
        return made if isinstance(made, dict) else {}
    except (pa.ArrowException, OSError, ValueError):
        return {}
