"""One rank of training, as torchrun starts it: runs one after another, each from its folder alone.

`python -m torch.distributed.run … --module mc2lib.trainer.rank RUN [RUN …]`
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
import torch.distributed as dist

from mc2lib.errors import InputError
from mc2lib.params import Machine
from mc2lib.trainer.checkpoints import is_done
from mc2lib.trainer.distributed import Rank
from mc2lib.trainer.file_stream import FileStream
from mc2lib.trainer.pool_stream import PoolStream
from mc2lib.trainer.recipe import CuratedFiles, Recipe, read_recipe
from mc2lib.trainer.stream import PairStream
from mc2lib.trainer.training_loop import TrainingLoop


@contextmanager
def process_group() -> Iterator[Rank]:
    """Join the group that torchrun describes in the environment: nccl between GPUs, gloo between CPUs."""
    cuda = torch.cuda.is_available()
    device = torch.device(f"cuda:{os.environ['LOCAL_RANK']}" if cuda else "cpu")
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    try:
        yield Rank(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()


def train_run(run: Path, machine: Machine, here: Rank) -> None:
    """Train one run on this rank: from its checkpoint if there is one, nothing if it is done.

    Args:
        run: its folder, with recipe.json and tokenizer.
        machine: how to train it; changes no result.
        here: this rank.

    Raises:
        InputError: the recipe or the data cannot be read, the number of ranks does not divide the batch, the disk has
            no room for checkpoints, or the loss or a weight is no finite number; the last good checkpoint stays.
    """
    recipe = read_recipe(run)
    if recipe.plan.batch_size % here.world:
        fault = f"{here.world} ranks do not divide its batch of {recipe.plan.batch_size} pairs"
        raise InputError(recipe.title, fault, "Start a number of ranks that does.")
    if is_done(run, recipe.fingerprint):
        if here.rank == 0:
            print(f"train {recipe.title} | already done", flush=True)
        return
    stream = open_stream(run, recipe)
    TrainingLoop(run, recipe, machine, here).train(stream)
    stream.report(here)


def open_stream(run: Path, recipe: Recipe) -> PairStream:
    """The pairs that a run is trained on."""
    if isinstance(recipe.data, CuratedFiles):
        return FileStream(run, recipe, recipe.data)
    return PoolStream(run, recipe, recipe.data)


def parse_arguments(arguments: list[str]) -> tuple[list[Path], Machine]:
    """The runs and the machine's settings, as `launch.rank_command` writes them."""
    parser = argparse.ArgumentParser(prog="mc2lib.trainer.rank", description="One rank of training.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a folder with a recipe.json")
    parser.add_argument("--sharding", choices=("none", "full"), default="none", help="of the model over the ranks")
    parser.add_argument("--checkpoint-seconds", type=_seconds, default="auto", help="between checkpoints, or auto")
    parser.add_argument("--grad-checkpointing", action="store_true", help="compute activations twice")
    found = parser.parse_args(arguments)
    machine = Machine("auto", found.checkpoint_seconds, found.sharding, found.grad_checkpointing)
    return found.runs, machine


def _seconds(text: str) -> float | Literal["auto"]:
    return "auto" if text == "auto" else float(text)


def main(arguments: list[str]) -> None:
    """Train runs on this rank, one after another."""
    runs, machine = parse_arguments(arguments)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    with process_group() as here:
        for run in runs:
            train_run(run, machine, here)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
