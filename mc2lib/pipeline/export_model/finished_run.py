"""A finished run as exports read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from mc2lib.errors import InputError
from mc2lib.io.files import read_json
from mc2lib.params import Tower
from mc2lib.recipe.training.tokenizers import SPECIAL, TextEncoder
from mc2lib.sections import build
from mc2lib.trainer.encoder import load_encoder


@dataclass(frozen=True)
class FinishedRun:
    """What a finished run's folder holds."""

    folder: Path
    description: dict[str, Any]  # model.json
    tower: Tower
    text_encoder: TextEncoder
    context_length: int  # tokens
    model: Any  # open_clip.CustomTextCLIP
    weights: dict[str, Tensor]  # by open_clip's names, float32, on the CPU

    @property
    def image_size(self) -> int:
        """Pixels of a side of its images."""
        return int(self.tower.vision_cfg["image_size"])

    @property
    def full_vocabulary(self) -> int:
        """Rows of the token embedding with all of the tokenizer's tokens."""
        return SPECIAL + len(self.text_encoder.table)


def read_finished_run(folder: Path) -> FinishedRun:
    """Read a finished run from its folder alone.

    Raises:
        InputError: the run is not finished, a file of it is missing or does not fit the others, or its tower does not
            say how large its images are.
    """
    encoder = load_encoder(folder)
    description: dict[str, Any] = read_json(folder / "model.json")
    tower = build(Tower, description["tower"], f"{folder / 'model.json'}: tower")
    if not isinstance(tower.vision_cfg.get("image_size"), int):
        raise InputError(str(folder / "model.json"), "its tower says no image_size", "Train the run again.")
    weights = {name: tensor.detach().cpu() for name, tensor in encoder.model.state_dict().items()}
    return FinishedRun(folder, description, tower, encoder.text_encoder, encoder.context_length, encoder.model, weights)
