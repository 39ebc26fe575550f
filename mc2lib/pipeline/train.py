"""Training on a curated pool of one's own, with a new draw each epoch: `make train POOL=…`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, get_args

from mc2lib.engine.lock import claim
from mc2lib.errors import InputError, nearest
from mc2lib.io.code_digest import code_digest
from mc2lib.io.curated_pool import CuratedPool, pool_identity, read_report
from mc2lib.io.files import digest, file_digest, read_json, write_json
from mc2lib.io.pools.readers import PoolSource
from mc2lib.params import Languages, Params
from mc2lib.trainer.image_index import write_image_index
from mc2lib.trainer.launch import CODE, count_ranks, launch
from mc2lib.trainer.vocabulary import copy_tokenizer

#: Modules that a run on a pool follows from: an edit of one trains every run again.
POOL_CODE = (
    *CODE,
    "recipe.curation.balance",
    "recipe.curation.algorithm",
    "recipe.curation.strategies",
    "recipe.curation.pair_ids",
    "io.column_files",
    "io.image_decoder",
    "io.curated_pool",
    "io.epoch_draws",
    "trainer.image_index",
    "trainer.pool_rank",
    "pipeline.train",
    "io.tars",
)
#: Tokenizers whose whole vocabulary a pool of any size may use.
TOKENIZERS = ("gemma", "bytes")


def start_run(
    root: Path,
    params: Params,
    source: PoolSource,
    out: CuratedPool,
    run: Path,
    tower: str,
    tokenizer: str = "gemma",
    languages: Languages = "all",
    seed: int = 0,
    *,
    prepare: bool = False,
) -> None:
    """Train one run on a curated pool with torchrun; a killed one continues, to the same weights.

    Args:
        root: the study's folder, for the tokenizer.
        params: of which training, towers and machine are used.
        source: the pool, which holds the images.
        out: of `open_curated`, which holds the pairs.
        run: gets weights.safetensors, model.json, log.csv, tokenizer.json and the index of the images.
        tower: a name of `params.towers`.
        tokenizer: gemma or bytes, its vocabulary whole.
        languages: english, other or all.
        seed: of initialisation, order and augmentation.
        prepare: write what the ranks read, and start none: torchrun is started by hand, on several nodes.

    Raises:
        InputError: the pool is not curated, holds no images, or is not the one that was curated; `run` holds
            another run that is finished.
        RuntimeError: a rank died; the next call continues from the last checkpoint.
    """
    if tower not in params.towers:
        raise InputError("tower", f"no tower '{tower}'", nearest(tower, params.towers))
    if tokenizer not in TOKENIZERS:
        raise InputError("tokenizer", f"no tokenizer '{tokenizer}' for a pool", nearest(tokenizer, TOKENIZERS))
    if languages not in get_args(Languages):
        raise InputError("languages", f"no choice '{languages}'", nearest(languages, get_args(Languages)))
    if "image_size" not in params.towers[tower].vision_cfg:
        raise InputError(f"towers.{tower}", "its vision_cfg says no image_size", "Write it into the scale.")
    tars = _tars_of(source, out)
    with claim(run):
        write_image_index(tars, run / "images", params.machine)
        if tokenizer != "bytes":
            copy_tokenizer(root / "data" / "sources" / "tokenizers" / f"{tokenizer}.json", run)
        content = _describe(params, out, tower, tokenizer, languages, seed)
        content["fingerprint"] = _fingerprint(content, out, run)
        _refuse_other(run, content["fingerprint"])
        # what changes nothing of the result comes after the fingerprint
        content |= {
            "curated": str(out.out),
            "strategy": out.strategy.name,
            "pool": digest(pool_identity(out)),
            "machine": dataclasses.asdict(params.machine),
            "tower_name": tower,
        }
        write_json(content, run / "recipe.json")
        if prepare:
            return
        ranks = count_ranks(params.machine, [params.training.batch_size])
        launch("mc2lib.trainer.pool_rank", [str(run)], ranks, params.machine, str(run))


def _tars_of(source: PoolSource, out: CuratedPool) -> dict[str, tuple[Path, ...]]:
    """By the names of the curated shards the tars with their images."""
    names = read_report(out)["shards"]
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


def _describe(
    params: Params, out: CuratedPool, tower: str, tokenizer: str, languages: str, seed: int
) -> dict[str, Any]:
    return {
        "training": dataclasses.asdict(params.training),
        "tower": dataclasses.asdict(params.towers[tower]),
        "tokenizer": tokenizer,
        "languages": languages,
        "seed": seed,
        "curation_seed": read_report(out)["params"]["seed"],
    }


def _fingerprint(content: dict[str, Any], out: CuratedPool, run: Path) -> str:
    """Digest of all that shapes the run: numbers, tokenizer, pairs, their keep probabilities, images, and code."""
    made = {
        "code": code_digest(*POOL_CODE),
        "pool": pool_identity(out),
        "images": [[Path(name).name, *stamps] for name, *stamps in read_json(run / "images" / "index.json")["tars"]],
        "tokenizer": file_digest(run / "tokenizer.json") if content["tokenizer"] != "bytes" else "bytes",
    }
    return digest(content | {"made": made})
