"""Images that stand in a pool more than once: hashed where they matched, compared over all shards, taken out.

An image goes if one with a lower image id has the same bytes (`exact`), or a perceptual hash within so
many bits (`near`). Ids are hashes of what the pool calls its images, so neither the order of shards nor
the number of workers chooses. Its pairs count for no entry and are drawn in no epoch.

    OUT/hashes/<shard>.parquet       hashes of the images of the shard's matched pairs
    OUT/balance/duplicates.bin       ids of the images that go, in order
    OUT/duplicates/<shard>.parquet   how often each entry matched in their pairs, to be taken off the counts
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mc2lib.curation.curate import COUNTS, count_matches
from mc2lib.curation.hygiene import U64, band_masks, lowest_images, outranked
from mc2lib.effects.claims import look, read_made, stamp, write_made
from mc2lib.effects.files import atomic, digest, read_json, read_table, write_json
from mc2lib.effects.hygiene import hash_images
from mc2lib.effects.matches import count_values, duplicates_path, is_duplicate, match_path
from mc2lib.effects.readers import Shard, read_shard_images
from mc2lib.effects.steps import Stop, no_room
from mc2lib.errors import InputError
from mc2lib.hashing import key, mix

#: Hashes that are held at once, of some 60 bytes each while they are sorted.
HASHES_AT_ONCE = 1 << 26
#: More hashes than these take minutes, and say how far they are.
QUIET = 1 << 22
#: Written again if hashes are made in another way.
VERSION = 1

Kind = Literal["exact", "near"]

#: One image of a matched pair. Near: `hash` is perceptual and `more` 0; exact: 128 bits of the bytes' SHA-256.
HASHED = pa.schema(
    [
        pa.field("image_id", pa.uint64(), nullable=False),
        pa.field("hash", pa.uint64(), nullable=False),
        pa.field("more", pa.uint64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Hashed:
    """What a hash task says: images with matched pairs, those that have a hash, and stamps and digests of tars."""

    name: str
    reused: bool
    images: int
    hashed: int
    known: dict[str, list[Any]]


# ---------------------------------------------------------------------- hash


def hash_matched(task: tuple[Path, Shard, Kind, Mapping[str, list[Any] | None]]) -> Hashed | Stop:
    """Hash the images of a shard's matched pairs; write them (HASHED) unless they are there.

    Args:
        task: output folder, the shard, which hash, and per tar (size, time, digest) as last seen.

    Raises:
        InputError: the shard holds no images, a tar is cut, or it changed while it was read.
    """
    out, shard, kind, known = task
    pa.set_cpu_count(1)
    seen = {str(path): look(path, known.get(str(path))) for path in shard.images}
    matches = read_made(match_path(out, shard.name)).get("from")
    parts = [VERSION, kind, [seen[str(path)][2] for path in shard.images]]
    made, path = digest({"matches": matches, "parts": parts}), hash_path(out, shard.name)
    before = read_made(path)
    if before.get("from") == made:
        return Hashed(shard.name, True, before["tally"]["images"], before["tally"]["hashed"], seen)
    pairs = read_table(match_path(out, shard.name), columns=["image", "image_id"])
    table = _hash_pairs(pairs, shard, kind)
    tally = {name: len(pc.unique(found["image_id"])) for name, found in (("images", pairs), ("hashed", table))}
    if any(stamp(tar) != seen[str(tar)][:2] for tar in shard.images):
        raise InputError(shard.place, "its images changed while they were read", "Run again when they are whole.")
    try:
        with write_made(path, HASHED, {"from": made, "tally": tally}) as writer:
            writer.write_table(table)
    except OSError as error:
        return no_room(out, error)
    return Hashed(shard.name, False, tally["images"], tally["hashed"], seen)


def hash_path(out: Path, name: str) -> Path:
    """Where the hashes of a shard's images lie."""
    return out / "hashes" / f"{name}.parquet"


