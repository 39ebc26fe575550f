"""The stream of a run on a curated pool: every epoch a new draw, every image read from its tar."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mc2lib.errors import InputError
from mc2lib.io.curated_pool import CuratedPool, pool_identity, read_report
from mc2lib.io.epoch_draws import draw_shard
from mc2lib.io.files import digest, read_json, write_json
from mc2lib.trainer.distributed import Rank
from mc2lib.trainer.image_index import IMAGES, PoolImages
from mc2lib.trainer.recipe import DrawnPool, Recipe, find
from mc2lib.trainer.stream import Batch, cut_batches, order_shards, shuffle_epochs


class PoolStream:
    """The pairs of a curated pool.

    Args:
        run: folder of the run, which holds the index of the images.
        recipe: of the run.
        data: of the recipe.
    """

    def __init__(self, run: Path, recipe: Recipe, data: DrawnPool) -> None:
        self.run, self.recipe, self.data = run, recipe, data
        self.pool = CuratedPool.at(find(data.folder, run))
        self.skipped: dict[str, str] = {}  # tar and key to fault, of the images that could not be decoded

    def read(self, steps: range, here: Rank) -> Iterator[Batch]:
        """Yield this rank's batches of some steps, see `PairStream`."""
        if steps.start:  # what was skipped before the run was stopped
            self.skipped.update(read_skipped(self.run, here.rank))
        recipe = self.recipe
        images = PoolImages(
            self.run / IMAGES,
            read_report(self.pool)["shards"],
            recipe.tower.vision_cfg["image_size"],
            int(os.environ.get("OMP_NUM_THREADS", "1")),
            recipe.training.augmentation.random_resized_crop,
            recipe.seed,
            self.skipped,
        )
        windows = shuffle_epochs(self._read_epoch, recipe.languages, recipe.seed, str(self.pool))
        return cut_batches(windows, images.take, recipe.plan.batch_size, steps, here.rank, here.world)

    def _read_epoch(self, epoch: int) -> Iterator[pa.Table]:
        require_same_pool(self.pool, self.data.identity)
        return read_epoch(self.pool, self.data.seed, epoch, self.recipe.seed)

    def save(self, here: Rank) -> None:
        """Store which images this rank could not decode."""
        if self.skipped:
            write_json(self.skipped, self.run / f"skipped-{here.rank}.json")

    def report(self, here: Rank) -> None:
        """Say how many images this rank could not decode."""
        if self.skipped:
            first = json.dumps(list(self.skipped)[:3], ensure_ascii=False)
            print(f"rank {here.rank}: {len(self.skipped):,} images could not be decoded: {first}", flush=True)


def read_skipped(run: Path, rank: int) -> dict[str, str]:
    """Images that a rank could not decode so far, tar and key to fault."""
    path = run / f"skipped-{rank}.json"
    return dict(read_json(path)) if path.exists() else {}


def require_same_pool(pool: CuratedPool, identity: str) -> None:
    """Refuse a pool that was curated again since the run's recipe was written.

    Args:
        pool: of `open_curated`.
        identity: digest of its `pool_identity` then.

    Raises:
        InputError: the pool is another one now, or is being curated.
    """
    if digest(pool_identity(pool)) != identity:
        remedy = "Curate it as it was and run again to continue, or start another RUN, which trains on the new one."
        raise InputError(str(pool), "this pool was curated again while the run trains on it", remedy)


def read_epoch(pool: CuratedPool, seed: int, epoch: int, order_seed: int) -> Iterator[pa.Table]:
    """Yield a new draw of the pool's pairs: what `draw_shards` gives for this epoch, its shards in another order.

    Args:
        pool: of `open_curated`.
        seed: of the curation.
        epoch: from 0, whose draw is the one that curation wrote.
        order_seed: of the run.

    Returns:
        CURATED's columns and shard, int32, its number in the report's list.
    """
    names = read_report(pool)["shards"]
    for place in order_shards(names, order_seed, epoch).tolist():
        matches = pool.matches(names[place])
        if not matches.exists():
            raise InputError(str(matches), "no such file", "Curate the pool again: that makes what is gone.")
        table = draw_shard(pool, names[place], place, seed, epoch)
        yield table.append_column("shard", pa.array(np.full(len(table), place, np.int32)))
