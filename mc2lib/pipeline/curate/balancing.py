"""The balance step: counts of all shards added up, thresholds set, keep probabilities and the entry table written."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from mc2lib.errors import InputError
from mc2lib.io.code_digest import code_digest
from mc2lib.io.curated_pool import CuratedPool
from mc2lib.io.files import atomic, read_table
from mc2lib.io.provenance import Made, Record, read_made, reuse_or_make, write_made
from mc2lib.params import CuratePool, Machine
from mc2lib.pipeline.curate.count_reduction import add_up
from mc2lib.pipeline.curate.sampling import SAMPLING
from mc2lib.pipeline.curate.setup import CHANGED, CHANGED_REMEDY, Setup, refuse_change
from mc2lib.recipe.curation.algorithm import Balance, Codes, balance_counts, group_sizes, keep_entries
from mc2lib.recipe.curation.balance import Counts, Floats
from mc2lib.schemas import METADATA

ENTRIES = pa.schema(
    [
        ("language", pa.dictionary(pa.int32(), pa.string())),
        ("entry_id", pa.int32()),
        METADATA.field("entry"),
        ("source", pa.dictionary(pa.int32(), pa.string())),
        ("count", pa.int64()),
        ("keep_probability", pa.float64()),
    ]
)


def balance_shards(
    pool: CuratedPool,
    setup: Setup,
    shards: Sequence[str],
    params: CuratePool,
    machine: Machine,
    duplicates: str = "",
) -> Made:
    """Add up the counts of the shards, set thresholds, write keep probabilities and the entry table.

    Args:
        pool: that is being curated.
        setup, shards, params, machine: of the run.
        duplicates: digest of the images that go; the matches of their pairs are taken off the counts.

    Returns:
        the record of the keep probabilities: groups, ends, t, p.

    Raises:
        InputError: a count file was made of another shard or metadata, or the thresholds cannot be set.
    """
    t_en = None if params.t_en == "auto" else params.t_en
    inputs = {
        "code": code_digest(*SAMPLING),
        "strategy": dataclasses.asdict(pool.strategy),
        "counts": {name: read_made(pool.counts(name)).get("from") for name in shards},
        "t_en": t_en,
        "p": params.tail_share,
        "metadata": list(setup.digests.items()),
        "duplicates": duplicates,
    }

    def make(record: Record) -> None:
        balance = balance_counts(
            _add_up(pool, setup, shards, machine, duplicates), pool.strategy, t_en, params.tail_share
        )
        keep, ends = keep_entries(balance)
        with atomic(pool.keep) as temporary, temporary.open("wb") as file:
            np.save(file, keep, allow_pickle=False)
        _write_entries(pool, setup, balance, keep, ends)
        refuse_change(setup)
        record |= {"groups": list(balance.groups), "ends": ends.tolist(), "t": list(balance.t), "p": list(balance.p)}

    return reuse_or_make(pool.balance, inputs, make, [pool.keep, pool.entries])


def _add_up(
    pool: CuratedPool, setup: Setup, shards: Sequence[str], machine: Machine, duplicates: str
) -> dict[str, Counts]:
    """By group how often each entry matched, in pairs that do not go as duplicates."""
    sizes = group_sizes(setup.sizes(pool.strategy.metadata), pool.strategy)
    work = pool.folder / "balance" / "sums"
    total = add_up(work, [pool.counts(name) for name in shards], pool.strategy, sizes, machine)
    if duplicates:
        paths = [pool.duplicate_counts(name) for name in shards]
        gone = add_up(work, paths, pool.strategy, sizes, machine)
        total = {group: counts - gone[group] for group, counts in total.items()}
    return total


def _write_entries(pool: CuratedPool, setup: Setup, balance: Balance, keep: Floats, ends: Codes) -> None:
    """The entry table: every entry with its count and keep probability, one row group per group."""
    lists = setup.list_paths(pool.strategy.metadata)
    with write_made(pool.entries, ENTRIES, {}, level=1) as writer:
        for number, (group, counts) in enumerate(zip(balance.groups, balance.counts, strict=True)):
            metadata = read_table(lists[group], columns=["entry", "source"], dictionaries=["source"])
            if metadata.num_rows != len(counts):
                raise InputError(str(lists[group]), CHANGED, CHANGED_REMEDY)
            columns = [
                pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(counts), np.int32)), pa.array([group])),
                np.arange(len(counts), dtype=np.int32),
                metadata["entry"],
                metadata["source"],
                counts,
                keep[ends[number] : ends[number + 1]],
            ]
            writer.write_table(pa.table(columns, schema=ENTRIES))
