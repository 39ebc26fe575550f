"""Any model of `open_model` as mteb takes it, so that `mteb.evaluate` runs it on mteb's tasks; mteb is an extra.

import mteb
from mc2lib.pipeline.evaluate.mteb_adapter import MtebModel
mteb.evaluate(MtebModel("/path/to/run"), mteb.get_tasks(tasks=["XM3600T2IRetrieval"]))
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from mc2lib.errors import InputError
from mc2lib.pipeline.evaluate.models.model import IMAGES, Features, Precision
from mc2lib.pipeline.evaluate.models.opening import open_model


class MtebModel:
    """A model with mteb's encoder protocol.

    Args:
        name: of `open_model`.
        precision: to run it in.

    Raises:
        InputError: mteb is not installed, or the model cannot be opened.
    """

    def __init__(self, name: str, precision: Precision = "fp32") -> None:
        try:
            from mteb.models.model_meta import ModelMeta
        except ImportError as error:
            raise InputError("mteb", "is not installed", "Install it: pip install mteb.") from error
        self.model = open_model(name, precision)
        about = {
            "name": f"mc2lib/{name.strip('/').rpartition('/')[2]}",
            "revision": self.model.digest,
            "modalities": ["image", "text"],
            "similarity_fn_name": "cosine",
        }
        self._meta = ModelMeta.create_empty(about)

    @property
    def mteb_model_meta(self) -> Any:
        """What mteb files results under: the name, and the digest of the weights as the revision."""
        return self._meta

    def encode(self, inputs: Iterable[dict[str, Any]], **context: Any) -> Features:
        """Texts or images, or the sum of both where a row has both, as mteb's own open_clip models give it.

        Args:
            inputs: batches with lists under `text` and `image` (PIL images).
            context: task, split, subset and prompt type, which a CLIP does not look at.

        Returns:
            float32 [n, d]; rows of length one, but for sums.
        """
        parts = [self._encode_batch(batch) for batch in inputs]
        return np.concatenate(parts)

    def _encode_batch(self, batch: dict[str, Any]) -> Features:
        found = []
        if batch.get("text") is not None:
            found.append(self.model.encode_texts(list(batch["text"])))
        if batch.get("image") is not None:
            found.append(self._encode_images(batch["image"]))
        if not found:
            raise InputError(
                "mteb", f"a batch with {', '.join(batch)} has no text and no image", "Choose another task."
            )
        return np.asarray(sum(found[1:], start=found[0]), np.float32)

    def _encode_images(self, images: list[Any]) -> Features:
        prepared = [self.model.prepare(_encode(image)) for image in images]
        size = IMAGES[self.model.device.type]
        parts = [torch.stack(prepared[begin : begin + size]) for begin in range(0, len(prepared), size)]
        return np.concatenate([self.model.encode_images(part) for part in parts])

    def similarity(self, first: Any, second: Any) -> torch.Tensor:
        """Cosines of all pairs, [n, m]."""
        return _unit(first) @ _unit(second).T

    def similarity_pairwise(self, first: Any, second: Any) -> torch.Tensor:
        """Cosines of rows, [n]."""
        return (_unit(first) * _unit(second)).sum(dim=-1)


def _unit(rows: Any) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.as_tensor(rows).float(), dim=-1)


def _encode(image: Any) -> bytes:
    """A decoded image as a file again, without loss: models prepare files."""
    out = io.BytesIO()
    kept = image if image.mode in ("RGB", "L") else image.convert("RGBA")
    kept.save(out, "PNG", compress_level=0)
    return out.getvalue()
