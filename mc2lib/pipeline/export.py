"""Exports: a curated pool in the layouts that the field's tools read: `make export POOL=… AS=… TO=…`.

Tasks write the curated shards, some together, as files of so many pairs; the target is there when all are.
Until then they stand in a hidden folder beside it, from which a killed export goes on.

    webdataset   00000.tar … with each pair's image as it is, .txt and .json, and sizes.json, as open_clip reads them
    parquet      00000.parquet …, all columns
    datasets     a folder for `datasets.load_from_disk`
    uids         one sorted .npy of CommonPool's uids, as DataComp's tools read a subset
"""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, count, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mc2lib.engine.lock import CLAIMED, claim
from mc2lib.engine.shard_runs import run_missing
from mc2lib.errors import InputError, nearest
from mc2lib.io.column_files import count_ranges, group_shards, read_range, write_columns
from mc2lib.io.files import atomic, digest, file_digest, read_json, remove_written, write_json, write_table
from mc2lib.io.pools.open_pool import read_shard_images
from mc2lib.io.pools.shards import PoolSource, Shard
from mc2lib.io.provenance import stamp, tell_full_disk
from mc2lib.params import Machine
from mc2lib.schemas import CURATED

#: Pairs of a written file.
ROWS = 10_000
#: A subset as DataComp's tools read it: the two halves of each uid, sorted.
UID = np.dtype("u8,u8")
#: Columns of the files that its parts stand in until they are put together.
HALVES = (np.uint64, np.uint64)
#: Uids that are sorted at once when they are.
UIDS_AT_ONCE = 1 << 24

#: The names of all that an export in the making holds.
WRITTEN = r"\d+\.(tar|parquet|bin|json)|data-\d+\.arrow|(made|sizes|state|dataset_info)\.json|uids\.(npy|body)"

U64 = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class _Part:
    """What a task writes: some curated shards, as files from number `first` on."""

    format: str
    folder: Path
    first: int
    rows: int
    schema: pa.Schema
    curated: tuple[Path, ...]
    images: tuple[tuple[Shard, ...], ...]
    """By the curated shard, the pool's shards that may hold its images."""


@dataclass(frozen=True)
class WritePart:
    """A task: write a part of an export, and then `path`, a JSON file that says it is done."""

    path: Path
    part: _Part


def export_pool(
    curated: Path, format: str, target: Path, machine: Machine, source: PoolSource | None = None, rows: int = ROWS
) -> list[Path]:
    """Write curated pairs in another layout; the same bytes from the same pairs, whatever the engine.

    Args:
        curated: a folder of Parquet shards, or one: CURATED and any more columns. `curate_pool` writes them, to
            curated/<epoch>; leave out what rows you like. Shards keep the names of the pool's, or the images of
            each are looked for in all of the pool's tars.
        format: parquet, webdataset, uids or datasets.
        target: a folder that does not exist yet; for uids a .npy file.
        machine: engine and workers.
        source: the pool that was curated; webdataset copies its images' bytes.
        rows: pairs of a written file, at most.

    Returns:
        the files written, sorted.

    Raises:
        InputError: the target exists, the format is unknown, there are no pairs, a shard is broken or changed
            meanwhile, an image is in no tar, another run writes this target, the disk is full, or (uids) a pair
            has no uid of 32 hex digits.
    """
    if format not in WRITERS:
        raise InputError("format", f"no export format '{format}'", nearest(format, WRITERS))
    if rows < 1:
        raise InputError("rows", f"{rows} is not above zero", "10,000 pairs a file are usual.")
    if target.exists():
        raise InputError(str(target), "exists already", "Move it away or give another target.")
    if format == "webdataset" and source is None:
        raise InputError("export", "webdataset wants the images", "Give the pool that was curated as the source.")
    work = target.resolve().parent / f".{target.name}.export"
    files, schema = _list_curated(curated, format)
    parts = _plan(files, schema, curated, format, work / "files", source, rows)
    with claim(work):
        made = _digest(parts)
        if not (work / "made.json").exists() or read_json(work / "made.json") != made:
            for left in ("files", "done"):
                remove_written(work / left, WRITTEN)
            write_json(made, work / "made.json")
        tasks = [WritePart(work / "done" / f"{number}.json", part) for number, part in enumerate(parts)]
        run_missing(write_part, tasks, machine, f"export {format}", "parts")
        if _digest(parts) != made:
            raise InputError(str(curated), "it, or its pool, changed meanwhile", "Run again when nothing writes there.")
        sizes = {name: size for task in tasks for name, size in read_json(task.path).items()}
        _finish(format, work / "files", sizes, schema)
        whole = work / "files" / "uids.npy" if format == "uids" else work / "files"
        if target.exists():
            raise InputError(str(target), "appeared while it was written", "Move it away and run again.")
        whole.rename(target)
    remove_written(work, f"{WRITTEN}|{CLAIMED}")
    return sorted(path for path in target.rglob("*") if path.is_file()) if target.is_dir() else [target]


