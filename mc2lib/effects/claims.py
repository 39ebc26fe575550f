"""One run at a time on an output folder, and files that say what they were made from."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from mc2lib.effects.files import atomic, file_digest
from mc2lib.errors import InputError

#: The key of a Parquet file's metadata under which it says what it was made from.
MADE = "mc2lib"
#: A run on another machine is believed to live while it touched its mark this lately: some network
#: file systems do not carry locks from one machine to another.
FRESH_SECONDS = 60.0
TOUCH_SECONDS = 10.0
#: Columns whose values repeat; others are written faster, and as small, without a dictionary of them.
REPEATING = ["language", "source", "image", "alt_text", "url"]
#: Columns of integers near those before them, or small.
NEAR = ["entry", "entry_id", "count"]


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Hold `folder` for this run; a killed run's claim frees itself.

    What a killed run left half-written is removed.

    Raises:
        InputError: another run holds it; the message names its process and machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / ".owner.json"
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise _taken(folder, _read_owner(mark)) from None
    done = threading.Event()
    try:
        owner = _read_owner(mark)
        if owner and owner.get("machine") != socket.gethostname() and _age(mark) < FRESH_SECONDS:
            raise _taken(folder, owner)
        try:
            mark.write_text(json.dumps({"machine": socket.gethostname(), "process": os.getpid()}), encoding="utf-8")
            threading.Thread(target=_touch, args=(mark, done), daemon=True).start()
            for left in list(folder.rglob(".*.????????")):  # of files.atomic, and counting's scratch folders
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)
            yield
        finally:
            done.set()
            mark.unlink(missing_ok=True)
    finally:
        lock.release()


def _touch(mark: Path, done: threading.Event) -> None:
    """Say now and then that this run lives."""
    while not done.wait(TOUCH_SECONDS):
        with suppress(OSError):
            os.utime(mark)


def _read_owner(mark: Path) -> dict[str, Any]:
    try:
        owner = json.loads(mark.read_text(encoding="utf-8"))
        return owner if isinstance(owner, dict) else {}
    except (OSError, ValueError):
        return {}


def _age(mark: Path) -> float:
    return time.time() - mark.stat().st_mtime


def _taken(folder: Path, owner: Mapping[str, Any]) -> InputError:
    who = f"process {owner.get('process', 'unknown')} on {owner.get('machine', 'a machine unknown')}"
    return InputError(str(folder), f"another run is at work here ({who})", "Wait for it, stop it, or set another OUT.")


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


def read_made(path: Path) -> dict[str, Any]:
    """What a file of `write_made` says of itself; empty if it is missing, broken or none of those."""
    try:
        found = (pq.read_metadata(path).metadata or {}).get(MADE.encode())
        made = json.loads(found) if found else {}
        return made if isinstance(made, dict) else {}
    except (pa.ArrowException, OSError, ValueError):
        return {}
