"""A folder that `make curate` writes: where each of its files is, and the readers of what later steps need.

    OUT/matches/<metadata>/<shard>.parquet  matched pairs: MATCHES, image, text; uid and url where the pool has them
    OUT/counts/<metadata>/<shard>.parquet   how often each entry matched in the shard
    OUT/hashes/<metadata>/<shard>.parquet   hashes of the images of the matched pairs, where duplicates are to go
    OUT/index/                              what texts are matched with: an index per metadata, the merged list
    OUT/cache/                              digests of files as last seen, hashes of the evaluation's images
    OUT/quarantine.json                     shards that could not be read, and why
    OUT/held_out.json                       the share of the images that no training stream of any strategy sees
    OUT/strategies.csv                      strategies compared, if there are several

    OUT/<strategy>/curated/<epoch>/<shard>.parquet   CURATED; uid and url where the pool has them
    OUT/<strategy>/report.json, steps.parquet, languages.parquet, entries.parquet   what became of the pool
    OUT/<strategy>/balance/                 keep probabilities, images in several shards, duplicates
    OUT/<strategy>/duplicates/<shard>.parquet   how often each entry matched in pairs whose image goes
    OUT/<strategy>/runs/                    what `make train` writes, unless told otherwise

`<metadata>` is none, english, merged or own; `<strategy>` a name of `STRATEGIES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.errors import InputError
from mc2lib.io.column_files import Columns, open_columns
from mc2lib.io.files import read_json, read_table, write_json
from mc2lib.recipe.curation.algorithm import Codes, find_eligible
from mc2lib.recipe.curation.balance import U64, Floats, Mask
from mc2lib.recipe.curation.pair_ids import find_rows
from mc2lib.recipe.curation.strategies import STRATEGIES, MetadataChoice, Strategy, choose_strategies

EXTRAS = [pa.field("uid", pa.string()), pa.field("url", pa.string())]
#: A pair's image id, pair id, and shard.
KINDS = (np.uint64, np.uint64, np.int32)
AGAIN = "Run `make curate` again, which makes what is gone."


@dataclass(frozen=True)
class PoolFiles:
    """What the strategies of an output folder share."""

    out: Path

    def matches(self, metadata: MetadataChoice, shard: str) -> Path:
        """A shard's pairs that match a list; for `none` all its pairs."""
        return self.out / "matches" / metadata / f"{shard}.parquet"

    def counts(self, metadata: MetadataChoice, shard: str) -> Path:
        """How often each entry matched in a shard, by language (COUNTS)."""
        return self.out / "counts" / metadata / f"{shard}.parquet"

    def hashes(self, metadata: MetadataChoice, shard: str) -> Path:
        """Hashes of the images of a shard's matched pairs."""
        return self.out / "hashes" / metadata / f"{shard}.parquet"

    @property
    def index(self) -> Path:
        """The indices that texts are matched with."""
        return self.out / "index"

    @property
    def known(self) -> Path:
        """Sizes, times and digests of the pool's files as last seen."""
        return self.out / "cache" / "digests.json"

    @property
    def evaluation(self) -> Path:
        """Hashes of the images of the evaluation that is kept out."""
        return self.out / "cache" / "evaluation.npy"

    @property
    def quarantine(self) -> Path:
        """The shards that could not be read."""
        return self.out / "quarantine.json"

    @property
    def held_out(self) -> Path:
        """The share of the images that no training stream sees; there is none where training sees all."""
        return self.out / "held_out.json"

    @property
    def comparison(self) -> Path:
        """One row per strategy."""
        return self.out / "strategies.csv"


