"""Checkpoints of a run, and its exported weights."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from mc2lib.io.files import atomic, read_json, require_space, write_json
from mc2lib.recipe.training.budget import checkpoint_bytes

#: A run's state while it trains, in its folder.
CHECKPOINT = "checkpoint.pt"


def save_checkpoint(path: Path, digest: str, step: int, model: dict[str, Any], optimizer: dict[str, Any]) -> None:
    """Write the whole state after `step` steps, atomically; `digest` says what run it belongs to."""
    with atomic(path) as temporary:
        torch.save({"digest": digest, "step": step, "model": model, "optimizer": optimizer}, temporary)


def load_checkpoint(path: Path, digest: str) -> dict[str, Any] | None:
    """The checkpoint at `path` if it is there, whole, and of the run of `digest`, else None.

    Loaded with `weights_only=True`: no code in it can run. Mapped, so that the ranks of a machine share its pages.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except MemoryError:
        raise
    except Exception as error:  # a broken file raises many kinds
        print(f"{path}: not a whole checkpoint ({error}); starting this run over", flush=True)
        return None
    if state.get("digest") != digest:
        print(f"{path}: of another run (its parameters or data differ); starting this run over", flush=True)
        return None
    return dict(state)


def set_aside(path: Path) -> None:
    """Rename a checkpoint that cannot be used, if there is one; the run starts over, and nothing is deleted."""
    if path.exists():
        ends = itertools.chain([""], (f"-{i}" for i in itertools.count(2)))
        names = (path.with_name(f"{path.name}.unused{end}") for end in ends)
        kept = next(name for name in names if not name.exists())
        path.replace(kept)
        print(f"{path}: kept as {kept.name}", flush=True)


def export_run(folder: Path, state: dict[str, Any], description: dict[str, Any]) -> None:
    """Write weights.safetensors and then model.json, whose presence means that the run is done."""
    (folder / "model.json").unlink(missing_ok=True)  # an older run's, which these weights are not of
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    weights["logit_scale"] = weights["logit_scale"].reshape(())  # a sharded run's has one dimension
    with atomic(folder / "weights.safetensors") as temporary:
        save_file(weights, temporary)
    write_json(description, folder / "model.json")


def is_done(folder: Path, digest: str) -> bool:
    """Whether `folder` holds the finished run of `digest`."""
    if not (folder / "model.json").exists() or not (folder / "weights.safetensors").exists():
        return False
    return bool(read_json(folder / "model.json").get("digest") == digest)


def require_checkpoint_space(run: Path, parameters: int) -> None:
    """Raise InputError unless the disk holds a run's checkpoint and the one that replaces it, less what is there."""
    saved = run / CHECKPOINT
    there = saved.stat().st_size if saved.exists() else 0
    require_space(run, 2 * checkpoint_bytes(parameters) - min(there, checkpoint_bytes(parameters)))
