"""One rank of a training run on a curated pool, as torchrun starts it; the run's folder says everything."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from mc2lib.errors import InputError
from mc2lib.io.curated_pool import AGAIN, CuratedPool, pool_identity, read_report
from mc2lib.io.epoch_draws import draw_shard
from mc2lib.io.files import digest, read_json, write_json
from mc2lib.params import Machine, Tower, Training
from mc2lib.recipe.curation.strategies import STRATEGIES
from mc2lib.recipe.training.budget import Plan
from mc2lib.sections import build
from mc2lib.trainer.distributed import Rank
from mc2lib.trainer.image_index import PoolImages
from mc2lib.trainer.rank import Recipe, process_group, train_run
from mc2lib.trainer.stream import Batch, cut_batches, order_shards, shuffle_epochs
from mc2lib.trainer.vocabulary import read_text_encoder


def require_same_pool(out: CuratedPool, identity: str) -> None:
    """Refuse a pool that was curated again since the run's recipe was written.

    Args:
        out: of `open_curated`.
        identity: digest of its `pool_identity` then.

    Raises:
        InputError: the pool is another one now, or is being curated.
    """
    if digest(pool_identity(out)) != identity:
        remedy = "Curate it as it was and run again to continue, or start another RUN, which trains on the new one."
        raise InputError(str(out), "this pool was curated again while the run trains on it", remedy)


def read_epoch(out: CuratedPool, seed: int, epoch: int, order_seed: int) -> Iterator[pa.Table]:
    """A new draw of the pool's pairs: what `draw_shards` gives for this epoch, its shards in an order of their own.

    Args:
        out: of `open_curated`.
        seed: of the curation.
        epoch: from 0, whose draw is the one that curation wrote.
        order_seed: of the run.

    Returns:
        CURATED's columns and shard, int32, its number in the report's list.
    """
    names = read_report(out)["shards"]
    for place in order_shards(names, order_seed, epoch).tolist():
        matches = out.matches(names[place])
        if not matches.exists():
            raise InputError(str(matches), "no such file", AGAIN)
        table = draw_shard(out, names[place], place, seed, epoch)
        yield table.append_column("shard", pa.array(np.full(len(table), place, np.int32)))


def read_skipped(run: Path, rank: int) -> dict[str, str]:
    """Images that a rank could not decode so far, tar and key to fault."""
    path = run / f"skipped-{rank}.json"
    return dict(read_json(path)) if path.exists() else {}


def read_recipe(run: Path) -> tuple[Recipe, list[PoolImages]]:
    """The recipe that `start_run` wrote; and, once a rank made its batches, their images."""
    if not (run / "recipe.json").exists():
        raise InputError(str(run), "no recipe.json here", "Write it with `make train POOL=... ARGS=--prepare`.")
    content = read_json(run / "recipe.json")
    training = build(Training, content["training"], f"{run / 'recipe.json'}: training")
    tower = Tower(**content["tower"])
    out, seed = CuratedPool(Path(content["curated"]), STRATEGIES[content["strategy"]]), content["seed"]
    plan = Plan(training.batch_size, training.steps)
    opened: list[PoolImages] = []

    def batches(steps: range, here: Rank) -> Iterator[Batch]:
        names = read_report(out)["shards"]
        threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
        size, crop = tower.vision_cfg["image_size"], training.augmentation.random_resized_crop
        opened.append(PoolImages(run / "images", names, size, threads, crop, seed))
        if steps.start:  # what was skipped before the run was stopped
            opened[0].skipped.update(read_skipped(run, here.rank))

        def read(epoch: int) -> Iterator[pa.Table]:
            require_same_pool(out, content["pool"])
            return read_epoch(out, content["curation_seed"], epoch, seed)

        windows = shuffle_epochs(read, content["languages"], seed, str(out))
        return cut_batches(windows, opened[0].take, plan.batch_size, steps, here.rank, here.world)

    def write_skipped(here: Rank) -> None:
        if opened and opened[0].skipped:
            write_json(opened[0].skipped, run / f"skipped-{here.rank}.json")

    recipe = Recipe(
        run=run,
        title=f"{content['tower_name']} | seed {seed}",
        seed=seed,
        plan=plan,
        tower=tower,
        training=training,
        machine=Machine(**content["machine"]),
        context_length=training.context_length,
        fingerprint=content["fingerprint"],
        text_encoder=lambda: read_text_encoder(run),
        batches=batches,
        saved=write_skipped,
        description={"tokenizer": content["tokenizer"], "languages": content["languages"]},
    )
    return recipe, opened


def main(run: str) -> None:
    """One rank of `start_run`."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    with process_group() as here:
        recipe, images = read_recipe(Path(run))
        train_run(recipe, here)
        skipped = images[0].skipped if images else {}
        if skipped:
            print(f"rank {here.rank}: {len(skipped):,} images could not be decoded: {json.dumps(list(skipped)[:3])}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