def _list_curated(curated: Path, format: str) -> tuple[dict[Path, int], pa.Schema]:
    """The curated shards that are not empty, in order, with their pairs; and a schema that all of them fit."""
    # a pool's folder may be called so too: Spark writes name.parquet/part-00000.parquet
    found = [path for path in sorted(curated.rglob("*.parquet")) if path.is_file()]
    sizes: dict[Path, int] = {}
    schemas: dict[Path, pa.Schema] = {}
    for path in [curated] if curated.is_file() else found:
        try:
            facts = pq.read_metadata(path)
        except (pa.ArrowException, OSError) as error:
            raise InputError(str(path), f"not a whole Parquet file ({error})", "Curate this shard again.") from error
        schemas[path] = facts.schema.to_arrow_schema().remove_metadata()
        for name in (*CURATED.names, *(["uid"] if format == "uids" else [])):
            if name not in schemas[path].names:
                remedy = "Only a pool of CommonPool has uids." if name == "uid" else "Give a curated pool."
                raise InputError(str(path), f"column '{name}' is missing", remedy)
        if facts.num_rows:
            sizes[path] = facts.num_rows
    if not sizes:
        raise InputError(str(curated), "no curated pairs here", "Curate the pool first, or with a higher t.")
    try:
        return sizes, pa.unify_schemas([schemas[path] for path in sizes])
    except pa.ArrowException as error:
        remedy = "Write them all with the same columns and types."
        raise InputError(str(curated), f"its shards differ in their columns ({error})", remedy) from error


