"""One rank of a training run, as torchrun starts it: streams, steps, checkpoints that continue."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.distributed as dist

from mc2lib.errors import InputError
from mc2lib.hashing import key
from mc2lib.io.code_digest import code_digest
from mc2lib.io.config import load_params
from mc2lib.io.files import atomic, digest, file_digest, require_space
from mc2lib.io.study_paths import Paths
from mc2lib.params import Augmentation, Machine, Params, Tower, Training
from mc2lib.recipe.training.augment import augment
from mc2lib.recipe.training.budget import Plan, checkpoint_bytes, checkpoint_seconds, learning_rate, plan_arm
from mc2lib.recipe.training.optimisation import build_loss, build_optimizer, take_step
from mc2lib.recipe.training.tokenizers import TextEncoder
from mc2lib.recipe.training.towers import build_model, describe
from mc2lib.trainer.checkpoints import export_run, is_done, load_checkpoint, save_checkpoint, set_aside
from mc2lib.trainer.distributed import Rank, distribute, gather_state, read_logit_scale, scatter_state
from mc2lib.trainer.launch import CODE, curated_shards, english_share
from mc2lib.trainer.stream import Batch, ImageStore, prefetch, stream_batches
from mc2lib.trainer.vocabulary import load_text_encoder

LOG_STEPS = 10
REPORT_SECONDS = 5.0


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


@dataclass(frozen=True)
class Recipe:
    """All that a run is trained by.

    Args:
        run: its folder.
        title: what progress calls it.
        seed: of initialisation and augmentation.
        plan, tower, training, machine, context_length: its numbers.
        fingerprint: digest of everything that shapes it.
        text_encoder: makes the tokenizer.
        batches: makes this rank's batches of some steps.
        saved: called on every rank where the run is saved or done, for what it stores beside.
        description: what model.json says beside the rest.
    """

    run: Path
    title: str
    seed: int
    plan: Plan
    tower: Tower
    training: Training
    machine: Machine
    context_length: int
    fingerprint: str
    text_encoder: Callable[[], TextEncoder]
    batches: Callable[[range, Rank], Iterator[Batch]]
    description: Mapping[str, Any]
    saved: Callable[[Rank], None] = lambda here: None


def train_seed(paths: Paths, params: Params, arm: str, seed: int, here: Rank) -> None:
    """Train one run of an arm on this rank: from its checkpoint if there is one, nothing if it is done."""
    shards = curated_shards(paths, params, arm, seed)
    plan = plan_arm(params, arm, english_share(paths, params, arm, seed))
    mix, tokenizer = params.arms[arm].mix, params.arms[arm].tokenizer
    tars = sorted(paths.pool(mix, seed).glob("images-*.tar"))

    def batches(steps: range, here: Rank) -> Iterator[Batch]:
        languages = params.arms[arm].languages
        crop = params.training.augmentation.random_resized_crop
        shared = (seed, plan.batch_size, steps, here.rank, here.world, crop)
        return stream_batches(shards, ImageStore(tars), languages, *shared)

    number, which = list(params.arms).index(arm) + 1, f"{params.seeds.index(seed) + 1}/{len(params.seeds)}"
    recipe = Recipe(
        run=paths.run(arm, seed),
        title=f"arm {number}/{len(params.arms)} {arm} | seed {seed} ({which})",
        seed=seed,
        plan=plan,
        tower=params.towers[params.arms[arm].tower],
        training=params.training,
        machine=params.machine,
        context_length=params.arms[arm].context_length or params.training.context_length,
        fingerprint=run_digest(params, arm, seed, plan, [*shards, *tars, paths.vocabulary(mix, seed, tokenizer)]),
        text_encoder=lambda: load_text_encoder(paths, mix, seed, tokenizer),
        batches=batches,
        description={"arm": arm, "mix": mix, "tokenizer": tokenizer},
    )
    train_run(recipe, here)


def train_run(recipe: Recipe, here: Rank) -> None:
    """Train one run on this rank: from its checkpoint if there is one, nothing if it is done.

    Raises:
        InputError: the number of ranks does not divide the batch, the data cannot be read, the disk has no room for
            checkpoints, or the loss or a weight is no finite number; the last good checkpoint stays.
    """
    run, plan, training, world = recipe.run, recipe.plan, recipe.training, here.world
    if plan.batch_size % world:
        fault = f"{world} ranks do not divide its batch of {plan.batch_size} pairs"
        raise InputError(recipe.title, fault, "Start a number of ranks that does.")
    if is_done(run, recipe.fingerprint):
        if here.rank == 0:
            print(f"train {recipe.title} | already done", flush=True)
        return
    state = load_checkpoint(run / "checkpoint.pt", recipe.fingerprint)
    dist.barrier()  # every rank has looked before one sets aside what cannot be used
    if state is None and here.rank == 0:
        set_aside(run / "checkpoint.pt")
    text_encoder = recipe.text_encoder()
    torch.manual_seed(key("initialisation", recipe.seed) % 2**63)
    sharding = recipe.machine.sharding
    model: Any = build_model(recipe.tower, text_encoder.vocabulary, recipe.context_length, sharding == "full").to(
        here.device
    )
    parameters = sum(parameter.numel() for parameter in model.parameters())
    interval = checkpoint_seconds(recipe.machine, parameters)
    if here.rank == 0:
        require_checkpoint_space(run, parameters)
    if recipe.machine.grad_checkpointing:
        model.set_grad_checkpointing()
    bf16 = training.precision == "bf16" or (training.precision == "auto" and here.device.type == "cuda")
    wrapped = distribute(model, here, sharding, bf16)
    optimizer = build_optimizer(model, training)
    start, log = 0, []
    if state is not None:
        scatter_state(model, optimizer, (state["model"], state["optimizer"]))
        start, log = int(state["step"]), _read_log(run, int(state["step"]))
    loss = build_loss(here.rank, world)
    ready = (
        _to_tensors(batch, text_encoder, recipe.context_length, recipe.seed, training.augmentation)
        for batch in recipe.batches(range(start, plan.steps), here)
    )
    progress = Progress(recipe.title, plan, start)
    values: list[torch.Tensor] = []  # losses since they were last looked at: looking makes the CPU wait for the GPU
    saved = time.monotonic()
    # beside a GPU, a thread makes batches; on a CPU it would only take the model's cores
    for step, (pixels, ids) in enumerate(prefetch(ready) if here.device.type == "cuda" else ready, start):
        rate = learning_rate(step, training.learning_rate, training.warmup, plan.steps)
        pixels, ids = pixels.to(here.device), ids.to(here.device)
        values.append(take_step(wrapped, loss, optimizer, pixels, ids, rate, training, bf16))
        logs = step % LOG_STEPS == 0 or step + 1 == plan.steps
        saves = here.agree(time.monotonic() - saved > interval)
        if logs or saves:
            means, values = average_losses(values, world), []
            require_finite_losses(recipe, step, means)
        if logs:
            log.append(
                {
                    "step": step,
                    "loss": means[-1],
                    "learning_rate": rate,
                    "logit_scale": read_logit_scale(model),
                }
            )
        if here.rank == 0:
            progress.show(step + 1)
        if saves:
            whole = gather_state(model, optimizer)
            if here.rank == 0:
                require_finite_weights(recipe, step, whole[0])
                _write_log(run, log)
                save_checkpoint(run / "checkpoint.pt", recipe.fingerprint, step + 1, *whole)
            recipe.saved(here)
            saved = time.monotonic()
    recipe.saved(here)
    weights, _ = gather_state(model, optimizer)
    if here.rank == 0:
        require_finite_weights(recipe, plan.steps - 1, weights)
        _write_log(run, log)
        description = {
            **recipe.description,
            "digest": recipe.fingerprint,
            "seed": recipe.seed,
            "tower": describe(recipe.tower),
            "vocabulary": text_encoder.vocabulary,
            "context_length": recipe.context_length,
            "batch_size": plan.batch_size,
            "steps": plan.steps,
            "seen_pairs": plan.seen_pairs,
        }
        export_run(run, weights, description)
        (run / "checkpoint.pt").unlink(missing_ok=True)
    dist.barrier()


def require_checkpoint_space(run: Path, parameters: int) -> None:
    """Raise InputError unless the disk holds a run's checkpoint and the one that replaces it, less what is there."""
    saved = run / "checkpoint.pt"
    there = saved.stat().st_size if saved.exists() else 0
    require_space(run, 2 * checkpoint_bytes(parameters) - min(there, checkpoint_bytes(parameters)))