def _hash_pairs(pairs: pa.Table, shard: Shard, kind: Kind) -> pa.Table:
    """HASHED of pairs' images, sorted; one that the shard lacks, or that is no image, has no row."""
    wanted = set(pairs["image"].to_pylist())
    images = ((name, content) for name, _, content in read_shard_images(shard, wanted.__contains__))
    keys, hashes, more = _perceptual(images) if kind == "near" else _digests(images)
    rows = pc.index_in(pairs["image"], keys)  # of a key that stands there twice, the first
    known = pc.is_valid(rows)
    places = rows.filter(known).to_numpy()
    columns = np.stack([pairs["image_id"].filter(known).to_numpy(), hashes[places], more[places]], axis=1)
    return pa.table(list(np.unique(columns, axis=0).T), schema=HASHED)


def _perceptual(images: Iterable[tuple[str, bytes]]) -> tuple[pa.Array, U64, U64]:
    table = hash_images(images)
    table = table.filter(pc.is_valid(table["hash"])).combine_chunks()
    hashes = table["hash"].to_numpy()
    return pa.array(table["image"].to_pylist(), pa.string()), hashes, np.zeros_like(hashes)


def _digests(images: Iterable[tuple[str, bytes]]) -> tuple[pa.Array, U64, U64]:
    found = [(name, hashlib.sha256(content).digest()[:16]) for name, content in images]
    halves = np.frombuffer(b"".join(sha for _, sha in found), ">u8").astype(np.uint64).reshape(-1, 2)
    return pa.array([name for name, _ in found], pa.string()), halves[:, 0], halves[:, 1]


# ---------------------------------------------------------------------- compare


def find_duplicates(
    out: Path, shards: Sequence[str], kind: Kind, within: int, at_once: int = HASHES_AT_ONCE
) -> dict[str, Any]:
    """Find the images that go, over all shards, and write their ids.

    Hashes are read in as many passes as memory needs: first by hash, to leave the lowest image of each;
    then, for near ones, under every mask of `band_masks` those that agree under it. What is held is
    `at_once` hashes, or those that agree if they are more.

    Args:
        out: a curated pool in the making, its images hashed.
        shards: names.
        kind: exact or near.
        within: bits in which near hashes may differ, 0 to 16.
        at_once: hashes in memory.

    Returns:
        `from`, the digest of what was found; `images_removed`; `hashes`, distinct ones.
    """
    parts = {name: read_made(hash_path(out, name)).get("from") for name in shards}
    within = within if kind == "near" else 0
    made = digest({"version": VERSION, "hashes": parts, "kind": kind, "within": within})
    facts, target = out / "balance" / "duplicates.json", duplicates_path(out)
    if facts.exists() and target.exists() and read_json(facts).get("from") == made:
        found: dict[str, Any] = read_json(facts)
        return found
    facts.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".duplicates.", dir=target.parent) as name:
        folder = Path(name)
        hashes = _keep_lowest(out, shards, folder, at_once)
        if within:
            _compare(folder, hashes, within, at_once)
        removed = _sort_ids(folder / "gone.bin", target, at_once)
    found = {"from": made, "images_removed": removed, "hashes": hashes}
    write_json(found, facts)
    return found


def _keep_lowest(out: Path, shards: Sequence[str], folder: Path, at_once: int) -> int:
    """Write each distinct hash with its lowest image id, and the ids of the others; returns how many hashes."""
    total = sum(pq.read_metadata(hash_path(out, name)).num_rows for name in shards)
    passes, count = _passes(total, at_once), 0
    with _open(folder, "hash") as hashes, _open(folder, "image") as images, _open(folder, "gone") as gone:
        for number in range(passes):
            parts = [[np.zeros(0, np.uint64)] * 3]
            for name in shards:
                table = pq.read_table(hash_path(out, name))
                columns = [table[column].to_numpy() for column in ("hash", "more", "image_id")]
                here = _in_pass(columns[0], number, passes)
                parts.append([column[here] for column in columns])
            found = lowest_images(*(np.concatenate(column) for column in zip(*parts, strict=True)))
            for file, column in zip((hashes, images, gone), found, strict=True):
                column.tofile(file)
            count += len(found[0])
    return count


