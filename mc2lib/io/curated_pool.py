"""A curated pool's matched pairs, shard by shard: what every later step reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.io.files import read_table
from mc2lib.recipe.curation.balance import U64, Mask


def match_path(out: Path, name: str) -> Path:
    """Where a shard's matched pairs lie."""
    return out / "matches" / f"{name}.parquet"


def duplicates_path(out: Path) -> Path:
    """Where the ids of images lie that go as duplicates: uint64, in order; there is none unless it was asked."""
    return out / "balance" / "duplicates.bin"


def is_duplicate(out: Path, image_ids: U64) -> Mask:
    """Which images go as duplicates; the file is searched where it lies."""
    path = duplicates_path(out)
    if not path.exists() or not path.stat().st_size:
        return np.zeros(len(image_ids), bool)
    gone = np.memmap(path, np.uint64, "r")
    places = np.minimum(np.searchsorted(gone, image_ids), len(gone) - 1)
    return np.asarray(gone[places] == image_ids)


def read_matches(out: Path, name: str, columns: list[str] | None = None, dictionaries: Sequence[str] = ()) -> pa.Table:
    """A shard's matched pairs without those of duplicates; `columns` holds image_id. See `read_table`."""
    table = read_table(match_path(out, name), columns=columns, dictionaries=dictionaries)
    gone = is_duplicate(out, table["image_id"].to_numpy())
    return table.filter(pa.array(~gone)) if gone.any() else table


def count_values(column: pa.ChunkedArray | pa.Array) -> dict[str, int]:
    """How often each value of a column stands there."""
    return {row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()}
