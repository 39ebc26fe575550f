"""Exports: a curated pool in the layouts that the field's tools read."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mc2lib.effects.files import atomic, write_json, write_table
from mc2lib.effects.readers import PoolSource, Shard, read_shard_images
from mc2lib.errors import InputError, nearest
from mc2lib.schemas import CURATED

#: Pairs of a shard of webdataset or Parquet.
ROWS = 10_000
#: A subset as DataComp's tools read it: the two halves of each uid, sorted.
UID = np.dtype("u8,u8")


def export_pool(
    curated: Path | pa.Table, format: str, target: Path, source: PoolSource | None = None, rows: int = ROWS
) -> list[Path]:
    """Write a curated pool in another layout; the same bytes from the same pool.

    Args:
        curated: a folder of curated Parquet shards, one such file, or a table; CURATED and any more columns.
        format: parquet, webdataset, uids or datasets.
        target: a folder that does not exist yet; for uids a .npy file.
        source: the pool that was curated; webdataset copies its images' bytes.
        rows: pairs of a written shard.

    Returns:
        the files written, sorted.

    Raises:
        InputError: the target exists, the format is unknown, a shard is broken, an image is in no tar, or
            (uids) a pair has no uid of 32 hex digits.
    """
    if format not in WRITERS:
        raise InputError("format", f"no export format '{format}'", nearest(format, WRITERS))
    if target.exists():
        raise InputError(str(target), "exists already", "Move it away or give another target.")
    if format == "uids":
        _write_uids(curated, target)
        return [target]
    with _whole_folder(target) as folder:
        WRITERS[format](curated, folder, source, rows)
    return sorted(path for path in target.rglob("*") if path.is_file())


@contextlib.contextmanager
def _whole_folder(target: Path) -> Iterator[Path]:
    """A folder beside `target` that becomes it when the block ends well, and is gone if it does not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield folder
        folder.chmod(0o755)
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read(curated: Path | pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The curated shards by name, in order, empty ones left out."""
    if isinstance(curated, pa.Table):
        parts = [("", "curated table", curated)]
    else:
        # a pool's folder may be called so too: Spark writes name.parquet/part-00000.parquet
        found = [path for path in curated.rglob("*.parquet") if path.is_file()]
        files = [curated] if curated.is_file() else sorted(found)
        if not files:
            raise InputError(str(curated), "no curated Parquet shards", "Curate the pool first.")
        parts = ((_name(path, curated), str(path), _read_file(path)) for path in files)  # type: ignore[assignment]
    for name, place, table in parts:
        missing = set(CURATED.names) - set(table.column_names)
        if missing:
            raise InputError(place, f"column '{min(missing)}' is missing", "Give a curated pool.")
        if table.num_rows:
            yield name, table


def _name(path: Path, root: Path) -> str:
    return path.stem if path == root else path.relative_to(root).with_suffix("").as_posix()


def _read_file(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(str(path), f"not a whole Parquet file ({error})", "Curate this shard again.") from error


def _pieces(curated: Path | pa.Table, rows: int) -> Iterator[pa.Table]:
    """Tables of exactly `rows` rows, the last one shorter, whatever the curated shards' sizes."""
    held: list[pa.Table] = []
    for _, table in _read(curated):
        held.append(table)
        while sum(part.num_rows for part in held) >= rows:
            whole = pa.concat_tables(held, promote_options="default")
            yield whole.slice(0, rows)
            held = [whole.slice(rows)]
    if sum(part.num_rows for part in held):
        yield pa.concat_tables(held, promote_options="default")


# ---------------------------------------------------------------------- writers


def _write_parquet(curated: Path | pa.Table, folder: Path, source: PoolSource | None, rows: int) -> None:
    for number, table in enumerate(_pieces(curated, rows)):
        write_table(table.combine_chunks(), folder / f"{number:05d}.parquet")


def _write_webdataset(curated: Path | pa.Table, folder: Path, source: PoolSource | None, rows: int) -> None:
    """One sample a pair: its image's bytes as they are, `.txt`, and `.json` with all columns.

    Images are met in the order of the source's tars, so that each tar is read once.
    """
    if source is None:
        raise InputError("export", "webdataset wants the images", "Give the pool that was curated as the source.")
    shards = {shard.name: shard for shard in source.shards}
    number = count = 0
    with contextlib.ExitStack() as stack:
        tar: tarfile.TarFile | None = None
        for name, table in _read(curated):
            for members in _samples(table, _images_of(shards, name)):
                if tar is None or count == rows:
                    stack.close()
                    temporary = stack.enter_context(atomic(folder / f"{number:05d}.tar"))
                    tar = stack.enter_context(tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT))
                    number, count = number + 1, 0
                for member, content in members:
                    info = tarfile.TarInfo(member)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
                count += 1