def _compare(folder: Path, count: int, within: int, at_once: int) -> None:
    """Add to the ids that go the lowest images of hashes that lie near one with a lower image."""
    if not count:
        return
    hashes, images = (np.memmap(folder / f"{name}.bin", np.uint64, "r") for name in ("hash", "image"))
    with _open(folder, "beaten") as file:  # written out: a full disk kills who writes to a hole of a mapped file
        for start in range(0, count, at_once):
            np.zeros(min(at_once, count - start), np.bool_).tofile(file)
    beaten = np.memmap(folder / "beaten.bin", np.bool_, "r+")
    passes = _passes(count, at_once)
    masks = band_masks(count, within)
    for done, mask in enumerate(masks):
        if count > QUIET:
            print(f"duplicates: {count:,} hashes compared under {done} of {len(masks)} masks", flush=True)
        for number in range(passes):
            rows = _rows_in_pass(hashes, mask, number, passes, at_once)
            beaten[rows[outranked(hashes[rows], images[rows], mask, within)]] = True
    with (folder / "gone.bin").open("ab") as gone:
        for start in range(0, count, at_once):
            part = slice(start, start + at_once)
            np.asarray(images[part][beaten[part]]).tofile(gone)


def _rows_in_pass(hashes: U64, mask: np.uint64, number: int, passes: int, block: int) -> npt.NDArray[np.int64]:
    """Where the hashes stand whose masked bits belong to a pass; read a block at a time."""
    if passes == 1:
        return np.arange(len(hashes))
    starts = range(0, len(hashes), block)
    parts = (start + np.flatnonzero(_in_pass(hashes[start : start + block] & mask, number, passes)) for start in starts)
    return np.concatenate(list(parts))


def _sort_ids(path: Path, target: Path, at_once: int) -> int:
    """Write the ids of a file in order, each once; returns how many. Ids are hashes, so that ranges are even."""
    size = path.stat().st_size // 8
    ids = np.memmap(path, np.uint64, "r") if size else np.zeros(0, np.uint64)
    passes, count = _passes(size, at_once), 0
    with atomic(target) as temporary, temporary.open("wb") as file:
        for number in range(passes):
            parts = [np.zeros(0, np.uint64)]
            for start in range(0, size, at_once):
                part = ids[start : start + at_once]
                parts.append(part[_range_of(part, passes) == number])
            found = np.unique(np.concatenate(parts))
            found.tofile(file)
            count += len(found)
    return count


def _passes(total: int, at_once: int) -> int:
    return max(1, -(-total // at_once))


def _in_pass(hashes: U64, number: int, passes: int) -> npt.NDArray[np.bool_]:
    """Which hashes a pass looks at: equal ones in one pass, and passes about even though hashes are not."""
    return np.asarray(_range_of(mix(hashes, key("pass")), passes) == number)


def _range_of(ids: U64, passes: int) -> U64:
    return (ids >> np.uint64(32)) * np.uint64(passes) >> np.uint64(32)


def _open(folder: Path, name: str) -> BinaryIO:
    return (folder / f"{name}.bin").open("wb")


def forget_duplicates(out: Path) -> None:
    """Remove what an earlier run found, for one that does not ask; hashes stay, they are dear."""
    (out / "balance" / "duplicates.json").unlink(missing_ok=True)
    duplicates_path(out).unlink(missing_ok=True)
    shutil.rmtree(out / "duplicates", ignore_errors=True)


# ---------------------------------------------------------------------- take out


def count_duplicates(task: tuple[Path, str]) -> dict[str, int] | Stop:
    """Count the matches of a shard's pairs whose images go (COUNTS); write them unless they are there.

    Args:
        task: output folder and the shard's name.

    Returns:
        by language the pairs that go.
    """
    out, name = task
    pa.set_cpu_count(1)
    ids = read_table(match_path(out, name), columns=["image_id"])["image_id"].to_numpy()
    gone = is_duplicate(out, ids)
    rows = hashlib.sha256(np.packbits(gone).tobytes()).hexdigest()
    made = digest({"matches": read_made(match_path(out, name)).get("from"), "rows": rows})
    path = duplicate_counts_path(out, name)
    before = read_made(path)
    if before.get("from") == made:
        found: dict[str, int] = before["tally"]
        return found
    table = read_table(match_path(out, name), columns=["language", "entries"]).filter(pa.array(gone))
    tally = count_values(table["language"])
    try:
        with write_made(path, COUNTS, {"from": made, "tally": tally}) as writer:
            writer.write_table(count_matches(table))
    except OSError as error:
        return no_room(out, error)
    return tally


def duplicate_counts_path(out: Path, name: str) -> Path:
    """Where the counts lie that a shard's duplicates take away."""
    return out / "duplicates" / f"{name}.parquet"
