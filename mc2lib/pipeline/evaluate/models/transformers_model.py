"""Any CLIP of transformers, such as MetaCLIP 2 or SigLIP 2; the library is an extra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mc2lib.errors import InputError
from mc2lib.io.image_decoder import decode
from mc2lib.pipeline.evaluate.models.model import (
    PROBE,
    TOKENS,
    Features,
    Precision,
    autocast,
    choose_device,
    digest_model,
    encode_by_length,
    to_features,
)

#: Models whose text towers were trained on texts padded to their context, and see the padding.
PADDED = ("siglip",)


class TransformersModel:
    """A model of transformers with `get_image_features` and `get_text_features`.

    Args:
        name: what it was opened by.
        model, images, tokenizer: of transformers.
        precision: to run it in.
    """

    def __init__(self, name: str, model: Any, images: Any, tokenizer: Any, precision: Precision) -> None:
        self.name, self.precision = name, precision
        self._images, self._tokenizer = images, tokenizer
        self._context = int(model.config.text_config.max_position_embeddings)
        self._padded = model.config.model_type.startswith(PADDED)
        self.digest = digest_model(model, [repr(images), self._cut(list(PROBE)), self._padded, precision])
        self.device = choose_device()
        self._model = model.eval().to(self.device)

    def _cut(self, texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self._tokenizer(texts, truncation=True, max_length=self._context)["input_ids"]
        return ids

    def prepare(self, content: bytes) -> torch.Tensor:
        """One encoded image as the model's own processor prepares it, over white where it is transparent."""
        image = decode(content).convert("RGB")
        found: torch.Tensor = self._images(images=image, return_tensors="pt")["pixel_values"][0]
        return found

    @torch.inference_mode()
    def encode_images(self, batch: torch.Tensor) -> Features:
        """Prepared images [n, 3, h, w] to float32 [n, d], rows of length one."""
        with autocast(self.device, self.precision):
            return to_features(_pooled(self._model.get_image_features(pixel_values=batch.to(self.device))))

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Features:
        """Texts to float32 [n, d], rows of length one; padded to the context only where the model wants it."""
        ids = self._cut(list(texts))
        lengths = np.array([self._context if self._padded else len(row) for row in ids], np.int64)

        def encode(rows: npt.NDArray[np.int64], length: int) -> Features:
            batch = self._tokenizer.pad(
                {"input_ids": [ids[row] for row in rows]}, padding="max_length", max_length=length, return_tensors="pt"
            ).to(self.device)
            inputs = {"input_ids": batch["input_ids"]}
            if not self._padded:
                inputs["attention_mask"] = batch["attention_mask"]
            with autocast(self.device, self.precision):
                return to_features(_pooled(self._model.get_text_features(**inputs)))

        return encode_by_length(lengths, TOKENS[self.device.type], encode)


def _pooled(found: Any) -> torch.Tensor:
    """The features: newer versions wrap them."""
    return found if isinstance(found, torch.Tensor) else found.pooler_output


def open_transformers(name: str, precision: Precision = "fp32") -> TransformersModel:
    """Open a model of transformers.

    Args:
        name: a folder with config.json, or a name on the hub.
        precision: to run it in.

    Raises:
        InputError: transformers is not installed, or the model, its tokenizer or its processor cannot be opened.
    """
    try:
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
    except ImportError as error:
        remedy = "Install it: pip install 'mc2lib[models]'; or give an open_clip model."
        raise InputError(name, "is a model of transformers, which is not installed", remedy) from error
    try:
        model = AutoModel.from_pretrained(name, use_safetensors=True)
        images, tokenizer = AutoImageProcessor.from_pretrained(name), AutoTokenizer.from_pretrained(name)
    except Exception as error:  # transformers and the hub raise many kinds
        raise InputError(name, f"cannot be opened ({error})", "Check the folder, the name and the network.") from error
    if not hasattr(model, "get_text_features"):
        raise InputError(name, f"{type(model).__name__} has no text features", "Give a CLIP.")
    return TransformersModel(name, model, images, tokenizer, precision)
