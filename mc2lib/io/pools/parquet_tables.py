"""Parquet tables of pairs: the packaged pool's, CommonPool's and LAION's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.errors import InputError
from mc2lib.io.pools.shards import BYTES, REMEDY, Format, Reading, Shard, columns_of, image_columns, shard_name
from mc2lib.io.pools.standard_rows import (
    COLUMNS,
    MORE_TEXTS,
    RARE_TEXTS,
    TEXTS,
    clean_strings,
    count_pairs,
    drop_repeated_rows,
    standard_rows,
)
from mc2lib.schemas import POOL, check

if TYPE_CHECKING:
    pass


def _find_packaged(root: Path, files: Sequence[Path], split: str) -> list[Shard]:
    pairs = [path for path in files if path.name.startswith("pairs-") and path.suffix == ".parquet"]
    if not set(POOL.names) <= columns_of(pairs):
        return []
    tars = {path: path.parent for path in files if path.name.startswith("images-") and path.suffix == ".tar"}
    return [
        Shard(
            shard_name(path, root),
            "packaged",
            (path,),
            tuple(t for t, folder in tars.items() if folder == path.parent),
        )
        for path in pairs
    ]


def _find_tables(format: str, columns: set[str]) -> Callable[[Path, Sequence[Path], str], list[Shard]]:
    def find(root: Path, files: Sequence[Path], split: str) -> list[Shard]:
        tables = [path for path in files if path.suffix == ".parquet"]
        if not columns <= columns_of(tables) or image_columns(tables):  # `datasets` gives the images too
            return []
        return [Shard(shard_name(path, root), format, (path,)) for path in tables]

    return find


def _read_packaged(reading: Reading) -> Iterator[pa.Table]:
    for table in read_parquet(reading, POOL.names):
        reading.tally["rows"] += len(table)
        repeats = reading.pairs.meet(table["pair_id"].to_numpy().astype(np.uint64))
        table = drop_repeated_rows(reading, table, repeats)
        table = check(table, POOL, f"{reading.shard.place}, after row {reading.row}")
        for place, name in enumerate(table.column_names):
            if pa.types.is_string(POOL.field(name).type):
                table = table.set_column(place, POOL.field(name), clean_strings(table[name], reading))
        yield count_pairs(reading, table, 0)


def _read_table(reading: Reading) -> Iterator[pa.Table]:
    for table in read_parquet(reading):
        yield standard_rows(reading, table)


def read_parquet(reading: Reading, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield a shard's Parquet file in batches that fit in memory: `columns`, or those that a pair is made of."""
    path = reading.shard.paths[0]
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        names = list(columns or useful_columns(file.schema_arrow.names, reading.shard))
        missing = set(names) - set(file.schema_arrow.names)
        if missing:
            raise InputError(str(path), f"column '{min(missing)}' is missing", REMEDY)
        batch = min(reading.rows, _rows_within(file))
        for part in file.iter_batches(batch_size=batch, columns=names):
            yield pa.Table.from_batches([part])
            reading.row += part.num_rows


def useful_columns(names: Sequence[str], shard: Shard) -> list[str]:
    """The columns to read: never the images' bytes."""
    texts = {*TEXTS, *MORE_TEXTS, *RARE_TEXTS}
    known = {name for names in COLUMNS.values() for name in names} | texts | {"key", "status", "id"}
    return [name for name in names if name.lower() in known or name == shard.text]


def _rows_within(file: pq.ParquetFile) -> int:
    """How many rows of the file's longest row group hold `BYTES`.

    All columns count: asked for one column's size, pyarrow ends the process where the footer is damaged.
    """
    groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
    longest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=0)
    return max(1, int(BYTES / max(longest, 1)))


PACKAGED = Format("pairs-*.parquet with pair_id", _find_packaged, _read_packaged)
COMMONPOOL = Format(
    "Parquet with uid, url, text and no images", _find_tables("commonpool", {"uid", "url", "text"}), _read_table
)
LAION = Format("Parquet with URL, TEXT and no images", _find_tables("laion", {"url", "text"}), _read_table)
