"""A curated pool's matched pairs, shard by shard: what every later step reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.errors import InputError
from mc2lib.io.column_files import (
    Columns,
    open_columns,
)
from mc2lib.io.files import read_json, read_table, write_json
from mc2lib.recipe.curation.algorithm import Codes
from mc2lib.recipe.curation.balance import U64, Floats, Mask
from mc2lib.recipe.curation.pair_ids import find_rows


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


#: Says which share of the images is held out of training.
HELD_OUT = "held_out.json"
EXTRAS = [pa.field("uid", pa.string()), pa.field("url", pa.string())]


@dataclass(frozen=True)
class Keep:
    """Keep probabilities of all entries, memory-mapped: see `keep_entries`."""

    made: str
    groups: tuple[str, ...]
    ends: Codes
    keep: Floats


def open_keep(out: Path) -> Keep:
    """The keep probabilities of a curated pool's entries; InputError if there are none."""
    facts = read_json(out / "balance" / "keep.json")
    keep = np.load(out / "balance" / "keep.npy", mmap_mode="r", allow_pickle=False)
    return Keep(facts["made"], tuple(facts["groups"]), np.array(facts["ends"], np.int64), keep)


def read_report(out: Path) -> dict[str, Any]:
    """What a finished curation says of itself: params, shards, t; InputError if there is none in `out`."""
    if not (out / "report.json").exists():
        raise InputError(str(out), "no curated pool here", "Run `make curate POOL=...` to its end first.")
    report: dict[str, Any] = read_json(out / "report.json")
    return report


def pool_identity(out: Path) -> dict[str, Any]:
    """What a curated pool's draws follow from: keep probabilities, images in several shards, shards and seed.

    Raises:
        InputError: there is no finished curated pool.
    """
    report = read_report(out)
    found = {"shards": report["shards"], "seed": report["params"]["seed"]}
    for name, key in (("keep", "made"), ("repeats", "from")):
        path = out / "balance" / f"{name}.json"
        if not path.exists():
            raise InputError(str(path), "no such file", "Run `make curate POOL=...` to its end first.")
        found[name] = read_json(path)[key]
    if share := read_held_out(out):
        found["held_out"] = share
    return found


def read_held_out(out: Path) -> float:
    """The share of a curated pool's images that no training stream sees; 0 where none are held out."""
    path = out / HELD_OUT
    return float(read_json(path)["share"]) if path.exists() else 0.0


def hold_out(out: Path, share: float) -> None:
    """Hold a share of a curated pool's images out of all training from now on, for evaluation.

    Once said it stays, and a pool that a run has seen whole holds nothing out: what was trained on is no test.

    Args:
        out: a curated pool.
        share: of its images, 0 to 1; 0 holds none out.

    Raises:
        InputError: another share was held out before.
    """
    path = out / HELD_OUT
    if path.exists():
        before = read_held_out(out)
        if before != share:
            fault = f"{before:g} of the images are held out already, not {share:g}"
            raise InputError(str(path), fault, f"Add --hold-out {before:g}; or curate into another OUT.")
    elif share and not any((out / "runs").glob("**/recipe.json")):
        write_json({"share": share}, path)


def draw_folder(out: Path, epoch: int) -> Path:
    """The folder of an epoch's offline draw, one file per shard."""
    return out / "curated" / str(epoch)


def curated_path(out: Path, name: str, epoch: int) -> Path:
    """The file of one shard's draw of an epoch."""
    return draw_folder(out, epoch) / f"{name}.parquet"


#: A pair's image id, pair id, and shard.
KINDS = (np.uint64, np.uint64, np.int32)


def open_repeats(out: Path) -> Columns:
    """KINDS, memory-mapped: image ids in order, pair ids, shard numbers; InputError if there is no such file."""
    path = out / "balance" / "repeats.bin"
    if not path.exists():
        raise InputError(str(path), "no such file", "Run `make curate` again.")
    return open_columns(path, KINDS)


def read_rivals(out: Path, place: int, image_ids: U64) -> tuple[U64, U64, Mask]:
    """The pairs of other shards that compete for a shard's images, see `draw_among`.

    Args:
        out: a curated pool.
        place: the shard's number in the order of names.
        image_ids: uint64, the images of its matched pairs.
    """
    images, pairs, shards = open_repeats(out)
    wanted = np.sort(image_ids)
    wanted = wanted[np.concatenate([[True], wanted[1:] != wanted[:-1]])] if len(wanted) else wanted
    rows = find_rows(np.asarray(images), wanted) if len(images) else np.zeros(0, np.int64)
    rows = rows[shards[rows] != place]
    return images[rows], pairs[rows], shards[rows] < place
