"""Checkpoints of a run, its exported weights, and the encoder made from them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file

from mc2lib.errors import InputError
from mc2lib.io.files import atomic, read_json, write_json
from mc2lib.io.study_paths import Paths
from mc2lib.params import Tower
from mc2lib.recipe.training.augment import normalise
from mc2lib.recipe.training.tokenizers import TextEncoder
from mc2lib.recipe.training.towers import build_model
from mc2lib.trainer.vocabulary import load_text_encoder, read_text_encoder

Features = npt.NDArray[np.float32]

BATCH = 512


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


@dataclass
class Encoder:
    """A trained model, images and texts in, normalised features out."""

    model: Any  # open_clip.CustomTextCLIP
    text_encoder: TextEncoder
    context_length: int
    device: torch.device

    @torch.inference_mode()
    def encode_images(self, images: npt.NDArray[np.uint8]) -> Features:
        """uint8 [n, H, W, 3] to float32 [n, D], rows of length one."""
        parts = [
            self.model.encode_image(
                normalise(torch.from_numpy(images[i : i + BATCH].copy()).to(self.device)), normalize=True
            )
            for i in range(0, len(images), BATCH)
        ]
        return torch.cat(parts).float().cpu().numpy()

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Features:
        """n texts to float32 [n, D], rows of length one; batches are sorted by length inside."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        rows: list[torch.Tensor] = []
        for i in range(0, len(texts), BATCH):
            ids = self.text_encoder([texts[j] for j in order[i : i + BATCH]], self.context_length)
            rows.append(self.model.encode_text(torch.from_numpy(ids).to(self.device), normalize=True))
        sorted_features = torch.cat(rows).float().cpu().numpy()
        features = np.empty_like(sorted_features)
        features[order] = sorted_features
        return features


def load_encoder(run: Path | str) -> Encoder:
    """The encoder of a finished run.

    Args:
        run: folder with weights.safetensors and model.json.

    Raises:
        InputError: the run is not finished or its weights do not fit its description.
    """
    run = Path(run)
    if not (run / "model.json").exists():
        raise InputError(str(run), "no finished run here (no model.json)", "Train it to its end first.")
    description = read_json(run / "model.json")
    tower = Tower(**description["tower"])
    if "mix" in description:
        paths = Paths(run.parents[2])
        text_encoder = load_text_encoder(paths, description["mix"], description["seed"], description["tokenizer"])
    else:  # of a pool of one's own: the tokenizer lies beside the weights
        text_encoder = read_text_encoder(run)
    model = build_model(tower, text_encoder.vocabulary, description["context_length"])
    try:
        model.load_state_dict(load_file(run / "weights.safetensors"))
    except Exception as error:
        remedy = "Train it again in an empty folder."
        raise InputError(str(run), f"weights do not fit model.json ({error})", remedy) from error
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Encoder(model.eval().to(device), text_encoder, description["context_length"], device)
