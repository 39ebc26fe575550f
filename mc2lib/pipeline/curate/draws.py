"""Drawing epochs from a pool's matched pairs: one text an image, then each pair with its keep probability.

Offline, `sample_shard` writes a shard's draws. Online, a training stream calls `draw_shards` with each
epoch's number. Both draw with the same functions, so an epoch is the same either way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mc2lib.engine.lock import read_made, write_made
from mc2lib.engine.shard_runs import Stop, no_room
from mc2lib.errors import InputError
from mc2lib.io.curated_pool import count_values, read_matches
from mc2lib.io.files import read_json
from mc2lib.pipeline.curate.cross_shard_images import read_rivals
from mc2lib.recipe.curation.algorithm import Codes, draw_epoch, draw_steps, keep_pairs
from mc2lib.recipe.curation.balance import U64, Floats, Mask
from mc2lib.schemas import CURATED

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
    return found


# ---------------------------------------------------------------------- sample


def sample_shard(task: tuple[Path, str, int, str, int, int]) -> dict[str, Any] | Stop:
    """Draw a shard's pairs for every epoch; write them (CURATED) unless they are there.

    Args:
        task: output folder, the shard's name and number, digest of all that shapes the draw, seed, epochs.
    """
    out, name, place, made, seed, epochs = task
    pa.set_cpu_count(1)
    tallies: dict[str, Any] = {}
    wanted = [epoch for epoch in range(epochs) if read_made(curated_path(out, name, epoch)).get("from") != made]
    for epoch in set(range(epochs)) - set(wanted):
        tallies[str(epoch)] = read_made(curated_path(out, name, epoch))["tally"]
    if wanted:
        pairs = read_candidates(out, name)
        rivals = read_rivals(out, place, pairs["image_id"].to_numpy())
        try:
            for epoch in wanted:
                tallies[str(epoch)] = _write_epoch(out, name, made, pairs, rivals, seed, epoch)
        except OSError as error:
            return no_room(out, error)
    return tallies


def _write_epoch(
    out: Path, name: str, made: str, pairs: pa.Table, rivals: tuple[U64, U64, Mask], seed: int, epoch: int
) -> dict[str, Any]:
    drawn, kept = draw_steps(pairs, seed, epoch, rivals)
    steps = {"matched": np.ones(len(pairs), bool), "drawn": drawn, "kept": kept}
    counted = {step: count_values(pairs["language"].filter(pa.array(mask))) for step, mask in steps.items()}
    tally = {name: {step: found.get(name, 0) for step, found in counted.items()} for name in sorted(counted["matched"])}
    table = _take_kept(pairs, kept)
    with write_made(curated_path(out, name, epoch), table.schema, {"from": made, "tally": tally}) as writer:
        writer.write_table(table)
    return tally


def curated_path(out: Path, name: str, epoch: int) -> Path:
    """Where a shard's draw of an epoch lies."""
    return out / "curated" / str(epoch) / f"{name}.parquet"


def read_candidates(out: Path, name: str) -> pa.Table:
    """A shard's matched pairs with their keep probabilities: what every epoch draws from.

    Args:
        out: a curated pool.
        name: of the shard.

    Returns:
        CURATED's columns, uid and url where the pool has them, and image_id, in the pool's order; strings may be
        dictionaries of them, as most pairs will not be drawn.
    """
    matches = read_matches(out, name, dictionaries=["image", "alt_text"])
    keep = open_keep(out)
    probability = keep_pairs(matches, keep.groups, keep.ends, keep.keep)
    pairs = matches.append_column("keep_probability", pa.array(probability))
    return pairs.drop_columns(["entries"])


def _take_kept(pairs: pa.Table, kept: Mask) -> pa.Table:
    """The kept ones of `read_candidates`: CURATED, and uid and url where the pool has them."""
    extras = [field for field in EXTRAS if field.name in pairs.column_names]
    schema = pa.schema([*CURATED, *extras])
    return pairs.select(schema.names).filter(pa.array(kept)).cast(schema)


def draw_shards(out: Path, seed: int, epoch: int) -> Iterator[pa.Table]:
    """Yield the pairs that any epoch of a curated pool keeps, shard by shard: curation online.

    A training stream calls this with each epoch's number. Epochs that were written offline come out
    the same.

    Args:
        out: of `curate_pool`.
        seed: of the curation, for the same draws as offline.
        epoch: any number from 0.

    Raises:
        InputError: there is no finished curated pool.
    """
    for place, name in enumerate(read_report(out)["shards"]):
        yield draw_shard(out, name, place, seed, epoch)


def draw_shard(out: Path, name: str, place: int, seed: int, epoch: int) -> pa.Table:
    """The pairs that an epoch keeps of one shard; `place` is its number in the report's list. See `draw_shards`."""
    pairs = read_candidates(out, name)
    rivals = read_rivals(out, place, pairs["image_id"].to_numpy())
    return _take_kept(pairs, draw_epoch(pairs, seed, epoch, rivals))
