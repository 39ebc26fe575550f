"""Training images: an affine map and colour gain, or a crop, drawn from the pair's place in the stream."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mc2lib.hashing import key, uniform
from mc2lib.params import Affine, Augmentation, RandomResizedCrop

# open_clip's OPENAI_DATASET_MEAN and _STD: the encoder keeps the field's normalisation
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


#: Crops that are tried before the image's middle is taken, as in torchvision.
ATTEMPTS = 10

Draws = npt.NDArray[np.float64]


def normalise(images_BHWC: Tensor) -> Tensor:
    """uint8 images [B, H, W, 3] to normalised float32 [B, 3, H, W]."""
    return _standardise(images_BHWC.permute(0, 3, 1, 2).float() / 255.0)


def augment(images_BHWC: Tensor, positions: np.ndarray, seed: int, how: Augmentation) -> Tensor:
    """Augment and normalise a batch; crops were cut when the images were decoded, see `place_crop`.

    Args:
        images_BHWC: uint8 [B, H, W, 3].
        positions: integer [B], each pair's place in the stream; with `seed` it fixes the draw, so
            that a run does not depend on how many ranks share it.
        seed: of the run.
        how: the augmentation.

    Returns:
        float32 [B, 3, H, W].
    """
    return normalise(images_BHWC) if how.affine is None else _map(images_BHWC, positions, seed, how.affine)


def draw_crops(positions: npt.NDArray[np.int64], seed: int) -> Draws:
    """Uniform draws for the crops of a batch, [B, ATTEMPTS, 4]: of area, shape, left and top.

    Args:
        positions: [B], each pair's place in the stream.
        seed: of the run.
    """
    names = ("area", "ratio", "left", "top")
    draws = [[uniform(positions, key("crop", seed, attempt, name)) for name in names] for attempt in range(ATTEMPTS)]
    return np.array(draws).transpose(2, 0, 1)


def place_crop(wide: int, high: int, draws: Draws, how: RandomResizedCrop) -> tuple[int, int, int, int]:
    """Where to cut an image: left, top, right and bottom in pixels.

    Area and logarithm of the shape are uniform; a crop that does not fit is drawn again, and after the last attempt
    it is the middle of the image, as much of it as the allowed shapes hold. So torchvision's RandomResizedCrop does.

    Args:
        wide: pixels of the image.
        high: likewise.
        draws: [ATTEMPTS, 4] of `draw_crops`.
        how: ranges of area and shape.
    """
    low, top_ratio = (math.log(ratio) for ratio in how.ratio)
    for area, shape, left, top in draws.tolist():
        pixels = wide * high * (how.scale[0] + area * (how.scale[1] - how.scale[0]))
        ratio = math.exp(low + shape * (top_ratio - low))
        w, h = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
        if 0 < w <= wide and 0 < h <= high:
            x, y = int(left * (wide - w + 1)), int(top * (high - h + 1))
            return x, y, x + w, y + h
    w = min(wide, max(1, round(high * how.ratio[1])))
    h = min(high, max(1, round(wide / how.ratio[0])))
    x, y = (wide - w) // 2, (high - h) // 2
    return x, y, x + w, y + h


def _map(images_BHWC: Tensor, positions: np.ndarray, seed: int, how: Affine) -> Tensor:
    """Turn, scale, shift and mirror; what comes in from outside is white."""
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
