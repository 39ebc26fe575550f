"""What evaluation needs of a model, and how its state becomes a digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

Features: TypeAlias = npt.NDArray[np.float32]
Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]

#: Texts of many scripts: how a tokenizer cuts them tells it from another.
PROBE = ("a photo of a cat", "猫の写真", "صورة قطة", "фото кота", "बिल्ली", "แมว", "\n 42 é")
#: Tokens of a batch of texts, on a CPU and on a GPU: bounds the memory, changes no result by more than rounding.
TOKENS = {"cpu": 1 << 10, "cuda": 1 << 17}
#: Images of a batch.
IMAGES = {"cpu": 32, "cuda": 512}


class Model(Protocol):
    """A pair of encoders."""

    name: str
    #: Of weights, tokenizer, image preparation and precision: features of equal digests are equal.
    digest: str
    device: torch.device

    def prepare(self, content: bytes) -> torch.Tensor:
        """One encoded image as the model takes it; called by many threads; InputError if it is none."""

    def encode_images(self, batch: torch.Tensor) -> Features:
        """Prepared images [n, …] to float32 [n, d], rows of length one."""

    def encode_texts(self, texts: Sequence[str]) -> Features:
        """Any number of texts to float32 [n, d], rows of length one."""


def choose_device() -> torch.device:
    """The GPU of this rank, or the CPU."""
    gpu = torch.cuda.is_available()
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if gpu else torch.device("cpu")


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """Run the model in a lower precision, if one is asked for."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16 if precision == "bf16" else torch.float16)


def digest_model(module: torch.nn.Module, parts: Iterable[object]) -> str:
    """Digest of a module's weights and of whatever else shapes its features, in hex."""
    found = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(module.state_dict().items()):
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    for part in parts:
        found.update(repr(part).encode() + b"\0")
    return found.hexdigest()


def to_features(tensor: torch.Tensor) -> Features:
    """Rows of length one, float32, on the CPU."""
    rows = torch.nn.functional.normalize(tensor.float(), dim=-1)
    return np.asarray(rows.cpu().numpy(), dtype=np.float32)


def encode_by_length(
    lengths: npt.NDArray[np.int64], tokens: int, encode: Callable[[npt.NDArray[np.int64], int], Features]
) -> Features:
    """Encode texts in batches of like lengths, each of at most so many tokens.

    Args:
        lengths: int [n], tokens of each text.
        tokens: of a batch.
        encode: rows of a batch and the longest of their lengths to features.

    Returns:
        float32 [n, d], in the texts' order.
    """
    order = np.argsort(lengths, kind="stable")
    features: Features | None = None
    begin = 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and (end + 1 - begin) * int(lengths[order[end]]) <= tokens:
            end += 1
        rows = order[begin:end]
        found = encode(rows, int(lengths[rows[-1]]))
        if features is None:
            features = np.empty((len(order), found.shape[1]), np.float32)
        features[rows] = found
        begin = end
    assert features is not None
    return features
