"""Random parts of training images, cut and resized: the recipe's augmentation of photographs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from mc2lib.io.image_decoder import Pixels
from mc2lib.params import RandomResizedCrop
from mc2lib.recipe.training.augment import Draws, draw_crops, place_crop


def resize_crops(images: Pixels, positions: npt.NDArray[np.int64], seed: int, how: RandomResizedCrop) -> Pixels:
    """Cut a random part of each image and resize it, bicubic, to the image's size.

    Args:
        images: uint8 [n, H, W, 3].
        positions: int64 [n], each pair's place in the stream, which with `seed` fixes the draw.
        seed: of the run.
        how: ranges of area and shape.

    Returns:
        uint8 [n, H, W, 3].
    """
    high, wide = images.shape[1:3]
    draws = draw_crops(positions, seed)
    return np.stack([resize_crop(Image.fromarray(images[i]), (wide, high), draws[i], how) for i in range(len(images))])


def resize_crop(image: Image.Image, size: tuple[int, int], draws: Draws, how: RandomResizedCrop) -> Pixels:
    """A random part of an RGB image as uint8 [H, W, 3]; `size` is (W, H), `draws` one image's of `draw_crops`."""
    box = place_crop(image.width, image.height, draws, how)
    return np.asarray(image.crop(box).resize(size, Image.Resampling.BICUBIC))
