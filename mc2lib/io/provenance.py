"""What a file was made from, inside it: Parquet files that carry the digest of their inputs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.errors import InputError
from mc2lib.io.files import atomic, file_digest

#: The key of a Parquet file's metadata under which it says what it was made from.
MADE = "mc2lib"


#: Columns whose values repeat; others are written faster, and as small, without a dictionary of them.
REPEATING = ["language", "source", "image", "alt_text", "url"]


#: Columns of integers near those before them, or small.
NEAR = ["entry", "entry_id", "count"]


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
def write_made(path: Path, schema: pa.Schema, made: dict[str, Any], level: int = 3) -> Iterator[pq.ParquetWriter]:
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


def read_made(path: Path) -> dict[str, Any]:
    """What a file of `write_made` says of itself; empty if it is missing, broken or none of those."""
    try:
        found = (pq.read_metadata(path).metadata or {}).get(MADE.encode())
        made = json.loads(found) if found else {}
        return made if isinstance(made, dict) else {}
    except (pa.ArrowException, OSError, ValueError):
        return {}