def _plan(
    files: Mapping[Path, int],
    schema: pa.Schema,
    curated: Path,
    format: str,
    folder: Path,
    source: PoolSource | None,
    rows: int,
) -> list[_Part]:
    paths, sizes = list(files), list(files.values())
    shards = {shard.name: shard for shard in source.shards} if source else {}
    every = tuple({shard.images or (shard.name,): shard for shard in shards.values()}.values())

    def images_of(path: Path) -> tuple[Shard, ...]:
        name = path.stem if path == curated else path.relative_to(curated).with_suffix("").as_posix()
        return (shards[name],) if name in shards else every

    groups = group_shards(sizes, rows)
    written = [-(-sum(sizes[group]) // rows) for group in groups]
    return [
        _Part(format, folder, first, rows, schema, tuple(paths[group]), tuple(map(images_of, paths[group])))
        for group, first in zip(groups, accumulate(written, initial=0), strict=False)
    ]


def _digest(parts: Sequence[_Part]) -> str:
    """Of all that shapes the export: how it is written, and the files that are read, as they are now."""
    pool = {
        path for part in parts for shards in part.images for shard in shards for path in (*shard.paths, *shard.images)
    }
    read = [*sorted(pool), *(path for part in parts for path in part.curated)]
    about = [parts[0].format, parts[0].rows, [(str(path), stamp(path)) for path in read]]
    return digest({"export": about})


def write_part(task: WritePart) -> None:
    """Write the files of a part, and then how many pairs each holds.

    Raises:
        InputError: a shard is broken, or an image is not there.
    """
    pa.set_cpu_count(1)
    with tell_full_disk(task.path.parent.parent):
        write_json(WRITERS[task.part.format](task.part), task.path)


def _tables(part: _Part) -> Iterator[pa.Table]:
    """The curated shards of a part, all with the columns that any shard of the export has."""
    for path in part.curated:
        try:
            table = pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            raise InputError(str(path), f"not a whole Parquet file ({error})", "Curate this shard again.") from error
        yield pa.concat_tables([part.schema.empty_table(), table], promote_options="default").select(part.schema.names)


def _pieces(part: _Part) -> Iterator[tuple[str, pa.Table]]:
    """The number of each file, five digits, and its pairs."""
    whole = pa.concat_tables(_tables(part))
    for number, start in enumerate(range(0, len(whole), part.rows), part.first):
        yield f"{number:05d}", whole.slice(start, part.rows).combine_chunks()


# ---------------------------------------------------------------------- writers


def _write_parquet(part: _Part) -> dict[str, int]:
    sizes = {}
    for number, table in _pieces(part):
        write_table(table, part.folder / f"{number}.parquet")
        sizes[f"{number}.parquet"] = len(table)
    return sizes


def _write_webdataset(part: _Part) -> dict[str, int]:
    """One sample a pair: its image's bytes as they are, `.txt`, and `.json` with all columns.

    Images are met in the order of the source's tars, so that each tar is read once.
    """
    shards = zip(part.curated, _tables(part), part.images, strict=True)
    samples = chain.from_iterable(_samples(path, table, images) for path, table, images in shards)
    sizes: dict[str, int] = {}
    for number in count(part.first):
        first = next(samples, None)
        if first is None:
            break
        path = part.folder / f"{number:05d}.tar"
        with atomic(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            sizes[path.name] = sum(_add(tar, sample) for sample in chain([first], islice(samples, part.rows - 1)))
    return sizes


Sample = list[tuple[str, bytes]]


def _add(tar: tarfile.TarFile, sample: Sample) -> int:
    for member, content in sample:
        info = tarfile.TarInfo(member)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return 1


def _samples(path: Path, table: pa.Table, shards: Sequence[Shard]) -> Iterator[Sample]:
    """The members of each pair's sample."""
    wanted: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        wanted.setdefault(row["image"], []).append(row)
    found: set[str] = set()
    for shard in shards:
        for key, extension, content in read_shard_images(shard, wanted.__contains__):
            if key in found:
                fault = f"image '{key}' stands here and before"
                raise InputError(shard.place, fault, "Give each image a key of its own.")
            found.add(key)
            for row in wanted[key]:
                name = f"{row['pair_id']:016x}"
                fields = json.dumps(row, ensure_ascii=False, sort_keys=True, default=str).encode()
                yield [
                    (f"{name}.{extension}", content),
                    (f"{name}.txt", row["alt_text"].encode()),
                    (f"{name}.json", fields),
                ]
    missing = wanted.keys() - found
    if missing:
        fault = f"{len(missing)} of {len(wanted)} images are in none of the source's tars, such as '{min(missing)}'"
        raise InputError(str(path), fault, "Give the pool that was curated as the source.")


def _write_uids(part: _Part) -> dict[str, int]:
    """The part's uids, each once and sorted, in two columns: `_finish` puts the parts together."""
    places = zip(part.curated, _tables(part), strict=True)
    uids = np.concatenate([pack_uids(table["uid"], str(path)) for path, table in places])
    high, low = _unique(uids["f0"], uids["f1"])
    name = f"{part.first:05d}.bin"
    write_columns(part.folder / name, [high, low])
    return {name: len(high)}


def _unique(high: U64, low: U64) -> tuple[U64, U64]:
    """Pairs of halves in order, each once. Uids are digests: hardly two share a half, so the order of it is most."""
    order = np.lexsort((low, high))
    high, low = high[order], low[order]
    new = np.ones(len(high), bool)
    new[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return high[new], low[new]


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


def _write_arrow(part: _Part) -> dict[str, int]:
    """Arrow streams, as `datasets` maps them."""
    from datasets import Features  # a second and 70 MB, for this format alone

    schema = Features.from_arrow_schema(part.schema).arrow_schema
    sizes = {}
    for number, table in _pieces(part):
        path = part.folder / f"data-{number}.arrow"
        with atomic(path) as temporary, pa.OSFile(str(temporary), "wb") as file, pa.ipc.new_stream(file, schema) as out:
            out.write_table(table.cast(schema))
        sizes[path.name] = len(table)
    return sizes


WRITERS: Mapping[str, Callable[[_Part], dict[str, int]]] = {
    "parquet": _write_parquet,
    "webdataset": _write_webdataset,
    "uids": _write_uids,
    "datasets": _write_arrow,
}


# ---------------------------------------------------------------------- the whole


def _finish(format: str, folder: Path, sizes: Mapping[str, int], schema: pa.Schema) -> None:
    """Write what stands once in an export, from the files of all parts and the pairs that each holds."""
    if format == "webdataset":
        write_json(sizes, folder / "sizes.json")
    elif format == "datasets":
        _describe_dataset(folder, list(sizes), schema)
    elif format == "uids":
        _join_uids([folder / name for name in sizes], sum(sizes.values()), folder / "uids.npy")


def _describe_dataset(folder: Path, files: Sequence[str], schema: pa.Schema) -> None:
    from datasets import DatasetInfo, Features

    DatasetInfo(features=Features.from_arrow_schema(schema)).write_to_directory(str(folder))
    # `datasets` finds what it computed before by this: of two exports joined, each must be known by its content
    content = digest({"files": [file_digest(folder / name) for name in files]})
    state: dict[str, Any] = {
        "_data_files": [{"filename": name} for name in files],
        "_fingerprint": content[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    write_json(state, folder / "state.json")


def _join_uids(parts: Sequence[Path], size: int, target: Path, at_once: int = UIDS_AT_ONCE) -> None:
    """Put parts of sorted uids together as one sorted array, range by range; what many parts hold stands once."""
    ranges = count_ranges(size, at_once)
    total, body = 0, target.with_suffix(".body")
    with body.open("wb") as file:
        for number in range(ranges):
            uids = np.stack(_unique(*read_range(parts, HALVES, number, ranges)), axis=1)
            file.write(uids.astype("<u8").tobytes())
            total += len(uids)
    header = {"descr": np.lib.format.dtype_to_descr(UID), "fortran_order": False, "shape": (total,)}
    with atomic(target) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        with body.open("rb") as content:
            shutil.copyfileobj(content, file, 1 << 24)
