"""Training one run on one rank: prepare or resume, step, save, export."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.distributed as dist

from mc2lib.engine.progress import Progress
from mc2lib.errors import InputError
from mc2lib.hashing import key
from mc2lib.io.files import atomic
from mc2lib.params import Machine
from mc2lib.recipe.training.augment import augment
from mc2lib.recipe.training.budget import checkpoint_seconds, learning_rate
from mc2lib.recipe.training.optimisation import build_loss, build_optimizer, take_step
from mc2lib.recipe.training.towers import build_model, describe
from mc2lib.trainer.checkpoints import (
    CHECKPOINT,
    export_run,
    load_checkpoint,
    require_checkpoint_space,
    save_checkpoint,
    set_aside,
)
from mc2lib.trainer.distributed import Rank, distribute, gather_state, read_logit_scale, scatter_state
from mc2lib.trainer.recipe import Recipe
from mc2lib.trainer.stream import Batch, PairStream, prefetch
from mc2lib.trainer.vocabulary import read_text_encoder

LOG_STEPS = 10


class TrainingLoop:
    """A run's model and optimiser on this rank, fresh or as its checkpoint left them.

    Args:
        run: folder of the run, with its tokenizer.
        recipe: of the run.
        machine: how to train it; changes no result.
        here: this rank.

    Raises:
        InputError: the tokenizer is missing, or the disk has no room for checkpoints.
    """

    def __init__(self, run: Path, recipe: Recipe, machine: Machine, here: Rank) -> None:
        self.run, self.recipe, self.here = run, recipe, here
        state = self._find_checkpoint()
        self.text_encoder = read_text_encoder(run)
        self.model = self._build_model(machine)
        training, precision = recipe.training, recipe.training.precision
        self.bf16 = precision == "bf16" or (precision == "auto" and here.device.type == "cuda")
        self.wrapped = distribute(self.model, here, machine.sharding, self.bf16)
        self.optimizer = build_optimizer(self.model, training)
        self.loss = build_loss(here.rank, here.world)
        self.start, self.log = 0, list[dict[str, float]]()
        if state is not None:
            scatter_state(self.model, self.optimizer, (state["model"], state["optimizer"]))
            self.start = int(state["step"])
            self.log = read_log(run, self.start)
        self.losses: list[torch.Tensor] = []  # since they were last looked at: looking makes the CPU wait for the GPU

    def _find_checkpoint(self) -> dict[str, Any] | None:
        state = load_checkpoint(self.run / CHECKPOINT, self.recipe.fingerprint)
        dist.barrier()  # every rank has looked before one sets aside what cannot be used
        if state is None and self.here.rank == 0:
            set_aside(self.run / CHECKPOINT)
        return state

    def _build_model(self, machine: Machine) -> Any:
        """The model on this rank's device, initialised alike on every rank; the interval between its checkpoints."""
        recipe = self.recipe
        torch.manual_seed(key("initialisation", recipe.seed) % 2**63)
        sharded = machine.sharding == "full"
        model: Any = build_model(recipe.tower, self.text_encoder.vocabulary, recipe.context_length, sharded)
        model = model.to(self.here.device)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        self.interval = checkpoint_seconds(machine, parameters)
        if self.here.rank == 0:
            require_checkpoint_space(self.run, parameters)
        if machine.grad_checkpointing:
            model.set_grad_checkpointing()
        return model

    def train(self, stream: PairStream) -> None:
        """Take the steps that are left, and export the weights.

        Raises:
            InputError: the data cannot be read, or the loss or a weight is no finite number.
        """
        plan, steps = self.recipe.plan, range(self.start, self.recipe.plan.steps)
        saved = time.monotonic()
        shown = None if self.here.rank == 0 else io.StringIO()  # one rank speaks for all
        with Progress(f"train {self.recipe.title} |", plan.steps, "steps", "pairs", stream=shown) as progress:
            progress.add(self.start, self.start * plan.batch_size, fresh=False)
            for step, (pixels, ids) in zip(steps, self._tensors(stream, steps), strict=True):
                self._step(step, pixels, ids)
                logs = step % LOG_STEPS == 0 or step + 1 == plan.steps
                saves = self.here.agree(time.monotonic() - saved > self.interval)
                if logs or saves:
                    self._look(step, logs)
                progress.add(1, plan.batch_size)
                if saves:
                    self._save(step)
                    stream.save(self.here)
                    saved = time.monotonic()
        stream.save(self.here)
        self._export()

    def _tensors(self, stream: PairStream, steps: range) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Pixels and token ids of each step's batch, on the CPU."""
        ready = (self._to_tensors(batch) for batch in stream.read(steps, self.here))
        # beside a GPU, a thread makes batches; on a CPU it would only take the model's cores
        return prefetch(ready) if self.here.device.type == "cuda" else ready

    def _to_tensors(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        recipe = self.recipe
        images = torch.from_numpy(batch.images)
        pixels = augment(images, batch.positions, recipe.seed, recipe.training.augmentation)
        return pixels, torch.from_numpy(self.text_encoder(batch.texts, recipe.context_length))

    def _rate(self, step: int) -> float:
        training = self.recipe.training
        return learning_rate(step, training.learning_rate, training.warmup, self.recipe.plan.steps)

    def _step(self, step: int, pixels: torch.Tensor, ids: torch.Tensor) -> None:
        pixels, ids = pixels.to(self.here.device), ids.to(self.here.device)
        arguments = (self.wrapped, self.loss, self.optimizer, pixels, ids, self._rate(step))
        self.losses.append(take_step(*arguments, self.recipe.training, self.bf16))

    def _look(self, step: int, logs: bool) -> None:
        """Check the losses since the last look, and log the newest if it is time to; every rank must call it."""
        means, self.losses = average_losses(self.losses, self.here.world), []
        require_finite_losses(self.recipe, self.run, step, means)
        if logs:
            scale = read_logit_scale(self.model)
            row = {"step": step, "loss": means[-1], "learning_rate": self._rate(step), "logit_scale": scale}
            self.log.append(row)

    def _gather(self, step: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """State of model and optimiser after a step, checked, and the log written; rank 0 gets the state."""
        whole = gather_state(self.model, self.optimizer)
        if self.here.rank == 0:
            require_finite_weights(self.recipe, self.run, step, whole[0])
            write_log(self.run, self.log)
        return whole

    def _save(self, step: int) -> None:
        whole = self._gather(step)
        if self.here.rank == 0:
            save_checkpoint(self.run / CHECKPOINT, self.recipe.fingerprint, step + 1, *whole)

    def _export(self) -> None:
        weights, _ = self._gather(self.recipe.plan.steps - 1)
        if self.here.rank == 0:
            export_run(self.run, weights, describe_run(self.recipe, self.text_encoder.vocabulary))
            (self.run / CHECKPOINT).unlink(missing_ok=True)
        dist.barrier()


def describe_run(recipe: Recipe, vocabulary: int) -> dict[str, Any]:
    """What model.json says of a finished run; `vocabulary` is the rows of its token embedding."""
    return {
        **recipe.description,
        "digest": recipe.fingerprint,
        "seed": recipe.seed,
        "tower": describe(recipe.tower),
        "tokenizer": recipe.tokenizer,
        "vocabulary": vocabulary,
        "languages": recipe.languages,
        "context_length": recipe.context_length,
        "batch_size": recipe.plan.batch_size,
        "steps": recipe.plan.steps,
        "seen_pairs": recipe.plan.seen_pairs,
    }


def average_losses(values: list[torch.Tensor], world: int) -> list[float]:
    """Losses of some steps, each the mean over all ranks; every rank must call it."""
    sums = torch.stack(values)
    dist.all_reduce(sums)
    return [total / world for total in sums.tolist()]


def require_finite_losses(recipe: Recipe, run: Path, step: int, means: list[float]) -> None:
    """Stop the run if a loss is no finite number.

    Args:
        recipe: of the run.
        run: its folder.
        step: the last one that `means` holds.
        means: losses of the steps up to it.

    Raises:
        InputError: a loss is no finite number; the message names the first such step.
    """
    for i, mean in enumerate(means, step + 1 - len(means)):
        if not math.isfinite(mean):
            raise _diverged(recipe, run, f"the loss is {mean} in step {i}")


def require_finite_weights(recipe: Recipe, run: Path, step: int, weights: Mapping[str, torch.Tensor]) -> None:
    """Stop the run before weights that are no finite numbers are stored: a finite loss may still break them.

    Args:
        recipe: of the run.
        run: its folder.
        step: the last one taken.
        weights: tensors by name.

    Raises:
        InputError: a weight is no finite number; the message names its tensor.
    """
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise _diverged(recipe, run, f"{name} is no longer finite after step {step}")


def _diverged(recipe: Recipe, run: Path, fault: str) -> InputError:
    training, saved = recipe.training, run / CHECKPOINT
    before = f"{saved} is of a step before it. " if saved.exists() else ""
    remedy = (
        f"{before}The same numbers would end the same: lower learning_rate (now {training.learning_rate:g}), set "
        f"grad_clip (now {training.grad_clip}), lengthen warmup (now {training.warmup} steps), or try another "
        f"precision (now {training.precision}); the run then starts over."
    )
    return InputError(f"{recipe.title} ({run})", f"{fault}: training diverged", remedy)


def write_log(run: Path, log: list[dict[str, float]]) -> None:
    """Write the training curve."""
    with atomic(run / "log.csv") as temporary:
        pd.DataFrame(log).to_csv(temporary, index=False)


def read_log(run: Path, step: int) -> list[dict[str, float]]:
    """The training curve up to a checkpoint's step; later rows are written again."""
    if not (run / "log.csv").exists():
        return []
    rows = pd.read_csv(run / "log.csv")
    return [dict(row) for row in rows[rows["step"] < step].to_dict("records")]