def average_losses(values: list[torch.Tensor], world: int) -> list[float]:
    """Losses of some steps, each the mean over all ranks; every rank must call it."""
    sums = torch.stack(values)
    dist.all_reduce(sums)
    return [total / world for total in sums.tolist()]


def require_finite_losses(recipe: Recipe, step: int, means: list[float]) -> None:
    """Stop the run if a loss is no finite number; `means` are of the steps up to `step`."""
    for i, mean in enumerate(means, step + 1 - len(means)):
        if not math.isfinite(mean):
            raise _diverged(recipe, f"the loss is {mean} in step {i}")


def require_finite_weights(recipe: Recipe, step: int, weights: Mapping[str, torch.Tensor]) -> None:
    """Stop the run before weights that are no finite numbers are stored: a finite loss may still break them."""
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise _diverged(recipe, f"{name} is no longer finite after step {step}")


def _diverged(recipe: Recipe, fault: str) -> InputError:
    training, saved = recipe.training, recipe.run / "checkpoint.pt"
    before = f"{saved} is of a step before it. " if saved.exists() else ""
    remedy = (
        f"{before}The same numbers would end the same: lower learning_rate (now {training.learning_rate:g}), set "
        f"grad_clip (now {training.grad_clip}), lengthen warmup (now {training.warmup} steps), or try another "
        f"precision (now {training.precision}); the run then starts over."
    )
    return InputError(f"{recipe.title} ({recipe.run})", f"{fault}: training diverged", remedy)


