"""Crops are cut and resized as torchvision does."""

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resized_crop

from mc2lib.params import RandomResizedCrop
from mc2lib.recipe.training.augment import draw_crops, place_crop
from mc2lib.trainer.crops import resize_crop


@pytest.mark.parametrize("size", [(40, 30), (30, 40), (17, 16)])
def test_a_crop_is_resized_as_torchvision_does(size):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    draws = draw_crops(np.arange(1), 0)[0]
    left, top, right, bottom = place_crop(*size, draws, RandomResizedCrop((0.9, 1.0)))
    theirs = resized_crop(image, top, left, bottom - top, right - left, [24, 24], InterpolationMode.BICUBIC)
    assert (resize_crop(image, (24, 24), draws, RandomResizedCrop((0.9, 1.0))) == np.asarray(theirs)).all()