@dataclass(frozen=True)
class CuratedPool:
    """A pool as one strategy curated it, in an output folder."""

    out: Path
    strategy: Strategy

    @classmethod
    def at(cls, folder: Path) -> CuratedPool:
        """The pool whose `folder` is given; InputError if that is not named as a strategy is."""
        return cls(folder.parent, choose_strategies(folder.name)[0])

    def __str__(self) -> str:
        return str(self.folder)

    @property
    def folder(self) -> Path:
        """What is the strategy's own."""
        return self.out / self.strategy.name

    @property
    def shared(self) -> PoolFiles:
        """What it shares with other strategies."""
        return PoolFiles(self.out)

    def matches(self, shard: str) -> Path:
        """A shard's matched pairs."""
        return self.shared.matches(self.strategy.metadata, shard)

    def counts(self, shard: str) -> Path:
        """How often each entry matched in a shard."""
        return self.shared.counts(self.strategy.metadata, shard)

    def hashes(self, shard: str) -> Path:
        """Hashes of the images of a shard's matched pairs."""
        return self.shared.hashes(self.strategy.metadata, shard)

    def duplicate_counts(self, shard: str) -> Path:
        """The counts that a shard's duplicates take away."""
        return self.folder / "duplicates" / f"{shard}.parquet"

    def draw(self, epoch: int) -> Path:
        """The folder of an epoch's offline draw, one file per shard."""
        return self.folder / "curated" / str(epoch)

    def curated(self, shard: str, epoch: int) -> Path:
        """One shard's draw of an epoch."""
        return self.draw(epoch) / f"{shard}.parquet"

    @property
    def report(self) -> Path:
        """What became of the pool; it is there only when a curation has ended."""
        return self.folder / "report.json"

    @property
    def steps(self) -> Path:
        """The pairs left after each step."""
        return self.folder / "steps.parquet"

    @property
    def languages(self) -> Path:
        """The pairs left after each step, t and p, by language."""
        return self.folder / "languages.parquet"

    @property
    def entries(self) -> Path:
        """Every entry with its count and keep probability, one row group per group that is balanced."""
        return self.folder / "entries.parquet"

    @property
    def balance(self) -> Path:
        """Thresholds and what they follow from; its arrays are in `keep`."""
        return self.folder / "balance" / "keep.json"

    @property
    def keep(self) -> Path:
        """Keep probabilities of all entries, float64."""
        return self.balance.with_suffix(".npy")

    @property
    def repeats(self) -> Path:
        """What the pairs of images in several shards (KINDS, in a .bin file of that name) were made from."""
        return self.folder / "balance" / "repeats.json"

    @property
    def duplicates(self) -> Path:
        """What the ids of images that go as duplicates (uint64, in order, in a .bin file of that name) follow from."""
        return self.folder / "balance" / "duplicates.json"


def open_curated(out: Path, strategy: str | None = None) -> CuratedPool:
    """The pool that a strategy curated; without a name the recipe's, or the only one there.

    Raises:
        InputError: there is no such strategy, or no finished curation by it.
    """
    if strategy is not None:
        pool = CuratedPool(out, choose_strategies(strategy)[0])
    else:
        found = [name for name in STRATEGIES if CuratedPool(out, STRATEGIES[name]).report.exists()]
        if len(found) > 1 and "isolated" not in found:
            fault = f"holds {', '.join(found)}, and none is named"
            raise InputError(str(out), fault, f"Choose one: --strategy {found[0]}.")
        pool = CuratedPool(out, STRATEGIES[found[0] if len(found) == 1 else "isolated"])
    read_report(pool)
    return pool


def read_report(pool: CuratedPool) -> dict[str, Any]:
    """What a finished curation says of itself: params, shards, t; InputError if there is none."""
    if not pool.report.exists():
        remedy = "Run `make curate POOL=...` to its end first"
        remedy += "." if pool.strategy.name == "isolated" else f', with ARGS="--strategy {pool.strategy.name}".'
        raise InputError(str(pool.out), "no curated pool here", remedy)
    report: dict[str, Any] = read_json(pool.report)
    return report


def pool_identity(pool: CuratedPool) -> dict[str, Any]:
    """What a curated pool's draws follow from.

    Returns:
        the digests of its keep probabilities and of its images in several shards, its shards and its seed; and the
        share of the images that are held out, if any are.

    Raises:
        InputError: there is no finished curated pool.
    """
    report = read_report(pool)
    found = {"shards": report["shards"], "seed": report["params"]["seed"]}
    for name, path in (("keep", pool.balance), ("repeats", pool.repeats)):
        if not path.exists():
            raise InputError(str(path), "no such file", AGAIN)
        found[name] = read_json(path)["from"]
    if share := read_held_out(pool):
        found["held_out"] = share
    return found


def read_held_out(pool: CuratedPool) -> float:
    """The share of a curated pool's images that no training stream sees; 0 where none are held out."""
    path = pool.shared.held_out
    return float(read_json(path)["share"]) if path.exists() else 0.0


