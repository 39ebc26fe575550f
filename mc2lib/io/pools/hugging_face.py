"""What the `datasets` library saves or loads: save_to_disk, Parquet, JSON lines, CSV, image folders, the hub."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mc2lib.errors import InputError
from mc2lib.io.pools.parquet_tables import read_parquet, useful_columns
from mc2lib.io.pools.shards import (
    BROKEN,
    IMAGE,
    LOOSE_ROWS,
    REMEDY,
    Format,
    Reading,
    Shard,
    first_line,
    image_columns,
    list_files,
    shard_name,
    with_options,
)
from mc2lib.io.pools.standard_rows import standard_rows

if TYPE_CHECKING:
    import datasets

#: Files that `datasets` loads, and what it calls their kind.
LOADABLE = {".parquet": "parquet", ".jsonl": "json", ".csv": "csv"}


def _find_saved(root: Path, files: Sequence[Path], split: str) -> list[Shard]:
    """Arrow files of `save_to_disk`; of a dictionary of data sets those of one split."""
    states = [path for path in files if path.name == "state.json"]
    if len(states) > 1:
        states = [path for path in states if path.parent.name == split]
    shards = []
    for state in states:
        try:
            listed = json.loads(state.read_text(encoding="utf-8"))["_data_files"]
            arrows = [state.parent / part["filename"] for part in listed]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(str(state), f"no state of a saved data set ({error})", "Save it again.") from error
        shards += [Shard(shard_name(path, root), "datasets-saved", (path,)) for path in arrows]
    return shards


def _find_loadable(root: Path, files: Sequence[Path], split: str) -> list[Shard]:
    if not any(path.suffix in LOADABLE for path in files):
        return []
    return list(list_parts(str(root), split, {}))


def list_parts(name: str, split: str, options: Mapping[str, str | None]) -> tuple[Shard, ...]:
    """The shards of a data set on disk or on the hub, one per part that `datasets` can stream by itself."""
    parts = _load_streaming(name, split).num_shards
    shards = [
        Shard(f"{split}-{part:05d}-of-{parts:05d}", "datasets", dataset=name, split=split, part=part, parts=parts)
        for part in range(parts)
    ]
    return tuple(with_options(shard, options) for shard in shards)


def _load_streaming(name: str, split: str) -> datasets.IterableDataset:
    try:
        import datasets  # 70 MB in every worker, which most pools' readers do not need
    except ImportError as error:
        raise InputError(name, "needs the library datasets", "Install it: pip install datasets.") from error
    path = Path(name)
    files = [str(p) for p in list_files(path) if p.suffix in LOADABLE] if path.exists() else []
    try:
        if path.is_file():
            return datasets.load_dataset(LOADABLE[path.suffix], data_files={split: files}, split=split, streaming=True)
        return datasets.load_dataset(name, split=split, streaming=True)
    except Exception as error:  # the library and its network clients raise of every kind
        raise InputError(
            name, f"`datasets` cannot load split '{split}' ({first_line(error)})", "Check the name and the split."
        ) from error


def _read_saved(reading: Reading) -> Iterator[pa.Table]:
    for table in _read_arrow(reading.shard):
        yield _standard_rows(reading, table)
        reading.row += table.num_rows


def _read_arrow(shard: Shard) -> Iterator[pa.Table]:
    """Batches of an Arrow stream that ends with its end mark; without it Arrow reads a cut file as a short one."""
    path = shard.paths[0]
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - 8))
        if file.read() != b"\xff\xff\xff\xff\0\0\0\0":
            raise InputError(str(path), "the Arrow stream is cut: it has no end mark", REMEDY)
    with pa.memory_map(str(path)) as mapped, pa.ipc.open_stream(mapped) as stream:
        for batch in stream:
            yield pa.Table.from_batches([batch])


def _read_dataset(reading: Reading) -> Iterator[pa.Table]:
    for table in _stream(reading.shard, reading.loose_rows, images=False):
        yield _standard_rows(reading, table)
        reading.row += table.num_rows


def _stream(shard: Shard, rows: int, images: bool) -> Iterator[pa.Table]:
    try:
        streamed = _load_streaming(shard.dataset, shard.split).shard(shard.parts, shard.part)
        names = streamed.column_names
        if names and not images:
            streamed = streamed.select_columns(useful_columns(names, shard) or names)
        yield from streamed.with_format("arrow").iter(batch_size=rows)
    except (InputError, *BROKEN):
        raise
    except Exception as error:  # the library and its network clients raise of every kind
        raise InputError(shard.place, f"`datasets` cannot read it ({first_line(error)})", REMEDY) from error


def _row_keys(shard: Shard, start: int, rows: int) -> list[str]:
    """Keys of a data set's rows, which have none of their own: the shard's name and the row."""
    return [f"{shard.name}/{row:09d}" for row in range(start, start + rows)]


def _standard_rows(reading: Reading, table: pa.Table) -> pa.Table:
    keys = pa.array(_row_keys(reading.shard, reading.row, table.num_rows), pa.string())
    return standard_rows(reading, table.append_column("__key", keys), key="__key")


def read_column_images(shard: Shard, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str, bytes]]:
    """Yield (key, extension, bytes) of the wanted images of a data set's image column."""
    row = 0
    for table in _image_tables(shard):
        names = [n for n in table.column_names if n == shard.image or (not shard.image and n.lower() in IMAGE)]
        if not names:
            raise InputError(shard.place, "no column holds images", "Name it: open_pool(…, image=…).")
        own = table["key"].to_pylist() if shard.format == "img2dataset" else _row_keys(shard, row, table.num_rows)
        for key, value in zip(own, table[names[0]], strict=True):
            content = _image_bytes(shard, key, value.as_py()) if wanted(key) else None
            if content is not None:
                yield key, extension_of(content), content
        row += table.num_rows


def _image_tables(shard: Shard) -> Iterator[pa.Table]:
    if shard.format == "datasets-saved":
        yield from _read_arrow(shard)
    elif shard.format == "datasets":
        yield from _stream(shard, 256, images=True)
    else:
        yield from read_parquet(Reading(shard, LOOSE_ROWS, Counter()), ["key", image_columns(shard.paths)[0]])


def _image_bytes(shard: Shard, key: str, value: Any) -> bytes | None:
    """An image of a column; where only its path stands there, as in an imagefolder, that file's bytes.

    Raises:
        InputError: the path leads out of the pool: a stranger's table must not choose among this machine's files.
    """
    path = value.get("path") if isinstance(value, dict) else None
    content = value.get("bytes") if isinstance(value, dict) else value
    if content is None and path:
        folder = Path(shard.dataset or shard.paths[0].parent).absolute()
        file = Path(os.path.normpath(folder / path))
        if not file.is_relative_to(folder) or not file.is_file():
            fault = f"of image '{key}' only a path stands here, '{path}', which is no file of the pool"
            raise InputError(shard.place, fault, "Write the data set with `save_to_disk`, which puts the images in.")
        return file.read_bytes()
    return content if isinstance(content, bytes) else None


def extension_of(content: bytes) -> str:
    """The file extension of an encoded image by its first bytes; jpg where they say nothing."""
    known = {b"\x89PNG": "png", b"GIF8": "gif", b"RIFF": "webp", b"BM": "bmp"}
    return next((name for start, name in known.items() if content.startswith(start)), "jpg")


SAVED = Format("state.json of save_to_disk", _find_saved, _read_saved)
LOADED = Format("Parquet, JSON lines or CSV that `datasets` loads", _find_loadable, _read_dataset)
