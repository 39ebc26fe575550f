"""The encoder that a finished run gives: images and texts in, features out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from mc2lib.errors import InputError
from mc2lib.io.files import read_json
from mc2lib.params import Tower
from mc2lib.recipe.training.augment import normalise
from mc2lib.recipe.training.tokenizers import PAD, TextEncoder
from mc2lib.recipe.training.towers import build_model
from mc2lib.sections import build
from mc2lib.trainer.vocabulary import read_text_encoder

Features = npt.NDArray[np.float32]

BATCH = 512


@dataclass
class Encoder:
    """A trained model, images and texts in, normalised features out."""

    model: Any  # open_clip.CustomTextCLIP
    text_encoder: TextEncoder
    context_length: int
    device: torch.device

    @property
    def logit_scale(self) -> float:
        """What the model multiplies similarities by: its logits are in nats."""
        return float(self.model.logit_scale.exp().item())

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
        """n texts to float32 [n, D], rows of length one; batches hold texts of about as many tokens."""
        ids = self.text_encoder(texts, self.context_length)
        tokens = np.count_nonzero(ids != PAD, axis=1)
        order = np.argsort(tokens, kind="stable")
        rows: list[torch.Tensor] = []
        for i in range(0, len(order), BATCH):
            batch = order[i : i + BATCH]
            cut = torch.from_numpy(ids[batch, : tokens[batch[-1]]])
            rows.append(self.model.encode_text(cut.to(self.device), normalize=True))
        sorted_features = torch.cat(rows).float().cpu().numpy()
        features = np.empty_like(sorted_features)
        features[order] = sorted_features
        return features


def load_encoder(run: Path | str) -> Encoder:
    """The encoder of a finished run, from the run's folder alone.

    Args:
        run: folder with weights.safetensors, model.json and the run's tokenizer.

    Raises:
        InputError: the run is not finished, a file of it is missing, or its weights do not fit its description.
    """
    run = Path(run)
    if not (run / "model.json").exists():
        raise InputError(str(run), "no finished run here (no model.json)", "Train it to its end first.")
    description = read_json(run / "model.json")
    tower = build(Tower, description["tower"], f"{run / 'model.json'}: tower")
    text_encoder, context_length = read_text_encoder(run), int(description["context_length"])
    model = build_model(tower, text_encoder.vocabulary, context_length)
    try:
        model.load_state_dict(load_file(run / "weights.safetensors"))
    except Exception as error:
        remedy = "Train it again in an empty folder."
        raise InputError(str(run), f"weights do not fit model.json ({error})", remedy) from error
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Encoder(model.eval().to(device), text_encoder, context_length, device)
