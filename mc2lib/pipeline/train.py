"""Training on a curated pool of one's own, with a new draw each epoch: `make train POOL=…`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, get_args

from mc2lib.engine.lock import claim
from mc2lib.errors import InputError, nearest
from mc2lib.io.curated_pool import CuratedPool, pool_identity, read_report
from mc2lib.io.files import digest, read_json
from mc2lib.io.pools.shards import PoolSource
from mc2lib.params import Languages, Params, Tokenizer
from mc2lib.recipe.training.budget import Plan
from mc2lib.trainer.image_index import IMAGES, describe_tars, write_image_index
from mc2lib.trainer.launch import describe_start, launch
from mc2lib.trainer.recipe import DrawnPool, Recipe, locate, seal, write_recipe
from mc2lib.trainer.vocabulary import store_tokenizer

#: Tokenizers whose whole vocabulary a pool of any size may use.
TOKENIZERS: tuple[Tokenizer, ...] = ("gemma", "bytes")


def start_run(
    root: Path,
    params: Params,
    source: PoolSource,
    pool: CuratedPool,
    run: Path,
    tower: str,
    tokenizer: Tokenizer = "gemma",
    languages: Languages = "all",
    seed: int = 0,
    *,
    prepare: bool = False,
) -> None:
    """Train one run on a curated pool with torchrun; a killed run resumes and writes identical weights.

    Args:
        root: the study's folder, for the tokenizer.
        params: of which training, towers and machine are used.
        source: the pool, which holds the images.
        pool: of `open_curated`, which holds the pairs.
        run: gets recipe.json, the tokenizer and the index of the images, then weights.safetensors, model.json, log.csv.
        tower: a name of `params.towers`.
        tokenizer: gemma or bytes, its vocabulary whole.
        languages: english, other or all.
        seed: of initialisation, order and augmentation.
        prepare: write what the ranks read, print how to start them, and start none.

    Raises:
        InputError: the pool is not curated, holds no images, or is not the one that was curated; `run` holds
            another run that is finished.
        RuntimeError: a rank died; the next call continues from the last checkpoint.
    """
    _check_choice(params, tower, tokenizer, languages)
    tars = _tars_of(source, pool)
    content = _read_tokenizer(root, tokenizer)
    with claim(run):
        recipe = seal(_compose(params, pool, run, tower, tokenizer, languages, seed), _digest_data(pool, tars, content))
        _refuse_other(run, recipe.fingerprint)
        write_image_index(tars, run / IMAGES, params.machine)
        write_recipe(recipe, run)
        store_tokenizer(run, tokenizer, content, None)
        if prepare:
            print(describe_start([run], params.machine), flush=True)
            return
        launch([run], [recipe.plan.batch_size], params.machine, str(run))


def _compose(
    params: Params, pool: CuratedPool, run: Path, tower: str, tokenizer: Tokenizer, languages: Languages, seed: int
) -> Recipe:
    """The recipe of a run, not yet sealed; arguments as of `start_run`."""
    return Recipe(
        title=f"{tower} | seed {seed}",
        seed=seed,
        plan=Plan(params.training.batch_size, params.training.steps),
        tower=params.towers[tower],
        training=params.training,
        context_length=params.training.context_length,
        tokenizer=tokenizer,
        languages=languages,
        data=DrawnPool(locate(pool.folder, run), read_report(pool)["params"]["seed"], digest(pool_identity(pool))),
        description={},
    )


def _check_choice(params: Params, tower: str, tokenizer: str, languages: str) -> None:
    if tower not in params.towers:
        raise InputError("tower", f"no tower '{tower}'", nearest(tower, params.towers))
    if tokenizer not in TOKENIZERS:
        raise InputError("tokenizer", f"no tokenizer '{tokenizer}' for a pool", nearest(tokenizer, TOKENIZERS))
    if languages not in get_args(Languages):
        raise InputError("languages", f"no choice '{languages}'", nearest(languages, get_args(Languages)))
    if "image_size" not in params.towers[tower].vision_cfg:
        raise InputError(f"towers.{tower}", "its vision_cfg says no image_size", "Write it into the scale.")


def _read_tokenizer(root: Path, tokenizer: Tokenizer) -> bytes | None:
    """The content of a tokenizer.json as it was fetched; None for bytes, which need none."""
    if tokenizer == "bytes":
        return None
    path = root / "data" / "sources" / "tokenizers" / f"{tokenizer}.json"
    if not path.exists():
        raise InputError(str(path), "no such tokenizer", "Run `python -m mc2lib sources`, which fetches it.")
    return path.read_bytes()


def _tars_of(source: PoolSource, pool: CuratedPool) -> dict[str, tuple[Path, ...]]:
    """By the names of the curated shards the tars with their images."""
    names = read_report(pool)["shards"]
    if not source.images:
        remedy = "Download it with img2dataset, curate that folder, and train on it; tars of a webdataset will do too."
        raise InputError(str(source.root), f"this pool ({source.format}) holds no tars with images", remedy)
    found = {shard.name: shard.images for shard in source.shards}
    for name in names:
        if not found.get(name):
            fault = f"the pool has no images of its shard '{name}'"
            raise InputError(str(source.root), fault, f"Run `make curate POOL={source.root}` again.")
    return {name: found[name] for name in names}


def _refuse_other(run: Path, fingerprint: str) -> None:
    """Weights of other numbers, another pool, another draw or other code are not written over."""
    path = run / "model.json"
    if path.exists() and read_json(path).get("digest") != fingerprint:
        fault = "holds a finished run of other numbers, of another pool or of other code of this library"
        raise InputError(str(run), fault, "Set another RUN, or delete this one.")


def _digest_data(pool: CuratedPool, tars: dict[str, tuple[Path, ...]], tokenizer: bytes | None) -> dict[str, Any]:
    """What pairs, their keep probabilities, images and tokenizer a run follows from."""
    return {
        "pool": pool_identity(pool),
        "images": [[Path(name).name, *stamps] for name, *stamps in describe_tars(tars)["tars"]],
        "tokenizer": tokenizer and hashlib.sha256(tokenizer).hexdigest(),
    }