def hold_out(pool: CuratedPool, share: float, run: Path | None = None) -> None:
    """Hold a share of a curated pool's images out of all training from now on, for evaluation.

    All strategies of an output folder share it. It cannot be changed later, and a pool that a run has seen whole holds
    nothing out: what was trained on is no test.

    Args:
        pool: a curated pool.
        share: of its images, 0 to 1; 0 holds none out.
        run: a run's folder outside the pool's own, which may have seen the pool whole too.

    Raises:
        InputError: the share is not between 0 and 1, or another share was held out before.
    """
    path, before = pool.shared.held_out, read_held_out(pool)
    if not 0 <= share < 1:
        raise InputError("--hold-out", f"{share:g} is no share of the images", "Give one from 0 to below 1.")
    if path.exists():
        if before != share:
            fault = f"{before:g} of the images are held out already, not {share:g}"
            raise InputError(str(path), fault, f"Add --hold-out {before:g}; or curate into another OUT.")
        return
    seen_whole = any(pool.out.glob("*/runs/**/recipe.json")) or (run is not None and (run / "recipe.json").exists())
    if share and not seen_whole:
        write_json({"share": share}, path)


def is_duplicate(pool: CuratedPool, image_ids: U64) -> Mask:
    """Which images go as duplicates; their file is searched without being read whole."""
    path = pool.duplicates.with_suffix(".bin")
    if not path.exists() or not path.stat().st_size:
        return np.zeros(len(image_ids), bool)
    gone = np.memmap(path, np.uint64, "r")
    places = np.minimum(np.searchsorted(gone, image_ids), len(gone) - 1)
    return np.asarray(gone[places] == image_ids)


def read_eligible(
    pool: CuratedPool, shard: str, columns: list[str] | None = None, dictionaries: Sequence[str] = ()
) -> pa.Table:
    """A shard's matched pairs that the strategy looks at. See `read_table`."""
    eligible = pool.strategy.eligible == "all"
    wanted = columns if eligible or columns is None else list({"language": None, **dict.fromkeys(columns)})
    table = read_table(pool.matches(shard), columns=wanted, dictionaries=dictionaries)
    mask = find_eligible(table["language"], pool.strategy) if not eligible else None
    table = table if mask is None else table.filter(pa.array(mask))
    return table if columns is None else table.select(columns)


def read_matches(
    pool: CuratedPool, shard: str, columns: list[str] | None = None, dictionaries: Sequence[str] = ()
) -> pa.Table:
    """`read_eligible` without the pairs of duplicates; `columns` holds image_id."""
    table = read_eligible(pool, shard, columns, dictionaries)
    gone = is_duplicate(pool, table["image_id"].to_numpy())
    return table.filter(pa.array(~gone)) if gone.any() else table


def count_values(column: pa.ChunkedArray | pa.Array) -> dict[str, int]:
    """How often each value of a column occurs."""
    return {row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()}


@dataclass(frozen=True)
class Keep:
    """Keep probabilities of all entries, memory-mapped: see `keep_entries`."""

    groups: tuple[str, ...]
    ends: Codes
    keep: Floats


def open_keep(pool: CuratedPool) -> Keep:
    """The keep probabilities of a curated pool's entries; InputError if there are none."""
    facts = read_json(pool.balance)
    keep = np.load(pool.keep, mmap_mode="r", allow_pickle=False)
    return Keep(tuple(facts["groups"]), np.array(facts["ends"], np.int64), keep)


def open_repeats(pool: CuratedPool) -> Columns:
    """KINDS, memory-mapped: image ids in order, pair ids, shard numbers; InputError if there is no such file."""
    path = pool.repeats.with_suffix(".bin")
    if not path.exists():
        raise InputError(str(path), "no such file", AGAIN)
    return open_columns(path, KINDS)


def read_rivals(pool: CuratedPool, place: int, image_ids: U64) -> tuple[U64, U64, Mask]:
    """The pairs of other shards that compete for a shard's images, see `draw_among`.

    Args:
        pool: a curated pool.
        place: the shard's number in the order of names.
        image_ids: uint64, the images of its matched pairs.
    """
    images, pairs, shards = open_repeats(pool)
    wanted = np.sort(image_ids)
    wanted = wanted[np.concatenate([[True], wanted[1:] != wanted[:-1]])] if len(wanted) else wanted
    rows = find_rows(np.asarray(images), wanted) if len(images) else np.zeros(0, np.int64)
    rows = rows[shards[rows] != place]
    return images[rows], pairs[rows], shards[rows] < place
