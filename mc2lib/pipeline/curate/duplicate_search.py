"""Finding the images that go as duplicates, over all shards, from hashes of them: see `deduplication`.

What a search at work, or a killed one, has of it is in balance/duplicates/.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.engine.shard_runs import run_missing
from mc2lib.hashing import key, mix
from mc2lib.io.code_digest import code_digest
from mc2lib.io.column_files import count_ranges, group_shards, open_columns, read_range, write_columns
from mc2lib.io.curated_pool import CuratedPool
from mc2lib.io.files import digest, remove_written
from mc2lib.io.provenance import Record, read_made, reuse_or_make, tell_full_disk
from mc2lib.params import Machine
from mc2lib.pipeline.curate.image_hashing import Kind, read_hashed
from mc2lib.recipe.curation.perceptual_hash import U64, band_masks, lowest_images, outranked

#: Hashes that a task holds at once, of some 60 bytes each while they are sorted.
HASHES_AT_ONCE = 1 << 24
#: So many hashes are compared before workers would be there, and without a word.
FEW = 1 << 20
#: The names of what a search keeps until it is done.
WORK = r"(group|lowest|others-of-lowest|near)-\d+\.bin"
#: What the search follows from, beside the hashes: where one is edited, it is made again.
SEARCHING = (
    "recipe.curation.perceptual_hash",
    "pipeline.curate.duplicate_search",
    "pipeline.curate.image_hashing",
    "io.curated_pool",
    "hashing",
)

#: An image's key, which is even over its range, both parts of its hash, and its id.
SORTED = (np.uint64, np.uint64, np.uint64, np.uint64)
#: A hash, and the lowest image id that has it.
LOWEST = (np.uint64, np.uint64)
IDS = (np.uint64,)


@dataclass(frozen=True)
class SortHashes:
    """A task: write the hashes of a group's images (SORTED) in the order of their keys.

    Args:
        path: of the file to write.
        pool: that is being curated.
        shards: the group's names.
    """

    path: Path
    pool: CuratedPool
    shards: tuple[str, ...]


@dataclass(frozen=True)
class KeepLowest:
    """A task: write a range's distinct hashes with each one's lowest image (LOWEST), and the others' ids (IDS).

    Args:
        path: of the file to write; see `_others` for that of the ids.
        groups: files of `SortHashes`.
        number, ranges: which of how many ranges of keys.
    """

    path: Path
    groups: tuple[Path, ...]
    number: int
    ranges: int


@dataclass(frozen=True)
class CompareHashes:
    """A task: write the ids (IDS) of images near one with a lower image, of those that agree under a mask.

    Args:
        path: of the file to write.
        lowest: files of LOWEST.
        mask: uint64.
        within: bits that may differ.
        number, passes: which of how many passes over the masked hashes.
    """

    path: Path
    lowest: tuple[Path, ...]
    mask: np.uint64
    within: int
    number: int
    passes: int


def find_duplicates(
    pool: CuratedPool, shards: Sequence[str], kind: Kind, within: int, machine: Machine, at_once: int = HASHES_AT_ONCE
) -> Record:
    """Find the images that go, over all shards, and write their ids.

    First hashes are compared for being the same, which leaves the lowest image of each; then, for near ones,
    under every mask of `band_masks` those that agree under it.

    Args:
        pool: that is being curated, its images hashed.
        shards: names.
        kind: exact or near.
        within: bits in which near hashes may differ, 0 to 16.
        machine: engine and workers; they change no byte.
        at_once: hashes that a task holds, or those that agree if they are more.

    Returns:
        `from`, the digest of what was found; `images_removed`; `hashes`, distinct ones.

    Raises:
        InputError: no room to write.
    """
    within = within if kind == "near" else 0
    target = pool.duplicates.with_suffix(".bin")
    inputs = {
        "code": code_digest(*SEARCHING),
        "hashes": {name: read_made(pool.hashes(name)).get("from") for name in shards},
        "eligible": pool.strategy.eligible,
        "kind": kind,
        "within": within,
    }

    def make(record: Record) -> None:
        taken_up = digest({"made": record["from"], "at_once": at_once})  # from a killed run: of the same groups
        work = pool.duplicates.with_suffix("") / taken_up[:16]
        lowest, gone = _keep_lowest(pool, work, shards, machine, at_once)
        record["hashes"] = sum(len(open_columns(path, LOWEST)[0]) for path in lowest)
        if within and record["hashes"]:
            gone += _compare(work, lowest, record["hashes"], within, machine, at_once)
        record["images_removed"] = _sort_ids(gone, target, at_once)

    made = reuse_or_make(pool.duplicates, inputs, make, [target])
    remove_written(pool.duplicates.with_suffix(""), WORK)
    return made.record


def _keep_lowest(
    pool: CuratedPool, work: Path, shards: Sequence[str], machine: Machine, at_once: int
) -> tuple[tuple[Path, ...], list[Path]]:
    """Files of all distinct hashes with the lowest image of each (LOWEST), and of the ids of all others (IDS)."""
    sizes = [pq.read_metadata(pool.hashes(name)).num_rows for name in shards]
    here = None if sum(sizes) <= FEW else machine
    groups = group_shards(sizes, at_once)
    sorting = [SortHashes(work / f"group-{n}.bin", pool, tuple(shards[group])) for n, group in enumerate(groups)]
    run_missing(sort_hashes, sorting, here, "duplicates: sort", "groups of shards")
    ranges = count_ranges(sum(sizes), at_once)
    files = tuple(task.path for task in sorting)
    keeping = [KeepLowest(work / f"lowest-{number}.bin", files, number, ranges) for number in range(ranges)]
    run_missing(keep_lowest, keeping, here, "duplicates: compare for being the same", "ranges of hashes")
    return tuple(task.path for task in keeping), [_others(task.path) for task in keeping]


def _compare(
    work: Path, lowest: tuple[Path, ...], count: int, within: int, machine: Machine, at_once: int
) -> list[Path]:
    """Files of the ids that go (IDS) as their hash is near one with a lower image."""
    passes = count_ranges(count, at_once)
    parts = [(mask, number) for mask in band_masks(count, within) for number in range(passes)]
    tasks = [
        CompareHashes(work / f"near-{place}.bin", lowest, mask, within, number, passes)
        for place, (mask, number) in enumerate(parts)
    ]
    here = None if count <= FEW else machine
    run_missing(compare_hashes, tasks, here, f"duplicates: compare {count:,} hashes", "masks")
    return [task.path for task in tasks]


def sort_hashes(task: SortHashes) -> None:
    """Do what the task says."""
    table = pa.concat_tables([read_hashed(task.pool, name) for name in task.shards])
    hashes = table["hash"].to_numpy()
    keys = mix(hashes, key("pass"))
    order = np.argsort(keys)
    columns = [keys, hashes, table["more"].to_numpy(), table["image_id"].to_numpy()]
    with tell_full_disk(task.path.parent):
        write_columns(task.path, [column[order] for column in columns])


def keep_lowest(task: KeepLowest) -> None:
    """Do what the task says."""
    columns = read_range(task.groups, SORTED, task.number, task.ranges)[1:]
    hashes, images, others = lowest_images(*columns)
    with tell_full_disk(task.path.parent):
        write_columns(_others(task.path), [others])
        write_columns(task.path, [hashes, images])


def _others(path: Path) -> Path:
    return path.with_name(f"others-of-{path.name}")


def compare_hashes(task: CompareHashes) -> None:
    """Do what the task says."""
    parts = [[np.zeros(0, np.uint64)] * 2]
    for file in task.lowest:
        hashes, images = open_columns(file, LOWEST)
        rows = _in_pass(hashes & task.mask, task.number, task.passes)
        parts.append([hashes[rows], images[rows]])
    hashes, images = (np.concatenate(column) for column in zip(*parts, strict=True))
    with tell_full_disk(task.path.parent):
        write_columns(task.path, [images[outranked(hashes, images, task.mask, task.within)]])


def _sort_ids(paths: Sequence[Path], target: Path, at_once: int) -> int:
    """Write the ids of files in order, each once; returns how many. Ids are hashes, so that ranges are even."""
    size = sum(path.stat().st_size // 8 for path in paths)
    ranges, count = count_ranges(size, at_once), 0

    def sorted_ranges() -> Iterator[U64]:
        nonlocal count
        for number in range(ranges):
            parts = [np.zeros(0, np.uint64)]
            for path in paths:
                ids = open_columns(path, IDS)[0]
                parts.append(ids[_range_of(ids, ranges) == number])
            found = np.unique(np.concatenate(parts))
            count += len(found)
            yield found

    write_columns(target, sorted_ranges())
    return count


def _in_pass(hashes: U64, number: int, passes: int) -> npt.NDArray[np.bool_]:
    """Which hashes a pass looks at: equal ones in one pass, and passes about even though hashes are not."""
    return np.asarray(_range_of(mix(hashes, key("pass")), passes) == number)


def _range_of(ids: U64, ranges: int) -> U64:
    return (ids >> np.uint64(32)) * np.uint64(ranges) >> np.uint64(32)
