"""Images that are in a pool more than once: hashed where they matched, compared over all shards, taken out.

An image goes if one with a lower image id has the same bytes (`exact`), or a perceptual hash within so
many bits (`near`). Ids are hashes of what the pool calls its images, so neither the order of shards nor
the number of workers chooses. Its pairs count for no entry and are drawn in no epoch.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from mc2lib.engine.progress import Progress
from mc2lib.engine.shard_runs import run_step
from mc2lib.io.curated_pool import CuratedPool, count_values, is_duplicate, read_eligible
from mc2lib.io.provenance import Record, read_made, remove_made, reuse_or_make, write_made
from mc2lib.params import Machine
from mc2lib.pipeline.curate.duplicate_search import find_duplicates
from mc2lib.pipeline.curate.image_hashing import Kind
from mc2lib.pipeline.curate.sampling import end_with
from mc2lib.recipe.curation.algorithm import COUNTS, count_matches


@dataclass(frozen=True)
class Duplicates:
    """The images that go: a digest of what shapes them, their pairs by language, and what the report says."""

    made: str = ""
    pairs: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Any] | None = None


def take_out_duplicates(
    pool: CuratedPool, shards: Sequence[str], kind: Kind, within: int, images: Mapping[str, int], machine: Machine
) -> Duplicates:
    """Find the images that go and count the matches of their pairs.

    Args:
        pool: that is being curated, its images hashed.
        shards: names.
        kind, within: see `find_duplicates`.
        images: how many were looked at, and how many have no hash.
        machine: engine and workers; they change no byte.
    """
    found = find_duplicates(pool, shards, kind, within, machine)
    pairs: Counter[str] = Counter()
    tasks = [CountDuplicates(pool, name) for name in shards]
    end = end_with([pool.matches(name) for name in shards])
    with Progress("duplicates", len(shards), "shards", "pairs") as progress:
        for result in run_step(count_duplicates, tasks, machine, lambda task: task.shard, end):
            pairs.update(result)
            progress.add(1, sum(result.values()))
    facts = {"kind": kind, "bits": within, "stays": "the lowest image_id", **images}
    facts |= {"images_removed": found["images_removed"], "pairs_removed": pairs.total()}
    return Duplicates(found["from"], pairs, facts)


def forget_duplicates(pool: CuratedPool) -> None:
    """Remove what an earlier run found, for one that does not ask; hashes stay, as they take long."""
    pool.duplicates.unlink(missing_ok=True)
    pool.duplicates.with_suffix(".bin").unlink(missing_ok=True)
    remove_made(pool.folder / "duplicates")


@dataclass(frozen=True)
class CountDuplicates:
    """A task: count the matches of a shard's pairs whose images go."""

    pool: CuratedPool
    shard: str


def count_duplicates(task: CountDuplicates) -> dict[str, int]:
    """Count the matches of a shard's pairs whose images go (COUNTS); write them unless they are there.

    Returns:
        by language the pairs that go.
    """
    pool, shard = task.pool, task.shard
    pa.set_cpu_count(1)
    gone = is_duplicate(pool, read_eligible(pool, shard, ["image_id"])["image_id"].to_numpy())
    rows = hashlib.sha256(np.packbits(gone).tobytes()).hexdigest()
    path = pool.duplicate_counts(shard)

    def make(record: Record) -> None:
        table = read_eligible(pool, shard, ["language", "entries"]).filter(pa.array(gone))
        record["tally"] = count_values(table["language"])
        with write_made(path, COUNTS, record) as writer:
            writer.write_table(count_matches(table))

    made = reuse_or_make(path, {"matches": read_made(pool.counts(shard)).get("from"), "rows": rows}, make)
    tally: dict[str, int] = made.record["tally"]
    return tally
