"""Files that appear whole or not at all, and digests of what they were made from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.errors import InputError
from mc2lib.schemas import check

#: Lies in every folder that `claims.claim` made, and says so: nothing is removed from any other.
MARKER = ".mc2lib.json"
#: How temporary files and folders are named: no other program's are, so that a killed run's can be told and removed.
TEMPORARY = (".mc2lib-", ".partial")
_TEMPORARY = re.compile(r"\.mc2lib-[a-z0-9_]{8}\.partial")


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends well.

    The data is on disk (fsync) before the rename, so a crash leaves the old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(TEMPORARY[1], TEMPORARY[0], path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """A temporary folder in `beside`, which is made if need be; gone with all that is in it when the block ends."""
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(TEMPORARY[1], TEMPORARY[0], beside) as name:
        yield Path(name)


def is_temporary(path: Path) -> bool:
    """Whether a path is named as those of `atomic` and `scratch_folder` are."""
    return _TEMPORARY.fullmatch(path.name) is not None


def remove_written(folder: Path, names: str) -> None:
    """Remove the files below a folder that this program wrote there, and folders that this leaves empty.

    Args:
        folder: may be missing.
        names: a regular expression for the whole names of those files; whatever is named otherwise stays.
    """
    for place, _, files in os.walk(folder, topdown=False):
        for name in files:
            if re.fullmatch(names, name):
                Path(place, name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it holds something else
            Path(place).rmdir()


def write_table(table: pa.Table, path: Path, schema: pa.Schema | None = None) -> None:
    """Write `table` as Parquet, atomically; held to `schema` first if one is given."""
    if schema is not None:
        table = check(table, schema, str(path))
    with atomic(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(
    path: Path,
    schema: pa.Schema | None = None,
    columns: list[str] | None = None,
    dictionaries: Sequence[str] = (),
) -> pa.Table:
    """Read a Parquet file.

    Args:
        path: of the file.
        schema: held to it if one is given.
        columns: to read; all if left out.
        dictionaries: columns of strings that come as the file has them, each value once.

    Raises:
        InputError: the file is missing, truncated, not Parquet or of another shape.
    """
    if not path.exists():
        raise InputError(str(path), "no such file", remake(path, "Run `dvc repro` for the stage that makes it."))
    try:
        with pq.ParquetFile(path, read_dictionary=dictionaries) as file:
            table = file.read(columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            str(path), f"not a whole Parquet file ({error})", remake(path, "Delete it and run `dvc repro`.")
        ) from error
    return check(table, schema, str(path)) if schema is not None else table


def write_json(content: Any, path: Path) -> None:
    """Write `content` as indented JSON with sorted keys, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file; InputError if it is missing or broken."""
    if not path.exists():
        raise InputError(str(path), "no such file", remake(path, "Run `dvc repro` for the stage that makes it."))
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(str(path), f"not JSON ({error})", remake(path, "Delete it and run `dvc repro`.")) from error


def remake(path: Path, study: str) -> str:
    """How to make a file again: in an output of a person's own by the command that wrote it.

    Args:
        path: of the file.
        study: what to do where it is the study's.
    """
    own = next((folder for folder in path.parents if (folder / MARKER).exists()), None)
    return f"Delete it and run the command that wrote {own} again." if own else study


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of a mapping's canonical JSON, in hex."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def require_space(folder: Path, needed: int) -> None:
    """Raise InputError unless the disk of `folder` has `needed` bytes free."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            str(folder),
            f"{free / 1e9:.1f} GB free on this disk, {needed / 1e9:.1f} GB needed",
            "Free some space or move the checkout to a larger disk.",
        )
