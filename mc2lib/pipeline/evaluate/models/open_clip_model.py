"""Any model of open_clip: by its name and weights, or from a folder or the hub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import open_clip
import torch
from open_clip.transformer import TextTransformer, text_global_pool

from mc2lib.errors import InputError, nearest
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
from mc2lib.pipeline.named_models.model_names import register_names


class OpenClipModel:
    """A model of open_clip.

    Args:
        name: what it was opened by.
        model, prepare, tokenizer: of open_clip.
        precision: to run it in.
    """

    def __init__(self, name: str, model: Any, prepare: Any, tokenizer: Any, precision: Precision) -> None:
        self.name, self.precision = name, precision
        self._prepare, self._tokenizer = prepare, tokenizer
        ids = tokenizer(list(PROBE)).tolist()
        self.digest = digest_model(model, [str(prepare), ids, precision])
        self.device = choose_device()
        self._model = model.eval().to(self.device)
        self._tower = find_causal_tower(model)

    def prepare(self, content: bytes) -> torch.Tensor:
        """One encoded image as open_clip's own evaluation prepares it, over white where it is transparent."""
        found: torch.Tensor = self._prepare(decode(content).convert("RGB"))
        return found

    @torch.inference_mode()
    def encode_images(self, batch: torch.Tensor) -> Features:
        """Prepared images [n, 3, h, w] to float32 [n, d], rows of length one."""
        with autocast(self.device, self.precision):
            return to_features(self._model.encode_image(batch.to(self.device)))

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> Features:
        """Texts to float32 [n, d], rows of length one; a causal tower is not asked for what follows a text's end."""
        ids: torch.Tensor = self._tokenizer(list(texts))
        lengths = np.full(len(ids), ids.shape[1], np.int64) if self._tower is None else find_ends(self._tower, ids)

        def encode(rows: npt.NDArray[np.int64], length: int) -> Features:
            batch = ids[torch.from_numpy(rows), :length].to(self.device)
            with autocast(self.device, self.precision):
                found = self._model.encode_text(batch) if self._tower is None else encode_causal(self._tower, batch)
            return to_features(found)

        return encode_by_length(lengths, TOKENS[self.device.type], encode)


def find_causal_tower(model: Any) -> Any | None:
    """The text tower, if what follows a text's end cannot reach its feature: a causal mask, pooled at the end."""
    tower = model.text if hasattr(model, "text") else model
    if not isinstance(tower, TextTransformer | open_clip.CLIP) or tower.attn_mask is None:
        return None
    if getattr(tower, "cls_emb", None) is not None or getattr(tower, "use_pad_mask", False):
        return None
    if getattr(tower, "output_tokens", False) or _pool(tower)[0] not in ("argmax", "eos"):
        return None
    return tower


def _pool(tower: Any) -> tuple[str, int | None]:
    if isinstance(tower, TextTransformer):
        return tower.pool_type, getattr(tower, "eos_id", None)
    return tower.text_pool_type, getattr(tower, "text_eos_id", None)


def find_ends(tower: Any, ids: torch.Tensor) -> npt.NDArray[np.int64]:
    """How many tokens of each text reach its feature: up to the one that is pooled.

    Args:
        tower: of `find_causal_tower`.
        ids: int [n, length].
    """
    kind, eos = _pool(tower)
    ends = ids.argmax(dim=-1) if kind == "argmax" else ids.eq(eos or 0).int().argmax(dim=-1)
    return np.asarray(ends.numpy() + 1, dtype=np.int64)


def encode_causal(tower: Any, ids: torch.Tensor) -> torch.Tensor:
    """The text features of a causal tower, from texts of any length up to its context.

    Args:
        tower: of `find_causal_tower`.
        ids: int [n, length], the end of each text inside.
    """
    length = ids.shape[1]
    dtype = tower.transformer.get_cast_dtype()
    x = tower.token_embedding(ids).to(dtype) + tower.positional_embedding[:length].to(dtype)
    x = tower.ln_final(tower.transformer(x, attn_mask=tower.attn_mask[:length, :length]))
    kind, eos = _pool(tower)
    pooled = text_global_pool(x, ids, pool_type=kind, eos_token_id=eos)
    if tower.text_projection is None:
        return pooled
    projected: torch.Tensor = (
        tower.text_projection(pooled)
        if isinstance(tower.text_projection, torch.nn.Linear)
        else pooled @ tower.text_projection
    )
    return projected


def open_open_clip(name: str, precision: Precision = "fp32") -> OpenClipModel:
    """Open a model of open_clip.

    Args:
        name: `NAME:WEIGHTS` with weights that open_clip knows or a file of them, or `local-dir:…` or `hf-hub:…`.
        precision: to run it in.

    Raises:
        InputError: there is no such model or no such weights, they cannot be had, or the tokenizer is missing.
    """
    model, _, weights = name.partition(":") if not name.startswith(("local-dir:", "hf-hub:")) else (name, "", None)
    register_names()
    if weights is not None:
        known = open_clip.list_models()
        if model not in known:
            raise InputError("model", f"open_clip has no model '{model}'", nearest(model, known))
        tags = open_clip.list_pretrained_tags_by_model(model)
        if not weights:
            fault = f"{model} without weights would be measured untrained"
            raise InputError("model", fault, f"Name them, as in {model}:{tags[0] if tags else '/path/to/weights.pt'}.")
    try:
        found, _, prepare = open_clip.create_model_and_transforms(
            model, pretrained=weights or None, device="cpu", precision="fp32", weights_only=True
        )
        tokenizer = open_clip.get_tokenizer(model)
    except ImportError as error:
        remedy = "Install it: pip install 'mc2lib[models]'."
        raise InputError(name, f"its tokenizer needs a library that is not here ({error})", remedy) from error
    except Exception as error:  # open_clip and the hub raise many kinds
        raise InputError(name, f"cannot be opened ({error})", "Check the name, the file and the network.") from error
    return OpenClipModel(name, found, prepare, tokenizer, precision)
