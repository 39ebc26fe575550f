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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.engine.shard_runs import Stop, no_room
from mc2lib.errors import InputError
from mc2lib.io.code_digest import code_digest
from mc2lib.io.curated_pool import count_values, duplicates_path, is_duplicate, match_path
from mc2lib.io.files import digest, read_table
from mc2lib.io.pools.open_pool import read_shard_images
from mc2lib.io.pools.shards import Shard
from mc2lib.io.provenance import look, read_made, remove_made, stamp, write_made
from mc2lib.pipeline.curate.decontamination import hash_images
from mc2lib.recipe.curation.algorithm import COUNTS, count_matches
from mc2lib.recipe.curation.perceptual_hash import U64

#: What a shard's hashes follow from, beside its matches: where one is edited, they are made again.
HASHING = (
    "recipe.curation.perceptual_hash",
    "io.image_decoder",
    "pipeline.curate.deduplication",
    "pipeline.curate.decontamination",
    "io.pools",
    "io.tars",
    "hashing",
)

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
    parts = [code_digest(*HASHING), kind, [seen[str(path)][2] for path in shard.images]]
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


# ---------------------------------------------------------------------- take out


def forget_duplicates(out: Path) -> None:
    """Remove what an earlier run found, for one that does not ask; hashes stay, they are dear."""
    (out / "balance" / "duplicates.json").unlink(missing_ok=True)
    duplicates_path(out).unlink(missing_ok=True)
    remove_made(out / "duplicates")


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
