"""Training images: a random affine map and colour gain, drawn from the pair's place in the stream."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from mc2lib.hashing import key, uniform
from mc2lib.params import Augmentation

# open_clip's OPENAI_DATASET_MEAN and _STD: the encoder keeps the field's normalisation
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def normalise(images_BHWC: Tensor) -> Tensor:
    """uint8 images [B, H, W, 3] to normalised float32 [B, 3, H, W]."""
    return _standardise(images_BHWC.permute(0, 3, 1, 2).float() / 255.0)


def augment(images_BHWC: Tensor, positions: np.ndarray, seed: int, how: Augmentation) -> Tensor:
    """Augment and normalise a batch.

    Args:
        images_BHWC: uint8 [B, H, W, 3]; what turns in from outside is white.
        positions: integer [B], each pair's place in the stream; with `seed` it fixes the draw, so
            that a run does not depend on how many ranks share it.
        seed: of the run.
        how: ranges.

    Returns:
        float32 [B, 3, H, W].
    """
    draws = {name: _draw(positions, seed, name) for name in ("turn", "grow", "right", "down", "flip")}
    angle = draws["turn"] * math.radians(how.rotation)
    scale = torch.exp(draws["grow"] * math.log1p(how.scale))
    mirror = torch.where((draws["flip"] + 1) / 2 < how.flip, -1.0, 1.0)
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    theta_B23 = torch.stack(
        [
            torch.stack([cos * mirror, -sin, draws["right"] * 2 * how.translation], dim=1),
            torch.stack([sin * mirror, cos, draws["down"] * 2 * how.translation], dim=1),
        ],
        dim=1,
    ).to(images_BHWC.device)
    ink = 1.0 - images_BHWC.permute(0, 3, 1, 2).float() / 255.0  # white is 0, as grid_sample pads
    grid = torch.nn.functional.affine_grid(theta_B23, list(ink.shape), align_corners=False)
    ink = torch.nn.functional.grid_sample(ink, grid, align_corners=False)
    gain = torch.stack([_draw(positions, seed, channel) for channel in ("red", "green", "blue")], dim=1)
    gain = 1.0 + how.colour * gain.to(ink.device)
    return _standardise((1.0 - ink * gain[:, :, None, None]).clamp(0.0, 1.0))


def _draw(positions: np.ndarray, seed: int, name: str) -> Tensor:
    """Uniform in [-1, 1), float32 [B]."""
    return torch.from_numpy((uniform(positions, key("augment", seed, name)) * 2 - 1).astype(np.float32))


def _standardise(images_BCHW: Tensor) -> Tensor:
    mean = torch.tensor(MEAN, device=images_BCHW.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=images_BCHW.device).view(1, 3, 1, 1)
    return (images_BCHW - mean) / std
