"""Images with matched pairs in several shards: of all these pairs, one is drawn.

OUT/balance/repeats.bin    the pairs of those images, by image: see `columns`
OUT/balance/repeats.json   what it was made from
OUT/balance/repeats/       what a run at work, or a killed one, has of it
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.engine.shard_runs import Stop, run_missing, write_or_stop
from mc2lib.io.column_files import (
    Columns,
    count_ranges,
    group_shards,
    join_columns,
    read_range,
    write_columns,
)
from mc2lib.io.curated_pool import KINDS, match_path, open_repeats, read_matches
from mc2lib.io.files import digest, read_json, remove_written, write_json
from mc2lib.io.provenance import read_made
from mc2lib.params import Machine
from mc2lib.recipe.curation.pair_ids import in_several_parts

#: Pairs that a task holds at once, of some 60 bytes each.
PAIRS_AT_ONCE = 1 << 24


def find_repeats(
    out: Path, shards: Sequence[str], machine: Machine, duplicates: str = "", at_once: int = PAIRS_AT_ONCE
) -> str:
    """Find the matched pairs whose image has matched pairs in another shard too, and write them by image.

    Args:
        out: a curated pool in the making.
        shards: names, in order.
        machine: engine and workers; they change no byte.
        duplicates: digest of the images that go, see `find_duplicates`.
        at_once: pairs that a task holds.

    Returns:
        the digest of what was found.

    Raises:
        InputError: no room to write.
    """
    parts = {name: read_made(match_path(out, name)).get("from") for name in shards}
    made = digest({"shards": parts} | ({"duplicates": duplicates} if duplicates else {}))
    facts = out / "balance" / "repeats.json"
    if facts.exists() and read_json(facts).get("from") == made:
        return made
    facts.unlink(missing_ok=True)
    sizes = [pq.read_metadata(match_path(out, name)).num_rows for name in shards]
    target = out / "balance" / "repeats.bin"
    if sum(sizes) <= at_once:  # done before a worker is there
        write_columns(target, _of_several_shards(_read_sorted(out, shards, 0)))
    else:
        taken_up = digest({"made": made, "at_once": at_once})  # from a killed run: of the same pairs and groups
        found = _find_in_parts(out, out / "balance" / "repeats" / taken_up[:16], shards, sizes, machine, at_once)
        join_columns(found, target, KINDS)
    write_json({"from": made, "pairs": sum(sizes)}, facts)
    remove_written(out / "balance" / "repeats", r"(group|range)-\d+\.bin")
    return made


def _find_in_parts(
    out: Path, work: Path, shards: Sequence[str], sizes: Sequence[int], machine: Machine, at_once: int
) -> list[Path]:
    """The files of all ranges of image ids, in order."""
    groups = group_shards(sizes, at_once)
    files = [work / f"group-{number}.bin" for number in range(len(groups))]
    sorting = [(out, p, shards[group], group.start) for p, group in zip(files, groups, strict=True)]
    run_missing(sort_pairs, sorting, machine, "repeats: groups of shards sorted")
    ranges = count_ranges(sum(sizes), at_once)
    found = [work / f"range-{number}.bin" for number in range(ranges)]
    finding = [(out, p, files, number, ranges) for number, p in enumerate(found)]
    run_missing(find_range, finding, machine, "repeats: ranges of images compared")
    return found


def sort_pairs(task: tuple[Path, Path, Sequence[str], int]) -> Stop | None:
    """Write a group's matched pairs (KINDS) in the order of their images' ids.

    Args:
        task: output folder, the file to write, the group's shards, and the number of the first.
    """
    out, path, shards, first = task
    pa.set_cpu_count(1)
    return write_or_stop(out, path, _read_sorted(out, shards, first))


def find_range(task: tuple[Path, Path, Sequence[Path], int, int]) -> Stop | None:
    """Write the pairs (KINDS) of the images of a range of ids that have pairs in several shards.

    Args:
        task: output folder, the file to write, the groups' files, the number of the range, and of how many.
    """
    out, path, groups, number, ranges = task
    columns = read_range(groups, KINDS, number, ranges)
    order = np.argsort(columns[0])
    return write_or_stop(out, path, _of_several_shards([column[order] for column in columns]))


def _read_sorted(out: Path, shards: Sequence[str], first: int) -> Columns:
    """Matched pairs in the order of their images' ids; shards are numbered from `first`."""
    tables = [read_matches(out, name, ["image_id", "pair_id"]) for name in shards]
    pairs = pa.concat_tables(tables)
    images = pairs["image_id"].to_numpy()
    order = np.argsort(images)
    numbers = np.repeat(np.arange(first, first + len(tables), dtype=np.int32), [len(table) for table in tables])
    return [images[order], pairs["pair_id"].to_numpy()[order], numbers[order]]


def _of_several_shards(columns: Columns) -> Columns:
    """The rows of images with rows of several shards: by image, shard and pair, so that groups do not show."""
    images, pairs, shards = columns
    rows = np.flatnonzero(in_several_parts(images, shards))
    rows = rows[np.lexsort((pairs[rows], shards[rows], images[rows]))]
    return [images[rows], pairs[rows], shards[rows]]


def count_repeats(out: Path, at_once: int = PAIRS_AT_ONCE) -> int:
    """How many images have matched pairs in several shards; of their sorted ids, `at_once` are looked at together."""
    images = open_repeats(out)[0]
    starts = range(0, len(images), at_once)
    # a block begins with the last id of the one before, so that an image in both counts once
    changes = (np.count_nonzero(np.diff(images[max(start - 1, 0) : start + at_once])) for start in starts)
    return int(sum(changes)) + bool(len(images))
