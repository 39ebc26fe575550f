"""A curated pool's held-out images as a retrieval benchmark, in the languages of their texts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.benchmark_set import Benchmark, Captions, Retrieval, Rows, digest_of
from mc2lib.io.benchmarks.webdatasets import TarImages
from mc2lib.io.curated_pool import CuratedPool, pool_identity, read_held_out, read_matches, read_report
from mc2lib.io.epoch_draws import is_held_out
from mc2lib.io.files import digest
from mc2lib.io.pools.shards import PoolSource
from mc2lib.io.tars import IMAGES, read_members, split_name

COLUMNS = ["pair_id", "image_id", "image", "alt_text", "language"]
#: Images of a language at which it is measured at all: recall among few says nothing.
FEWEST = 10
#: Images that are measured with, at most; of more, those of the lowest ids.
MOST = 10_000


def open_held_out(source: PoolSource, pool: CuratedPool, run: Path | None = None) -> Benchmark:
    """What a pool held out of training, decontaminated: no image and no text of it is in any training stream.

    A text that a training image has too is dropped, whatever its case, width or blanks; an image whose texts are all
    dropped is no part of the set.

    Args:
        source: the pool, which holds the images.
        pool: as a strategy curated it, and a run trained on it with images held out.
        run: that is measured, if it is one of this library: it must have been trained with these images held out.

    Raises:
        InputError: nothing is held out or left, the run was trained on another pool or on all of this one, or the pool
            holds no tars with the images.
    """
    share = read_held_out(pool)
    if not share:
        fault = "no images are held out of training here"
        remedy = (
            "Train with `make train`, which holds 0.01 of them out; a pool that was trained on whole needs a new OUT."
        )
        raise InputError(str(pool), fault, remedy)
    if run is not None:
        _require_trained_without(run, pool)
    held, known, counted = _split_pairs(pool, share)
    pairs = held.filter(pa.array([_text_key(text) not in known for text in held["alt_text"].to_pylist()], pa.bool_()))
    images = np.unique(pairs["image_id"].to_numpy())[:MOST]
    pairs = pairs.filter(pa.array(np.isin(pairs["image_id"].to_numpy(), images)))
    if not len(pairs):
        fault = f"of {len(held):,} held-out pairs none is left whose text no training image has"
        raise InputError(str(pool), fault, "Hold out a larger share: make train ARGS='--hold-out 0.05' into a new OUT.")
    captions, small = _by_language(pairs, images)
    if not captions:
        raise InputError(str(pool), f"no language has {FEWEST} held-out images", "Hold out more of a larger pool.")
    remarks = [
        f"{share:g} of the images are held out: {len(images):,} images with {len(pairs):,} texts; "
        f"{len(held) - len(pairs):,} further texts are in training too, or of too many images; "
        f"training draws from {counted:,} pairs",
    ]
    if small:
        remarks.append(f"not measured, with fewer than {FEWEST} images: {', '.join(small)}")
    where = zip(pairs["shard"].to_pylist(), pairs["image"].to_pylist(), strict=True)
    place = dict(zip(pairs["image_id"].to_pylist(), where, strict=True))
    found = _find_images(source, pool, [place[image] for image in images.tolist()])
    annotations = digest_of([digest(pool_identity(pool)), *map(str, pairs["pair_id"].to_pylist())])
    task = Retrieval(tuple(sorted(captions)), captions.__getitem__)
    return Benchmark("held-out", str(pool), found, task, annotations, tuple(remarks))


def _require_trained_without(run: Path, pool: CuratedPool) -> None:
    """A run's recipe holds the digest of the pool as it trained on it, held-out share included."""
    recipe = run / "recipe.json"
    if not recipe.exists() or digest(pool_identity(pool)) not in recipe.read_text(encoding="utf-8"):
        fault = f"was not trained on {pool} with these images held out, so its measures would mean nothing"
        raise InputError(str(run), fault, "Give the POOL and OUT that it was trained on, or train a new RUN.")


def _split_pairs(pool: CuratedPool, share: float) -> tuple[pa.Table, set[bytes], int]:
    """The held-out pairs with their shard; the keys of the texts of all others that a held-out pair may share."""
    names = read_report(pool)["shards"]
    tables = [_held(pool, name, place, share) for place, name in enumerate(names)]
    held = pa.concat_tables(tables)
    wanted = {_text_key(text) for text in held["alt_text"].to_pylist()}
    known: set[bytes] = set()
    count = 0
    for name in names:
        texts, mask = _read(pool, name, share)
        trained = texts.filter(pa.array(~mask))["alt_text"]
        count += len(trained)
        known |= {key for key in map(_text_key, trained.to_pylist()) if key in wanted}
    return held, known, count


def _read(pool: CuratedPool, name: str, share: float) -> tuple[pa.Table, np.ndarray]:
    table = read_matches(pool, name, columns=COLUMNS)
    return table, is_held_out(table["image_id"].to_numpy(), share)


def _held(pool: CuratedPool, name: str, place: int, share: float) -> pa.Table:
    table, mask = _read(pool, name, share)
    held = table.filter(pa.array(mask))
    return held.append_column("shard", pa.array(np.full(len(held), place, np.int32)))


def _text_key(text: str) -> bytes:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).encode()


def _by_language(pairs: pa.Table, images: Rows) -> tuple[dict[str, Captions], list[str]]:
    languages = np.array(pairs["language"].to_pylist())
    rows = np.searchsorted(images, pairs["image_id"].to_numpy())
    texts = pairs["alt_text"].to_pylist()
    captions: dict[str, Captions] = {}
    small: list[str] = []
    for language in sorted(set(languages)):
        mine = np.flatnonzero(languages == language)
        if len(np.unique(rows[mine])) < FEWEST:
            small.append(str(language))
        else:
            captions[str(language)] = Captions(rows[mine].astype(np.int64), [texts[row] for row in mine])
    return captions, small


def _find_images(source: PoolSource, pool: CuratedPool, order: list[tuple[int, str]]) -> TarImages:
    """The images of (shard, key), found in the headers of the pool's tars.

    Raises:
        InputError: the pool has no tars, or an image is in none of its shard's.
    """
    tars_of = {shard.name: shard.images for shard in source.shards}
    paths: list[Path] = []
    places: dict[tuple[int, str], tuple[int, str]] = {}
    for number, name in enumerate(read_report(pool)["shards"]):
        of_shard = {key for place, key in order if place == number}
        if not of_shard:
            continue
        if not tars_of.get(name):
            fault = f"the pool has no images of its shard '{name}'"
            raise InputError(str(source.root), fault, "Give the pool that was curated, with its tars.")
        for path in tars_of[name]:
            for member in _list_images(path):
                key = split_name(member)[0]
                if key in of_shard:
                    places[number, key] = (len(paths), member)
            paths.append(path)
    lost = [one for one in order if one not in places]
    if lost:
        fault = f"{len(lost):,} of {len(order):,} held-out images are in none of its tars, such as '{lost[0][1]}'"
        raise InputError(str(source.root), fault, "Curate the pool again as it is now.")
    return TarImages(tuple(paths), tuple(places[one] for one in order))


def _list_images(path: Path) -> Iterator[str]:
    return (name for name, _ in read_members(path, lambda name: False) if split_name(name)[1] in IMAGES)