def _to_tensors(
    batch: Batch, text_encoder: TextEncoder, context_length: int, seed: int, how: Augmentation
) -> tuple[torch.Tensor, torch.Tensor]:
    pixels = augment(torch.from_numpy(batch.images), batch.positions, seed, how)
    return pixels, torch.from_numpy(text_encoder(batch.texts, context_length))


def run_digest(params: Params, arm: str, seed: int, plan: Plan, files: list[Path]) -> str:
    """Digest of everything that shapes a run: parameters, pairs, images, vocabulary and code; not the machine."""
    return digest(
        {
            "code": code_digest(*CODE),
            "arm": dataclasses.asdict(params.arms[arm]),
            "tower": dataclasses.asdict(params.towers[params.arms[arm].tower]),
            "training": dataclasses.asdict(params.training),
            "plan": dataclasses.asdict(plan),
            "seed": seed,
            "files": {path.name: file_digest(path) for path in files},
        }
    )


def _write_log(run: Path, log: list[dict[str, float]]) -> None:
    with atomic(run / "log.csv") as temporary:
        pd.DataFrame(log).to_csv(temporary, index=False)


def _read_log(run: Path, step: int) -> list[dict[str, float]]:
    """The log up to a checkpoint; later lines are written again."""
    if not (run / "log.csv").exists():
        return []
    rows = pd.read_csv(run / "log.csv")
    return [dict(row) for row in rows[rows["step"] < step].to_dict("records")]


class Progress:
    """Prints where a run stands, every few seconds: its title, step, pairs/s, time left."""

    def __init__(self, title: str, plan: Plan, start: int) -> None:
        self.head = f"train {title}"
        self.plan, self.start = plan, start
        self.began = self.shown = time.monotonic()

    def show(self, done: int) -> None:
        """Print if it is time to; `done` is the number of steps taken."""
        now = time.monotonic()
        if now - self.shown < REPORT_SECONDS and done < self.plan.steps:
            return
        self.shown = now
        pace = (done - self.start) / max(now - self.began, 1e-9)
        left = (self.plan.steps - done) / max(pace, 1e-9)
        print(
            f"{self.head} | step {done}/{self.plan.steps} | {pace * self.plan.batch_size:,.0f} pairs/s | "
            f"{int(left) // 60:02d}:{int(left) % 60:02d} left",
            flush=True,
        )


def main(root: str, arm: str) -> None:
    """One rank of `train_arm`."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    params = load_params(root)
    with process_group() as here:
        for seed in params.seeds:
            train_seed(Paths(Path(root)), params, arm, seed, here)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
