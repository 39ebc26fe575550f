"""What img2dataset downloads: a Parquet table per shard, with the shard's tar if it wrote one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.io.pools.parquet_tables import read_parquet
from mc2lib.io.pools.shards import Format, Reading, Shard, columns_of, shard_name
from mc2lib.io.pools.standard_rows import standard_rows
from mc2lib.io.pools.webdataset import read_tar

if TYPE_CHECKING:
    pass


def _find(root: Path, files: Sequence[Path], split: str) -> list[Shard]:
    tables = [path for path in files if path.suffix == ".parquet" and path.stem.isdigit()]
    tars = [path for path in files if path.suffix == ".tar" and path.stem.isdigit()]
    stats = [path for path in files if path.name.endswith("_stats.json")]
    if not {"key", "status", "url"} <= columns_of(tables) and not (stats and tars):
        return []
    by_name: dict[str, list[Path]] = {}
    for path in tables + tars:  # the table goes before its tar
        by_name.setdefault(shard_name(path, root), []).append(path)
    return [
        Shard(name, "img2dataset", (found[0],), tuple(path for path in found if path.suffix == ".tar"))
        for name, found in by_name.items()
    ]


def _read(reading: Reading) -> Iterator[pa.Table]:
    if reading.shard.paths[0].suffix == ".tar":
        yield from read_tar(reading)
        return
    for table in read_parquet(reading):
        done = pc.fill_null(pc.equal(table["status"], "success"), False)
        reading.tally["dropped: not downloaded"] += table.num_rows - (pc.sum(done).as_py() or 0)
        # `width` is that of the resized image, `original_width` what the web had
        yield standard_rows(reading, table, done, key="key", texts=["caption"])


IMG2DATASET = Format("00000.parquet with key and status, or 00000_stats.json", _find, _read)