def _images_of(shards: Mapping[str, Shard], name: str) -> list[Shard]:
    """Where a curated shard's images lie: in the source's shard of its name, or else in any."""
    if name in shards:
        return [shards[name]]
    seen: dict[tuple[Path, ...] | str, Shard] = {}
    for shard in shards.values():
        seen.setdefault(shard.images or shard.name, shard)
    return list(seen.values())


def _samples(table: pa.Table, shards: list[Shard]) -> Iterator[list[tuple[str, bytes]]]:
    wanted: dict[str, list[int]] = {}
    for row, key in enumerate(table["image"].to_pylist()):
        wanted.setdefault(key, []).append(row)
    found: set[str] = set()
    for shard in shards:
        for key, extension, content in read_shard_images(shard, wanted.__contains__):
            if key in found:
                raise InputError(
                    shard.place, f"image '{key}' stands here and before", "Give each image a key of its own."
                )
            found.add(key)
            for row in table.take(wanted[key]).to_pylist():
                name = f"{row['pair_id']:016x}"
                fields = json.dumps(row, ensure_ascii=False, sort_keys=True, default=str).encode()
                yield [
                    (f"{name}.{extension}", content),
                    (f"{name}.txt", row["alt_text"].encode()),
                    (f"{name}.json", fields),
                ]
    missing = wanted.keys() - found
    if missing:
        raise InputError(
            "export",
            f"{len(missing)} of {len(wanted)} images are in none of the source's tars, such as '{min(missing)}'",
            "Give the pool that was curated as the source.",
        )


def _write_uids(curated: Path | pa.Table, target: Path) -> None:
    """The subset as a sorted array of uids, each once."""
    parts = []
    for name, table in _read(curated):
        if "uid" not in table.column_names:
            raise InputError(name or "curated table", "no column 'uid'", "Only a pool of CommonPool has uids.")
        parts.append(pack_uids(table["uid"], name))
    uids = np.unique(np.concatenate(parts)) if parts else np.zeros(0, UID)
    with atomic(target) as temporary, temporary.open("wb") as file:
        np.save(file, uids, allow_pickle=False)


def pack_uids(uids: pa.ChunkedArray, place: str = "uid") -> np.ndarray:
    """Uids as pairs of 64-bit numbers.

    Args:
        uids: strings of 32 hex digits.
        place: for the error.

    Returns:
        array [n] of dtype `u8,u8`: the first and the last 16 digits.

    Raises:
        InputError: a uid is no such string.
    """
    wrong = uids.filter(pc.invert(pc.fill_null(pc.match_substring_regex(uids, r"\A[0-9a-fA-F]{32}\z"), False)))
    if len(wrong):
        raise InputError(
            place, f"uid '{wrong[0].as_py()}' has not 32 hex digits", "Only CommonPool's uids can be packed."
        )
    halves = np.frombuffer(bytes.fromhex("".join(uids.to_pylist())), ">u8").astype("<u8")
    return halves.view(UID)


def _write_datasets(curated: Path | pa.Table, folder: Path, source: PoolSource | None, rows: int) -> None:
    """What `datasets.load_from_disk` reads; written stream by stream, so that a large pool fits."""
    files: list[str] = []
    features: datasets.Features | None = None
    for number, table in enumerate(_pieces(curated, rows)):
        if features is None:
            features = datasets.Features.from_arrow_schema(table.schema)
        files.append(f"data-{number:05d}.arrow")
        with atomic(folder / files[-1]) as temporary, pa.OSFile(str(temporary), "wb") as file:
            part = table.combine_chunks().select(list(features)).cast(features.arrow_schema)
            with pa.ipc.new_stream(file, features.arrow_schema) as stream:
                stream.write_table(part)
    if features is None:
        raise InputError("export", "the curated pool is empty", "Curate with a higher t, or another pool.")
    datasets.DatasetInfo(features=features).write_to_directory(str(folder))
    state: dict[str, Any] = {
        "_data_files": [{"filename": name} for name in files],
        "_fingerprint": "0" * 16,
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    write_json(state, folder / "state.json")


Writer = Callable[[Path | pa.Table, Path, PoolSource | None, int], None]
WRITERS: Mapping[str, Writer] = {
    "parquet": _write_parquet,
    "webdataset": _write_webdataset,
    "uids": lambda curated, target, source, rows: _write_uids(curated, target),
    "datasets": _write_datasets,
}
