"""Drawing epochs from a pool's matched pairs: one text an image, then each pair with its keep probability.

Offline, `sample_shard` writes a shard's draws. Online, a training stream calls `draw_shards` with each
epoch's number. Both draw with the same functions, so an epoch is the same either way.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mc2lib.curation.balance import U64, Floats, Mask
from mc2lib.curation.curate import Codes, draw_epoch, draw_steps, keep_pairs
from mc2lib.curation.identity import find_rows, find_shared
from mc2lib.effects.claims import read_made, write_made
from mc2lib.effects.files import atomic, digest, read_json, read_table, write_json
from mc2lib.schemas import CURATED

#: Image ids that are held at once to find images with texts in several shards.
IDS_AT_ONCE = 100_000_000
#: What a write raises when there is no room.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

EXTRAS = [pa.field("uid", pa.string()), pa.field("url", pa.string())]
#: Columns of the pairs of images that stand in several shards, each a file of its own to be memory-mapped.
REPEATS = {"image_id": np.uint64, "pair_id": np.uint64, "shard": np.int32}


@dataclass(frozen=True)
class Stop:
    """What ends the whole run, not one shard: a fault of the machine or of the metadata."""

    place: str
    fault: str
    cure: str


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


def no_room(out: Path, error: OSError) -> Stop:
    """The end of the run where the disk has no room; anything else is raised again."""
    # NumPy says only how much it could write
    short = error.errno is None and "requested and" in str(error)
    if error.errno not in NO_ROOM and "No space left" not in str(error) and not short:
        raise error
    cure = "Free some space and run again: what is finished stays."
    return Stop(str(out), f"no room to write ({error})", cure)


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


# ---------------------------------------------------------------------- images with texts in several shards


def find_repeats(out: Path, shards: Sequence[str], duplicates: str = "", at_once: int = IDS_AT_ONCE) -> str:
    """Find the matched pairs whose image has matched pairs in another shard too, and write them by image.

    Args:
        out: a curated pool in the making.
        shards: names, in order.
        duplicates: digest of the images that go, see `find_duplicates`.
        at_once: ids in memory; more are looked at in several passes over the shards' id columns.

    Returns:
        the digest of what was found.
    """
    parts = {name: read_made(match_path(out, name)).get("from") for name in shards}
    made = digest({"shards": parts} | ({"duplicates": duplicates} if duplicates else {}))
    folder = out / "balance" / "repeats"
    facts = folder / "repeats.json"
    if facts.exists() and read_json(facts).get("from") == made:
        return made
    total = sum(pq.read_metadata(match_path(out, name)).num_rows for name in shards)
    passes = max(1, -(-total // at_once))
    with ExitStack() as stack:
        facts.unlink(missing_ok=True)
        paths = [stack.enter_context(atomic(folder / f"{column}.bin")) for column in REPEATS]
        files = [stack.enter_context(path.open("wb")) for path in paths]
        for number in range(passes):
            for file, column in zip(files, _find_repeats(out, shards, number, passes), strict=True):
                column.tofile(file)
    write_json({"from": made, "passes": passes}, facts)
    return made


def _find_repeats(out: Path, shards: Sequence[str], number: int, passes: int) -> list[npt.NDArray[Any]]:
    """The columns of REPEATS for the images of one pass, by image; later passes hold higher ids."""

    def here(images: U64) -> Mask:
        return np.asarray((images >> np.uint64(32)) * np.uint64(passes) >> np.uint64(32) == number)

    def images_of(name: str) -> U64:
        images: U64 = read_matches(out, name, ["image_id"])["image_id"].to_numpy()
        return images if passes == 1 else images[here(images)]

    several = find_shared(map(images_of, shards), len(shards))
    parts: list[list[npt.NDArray[Any]]] = [[np.zeros(0, kind)] for kind in REPEATS.values()]
    for place in np.flatnonzero(several.parts).tolist():
        pairs = read_matches(out, shards[place], ["image_id", "pair_id"])
        images = pairs["image_id"].to_numpy()
        rows = several.holds(images)  # of this pass only: others' were not met
        found = images[rows], pairs["pair_id"].to_numpy()[rows], np.full(rows.sum(), place, np.int32)
        for part, column in zip(parts, found, strict=True):
            part.append(column)
    columns = [np.concatenate(part) for part in parts]
    order = np.argsort(columns[0], kind="stable")
    return [column[order] for column in columns]


def open_repeats(out: Path) -> list[npt.NDArray[Any]]:
    """The columns of REPEATS, memory-mapped: image ids in order, pair ids, shard numbers."""
    paths = [(out / "balance" / "repeats" / f"{name}.bin", kind) for name, kind in REPEATS.items()]
    return [np.memmap(path, kind, "r") if path.stat().st_size else np.zeros(0, kind) for path, kind in paths]


def count_repeats(out: Path, at_once: int = IDS_AT_ONCE) -> int:
    """How many images have matched pairs in several shards; of their sorted ids, `at_once` are looked at together."""
    images = open_repeats(out)[0]
    starts = range(0, len(images), at_once)
    # a block begins with the last id of the one before, so that an image in both counts once
    changes = (np.count_nonzero(np.diff(images[max(start - 1, 0) : start + at_once])) for start in starts)
    return int(sum(changes)) + bool(len(images))


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
    for place, name in enumerate(read_json(out / "report.json")["shards"]):
        yield draw_shard(out, name, place, seed, epoch)


def draw_shard(out: Path, name: str, place: int, seed: int, epoch: int) -> pa.Table:
    """The pairs that an epoch keeps of one shard; `place` is its number in the report's list. See `draw_shards`."""
    pairs = read_candidates(out, name)
    rivals = read_rivals(out, place, pairs["image_id"].to_numpy())
    return _take_kept(pairs, draw_epoch(pairs, seed, epoch, rivals))
