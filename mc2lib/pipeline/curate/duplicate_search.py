"""Finding the images that go as duplicates, over all shards, from hashes of them: see `duplicates`.

OUT/balance/duplicates.json   what it was made from, and how many go
OUT/balance/duplicates/       what a run at work, or a killed one, has of it
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.engine.shard_runs import Stop, run_missing, write_or_stop
from mc2lib.hashing import key, mix
from mc2lib.io.code_digest import code_digest
from mc2lib.io.column_files import count_ranges, group_shards, open_columns, read_range, write_columns
from mc2lib.io.curated_pool import duplicates_path
from mc2lib.io.files import digest, read_json, read_table, remove_written, write_json
from mc2lib.io.provenance import read_made
from mc2lib.params import Machine
from mc2lib.pipeline.curate.deduplication import HASHED, Kind, hash_path
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
    "pipeline.curate.deduplication",
    "io.curated_pool",
    "hashing",
)

#: An image's key, which is even over its range, both parts of its hash, and its id.
SORTED = (np.uint64, np.uint64, np.uint64, np.uint64)
#: A hash, and the lowest image id that has it.
LOWEST = (np.uint64, np.uint64)
IDS = (np.uint64,)


def find_duplicates(
    out: Path, shards: Sequence[str], kind: Kind, within: int, machine: Machine, at_once: int = HASHES_AT_ONCE
) -> dict[str, Any]:
    """Find the images that go, over all shards, and write their ids.

    First hashes are compared for being the same, which leaves the lowest image of each; then, for near ones,
    under every mask of `band_masks` those that agree under it.

    Args:
        out: a curated pool in the making, its images hashed.
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
    parts = {name: read_made(hash_path(out, name)).get("from") for name in shards}
    within = within if kind == "near" else 0
    made = digest({"code": code_digest(*SEARCHING), "hashes": parts, "kind": kind, "within": within})
    facts, target = out / "balance" / "duplicates.json", duplicates_path(out)
    if facts.exists() and target.exists() and read_json(facts).get("from") == made:
        found: dict[str, Any] = read_json(facts)
        return found
    facts.unlink(missing_ok=True)
    taken_up = digest({"made": made, "at_once": at_once})  # from a killed run: of the same hashes and groups
    work = out / "balance" / "duplicates" / taken_up[:16]
    lowest, gone = _keep_lowest(out, work, shards, machine, at_once)
    count = sum(len(open_columns(path, LOWEST)[0]) for path in lowest)
    if within and count:
        gone += _compare(out, work, lowest, count, within, machine, at_once)
    removed = _sort_ids(gone, target, at_once)
    found = {"from": made, "images_removed": removed, "hashes": count}
    write_json(found, facts)
    remove_written(work.parent, WORK)
    return found


def _keep_lowest(
    out: Path, work: Path, shards: Sequence[str], machine: Machine, at_once: int
) -> tuple[list[Path], list[Path]]:
    """Files of all distinct hashes with the lowest image of each (LOWEST), and of the ids of all others (IDS)."""
    sizes = [pq.read_metadata(hash_path(out, name)).num_rows for name in shards]
    here = None if sum(sizes) <= FEW else machine
    groups = group_shards(sizes, at_once)
    files = [work / f"group-{number}.bin" for number in range(len(groups))]
    sorting = [(out, p, shards[group]) for p, group in zip(files, groups, strict=True)]
    run_missing(sort_hashes, sorting, here, "duplicates: groups of shards sorted")
    ranges = count_ranges(sum(sizes), at_once)
    lowest = [work / f"lowest-{number}.bin" for number in range(ranges)]
    keeping = [(out, p, files, number, ranges) for number, p in enumerate(lowest)]
    run_missing(keep_lowest, keeping, here, "duplicates: ranges of hashes compared for being the same")
    return lowest, [_others(path) for path in lowest]


def _compare(
    out: Path, work: Path, lowest: Sequence[Path], count: int, within: int, machine: Machine, at_once: int
) -> list[Path]:
    """Files of the ids that go (IDS) as their hash lies near one with a lower image."""
    passes = count_ranges(count, at_once)
    masks = [(mask, number) for mask in band_masks(count, within) for number in range(passes)]
    near = [work / f"near-{number}.bin" for number in range(len(masks))]
    tasks = [(out, p, lowest, mask, within, n, passes) for p, (mask, n) in zip(near, masks, strict=True)]
    here = None if count <= FEW else machine
    run_missing(compare_hashes, tasks, here, f"duplicates: {count:,} hashes compared under masks")
    return near


def sort_hashes(task: tuple[Path, Path, Sequence[str]]) -> Stop | None:
    """Write the hashes of a group's images (SORTED) in the order of their keys.

    Args:
        task: output folder, the file to write, and the group's shards.
    """
    out, path, shards = task
    table = pa.concat_tables([read_table(hash_path(out, name), HASHED) for name in shards])
    hashes = table["hash"].to_numpy()
    keys = mix(hashes, key("pass"))
    order = np.argsort(keys)
    columns = [keys, hashes, table["more"].to_numpy(), table["image_id"].to_numpy()]
    return write_or_stop(out, path, [column[order] for column in columns])


def keep_lowest(task: tuple[Path, Path, Sequence[Path], int, int]) -> Stop | None:
    """Write the distinct hashes of a range of keys with each one's lowest image (LOWEST), and the others' ids (IDS).

    Args:
        task: output folder, the file to write, the groups' files, the number of the range, and of how many.
    """
    out, path, groups, number, ranges = task
    hashes, images, others = lowest_images(*read_range(groups, SORTED, number, ranges)[1:])
    return write_or_stop(out, _others(path), [others]) or write_or_stop(out, path, [hashes, images])


def _others(path: Path) -> Path:
    return path.with_name(f"others-of-{path.name}")


def compare_hashes(task: tuple[Path, Path, Sequence[Path], np.uint64, int, int, int]) -> Stop | None:
    """Write the ids (IDS) of images whose hash lies near one with a lower image, of those that agree under a mask.

    Args:
        task: output folder, the file to write, files of LOWEST, the mask, bits that may differ, and the number of
            the pass over the masked hashes, and of how many.
    """
    out, path, lowest, mask, within, number, passes = task
    parts = [[np.zeros(0, np.uint64)] * 2]
    for file in lowest:
        hashes, images = open_columns(file, LOWEST)
        rows = _in_pass(hashes & mask, number, passes)
        parts.append([hashes[rows], images[rows]])
    hashes, images = (np.concatenate(column) for column in zip(*parts, strict=True))
    return write_or_stop(out, path, [images[outranked(hashes, images, mask, within)]])


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
