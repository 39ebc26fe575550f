"""A run of this library, from its folder alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mc2lib.errors import InputError
from mc2lib.io.files import read_json
from mc2lib.io.image_decoder import read_square
from mc2lib.pipeline.evaluate.models.model import PROBE, Features, Precision, autocast, choose_device, digest_model
from mc2lib.trainer.encoder import load_encoder


class TrainedRun:
    """A finished run: what `make train` or the study wrote.

    Args:
        run: its folder.
        precision: to run it in.

    Raises:
        InputError: the run is not finished, or its files do not fit each other.
    """

    def __init__(self, run: Path, precision: Precision = "fp32") -> None:
        self.name, self.precision = str(run), precision
        self._encoder = load_encoder(run)
        description = read_json(run / "model.json")
        size = description["tower"]["vision_cfg"].get("image_size")
        if not isinstance(size, int):
            raise InputError(str(run / "model.json"), "its tower says no image_size", "Train it again.")
        self._size = size
        self.device = choose_device()
        self._encoder.device = self.device  # a rank's own GPU
        self._encoder.model.to(self.device)
        ids = self._encoder.text_encoder(list(PROBE), self._encoder.context_length).tolist()
        self.digest = digest_model(self._encoder.model, [size, ids, precision])

    def prepare(self, content: bytes) -> torch.Tensor:
        """One encoded image: the square in its middle, as training shows it without augmentation."""
        return torch.from_numpy(read_square(content, self._size).copy())

    def encode_images(self, batch: torch.Tensor) -> Features:
        """uint8 [n, h, w, 3] to float32 [n, d], rows of length one."""
        with autocast(self.device, self.precision):
            return np.asarray(self._encoder.encode_images(batch.numpy()), np.float32)

    def encode_texts(self, texts: Sequence[str]) -> Features:
        """Texts to float32 [n, d], rows of length one; batches are of like lengths."""
        with autocast(self.device, self.precision):
            return np.asarray(self._encoder.encode_texts(list(texts)), np.float32)
