"""The hash step: images of matched pairs are hashed by bytes or by look, so that duplicates can be found."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.engine.progress import Progress
from mc2lib.engine.shard_runs import run_step
from mc2lib.engine.tasks import TaskFailure
from mc2lib.errors import InputError
from mc2lib.io.code_digest import code_digest
from mc2lib.io.curated_pool import CuratedPool, PoolFiles, read_eligible
from mc2lib.io.files import read_table, write_json
from mc2lib.io.pools.open_pool import read_shard_images
from mc2lib.io.pools.shards import Shard
from mc2lib.io.provenance import Record, Target, look, read_made, reuse_or_make_all, stamp, write_made
from mc2lib.params import Machine
from mc2lib.pipeline.curate.decontamination import hash_images
from mc2lib.pipeline.curate.matching import quarantine, read_known
from mc2lib.pipeline.curate.setup import Setup
from mc2lib.recipe.curation.perceptual_hash import U64
from mc2lib.recipe.curation.strategies import MetadataChoice

#: What a shard's hashes follow from, besides its matches: where one is edited, they are made again.
HASHING = (
    "recipe.curation.perceptual_hash",
    "io.image_decoder",
    "pipeline.curate.image_hashing",
    "pipeline.curate.decontamination",
    "io.pools",
    "io.tars",
    "hashing",
)

#: By list what was looked at: images with matched pairs, and those of them without a hash.
ImageCounts = dict[MetadataChoice, dict[str, int]]
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
class HashShard:
    """A task: hash the images of a shard's matched pairs.

    Args:
        files: of the output folder.
        shard: whose images they are.
        choices: the lists whose matches are looked at; an image of several is decoded once.
        kind: which hash.
        known: per tar (size, time, digest) as last seen.
    """

    files: PoolFiles
    shard: Shard
    choices: tuple[MetadataChoice, ...]
    kind: Kind
    known: Mapping[str, list[Any] | None]


@dataclass(frozen=True)
class Hashed:
    """What a hash task says: by list images with matched pairs, and those that have a hash; stamps of tars."""

    name: str
    reused: bool
    images: Mapping[MetadataChoice, int]
    hashed: Mapping[MetadataChoice, int]
    known: dict[str, list[Any]]


def hash_shards(
    shards: Sequence[Shard], setup: Setup, kind: Kind, machine: Machine
) -> tuple[ImageCounts, list[dict[str, Any]]]:
    """Hash the images of every shard's matched pairs; returns how many there are, and the quarantine."""
    known = read_known(setup.files)
    tasks = [
        HashShard(setup.files, s, setup.choices, kind, {str(p): known.get(str(p)) for p in s.images}) for s in shards
    ]
    counts: dict[MetadataChoice, Counter[str]] = {choice: Counter() for choice in setup.choices}
    quarantined: list[dict[str, Any]] = []
    with Progress("hash", len(shards), "shards", "images") as progress:

        def set_aside(number: int, failure: TaskFailure) -> None:
            quarantined.append(quarantine(shards[number].name, failure))
            progress.add(1, 0, fresh=False)

        try:
            for result in run_step(hash_matched, tasks, machine, lambda task: str(task.shard.place), set_aside):
                known |= result.known
                for choice, images in result.images.items():
                    without = images - result.hashed[choice]
                    counts[choice].update(looked_at=images, without_hash=without)
                progress.add(1, max(result.images.values()), fresh=not result.reused)
        finally:
            write_json(known, setup.files.known)
    return {choice: dict(found) for choice, found in counts.items()}, quarantined


def hash_matched(task: HashShard) -> Hashed:
    """Hash the images of a shard's matched pairs; write them (HASHED) unless they are there.

    Raises:
        InputError: the shard holds no images, a tar is cut, or it changed while it was read.
    """
    files, shard = task.files, task.shard
    pa.set_cpu_count(1)
    seen = {str(path): look(path, task.known.get(str(path))) for path in shard.images}
    inputs = {"code": code_digest(*HASHING), "kind": task.kind, "tars": [seen[str(path)][2] for path in shard.images]}
    targets = [
        Target(
            files.hashes(choice, shard.name),
            inputs | {"matches": read_made(files.counts(choice, shard.name)).get("from")},
        )
        for choice in task.choices
    ]

    def make(records: Mapping[Path, Record]) -> None:
        wanted = {files.hashes(choice, shard.name): files.matches(choice, shard.name) for choice in task.choices}
        pairs = {path: read_table(wanted[path], columns=["image", "image_id"]) for path in records}
        tables = _hash_pairs(pairs, shard, task.kind)
        if any(stamp(tar) != seen[str(tar)][:2] for tar in shard.images):
            raise InputError(shard.place, "its images changed while they were read", "Run again when they are whole.")
        for path, record in records.items():
            counted = (("images", pairs[path]), ("hashed", tables[path]))
            record["tally"] = {name: len(pc.unique(found["image_id"])) for name, found in counted}
            with write_made(path, HASHED, record) as writer:
                writer.write_table(tables[path])

    made = dict(zip(task.choices, reuse_or_make_all(targets, make), strict=True))
    images, hashed = ({c: one.record["tally"][name] for c, one in made.items()} for name in ("images", "hashed"))
    return Hashed(shard.name, all(one.reused for one in made.values()), images, hashed, seen)


def _hash_pairs(pairs: Mapping[Path, pa.Table], shard: Shard, kind: Kind) -> dict[Path, pa.Table]:
    """HASHED of the images of each table of pairs; the shard's images are read once."""
    wanted = {image for table in pairs.values() for image in table["image"].to_pylist()}
    images = ((name, content) for name, _, content in read_shard_images(shard, wanted.__contains__))
    found = _perceptual(images) if kind == "near" else _digests(images)
    return {path: _take_hashes(table, *found) for path, table in pairs.items()}


def _take_hashes(pairs: pa.Table, keys: pa.Array, hashes: U64, more: U64) -> pa.Table:
    """HASHED of pairs' images, sorted; one that the shard lacks, or that is no image, has no row."""
    rows = pc.index_in(pairs["image"], keys)  # of a key that is there twice, the first
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


def read_hashed(pool: CuratedPool, shard: str) -> pa.Table:
    """The hashes of the images of a shard's pairs that the strategy looks at (HASHED)."""
    table = read_table(pool.hashes(shard), HASHED)
    if pool.strategy.eligible == "all":
        return table
    return table.filter(pc.is_in(table["image_id"], read_eligible(pool, shard, ["image_id"])["image_id"]))
