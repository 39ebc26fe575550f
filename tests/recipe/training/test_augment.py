import numpy as np
import pytest
import torch
from torchvision.transforms import RandomResizedCrop as RandomResizedCropOfTorchvision

from mc2lib.params import Affine, Augmentation, RandomResizedCrop
from mc2lib.recipe.training.augment import augment, draw_crops, normalise, place_crop

STILL = Augmentation(affine=Affine(rotation=0.0, scale=0.0, translation=0.0, flip=0.0, colour=0.0))
STRONG = Augmentation(affine=Affine(rotation=20.0, scale=0.3, translation=0.2, flip=0.5, colour=0.5))
CROP = RandomResizedCrop((0.9, 1.0))


def images(n=4):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (n, 8, 8, 3), dtype=np.uint8))


def test_no_augmentation_is_normalisation():
    torch.testing.assert_close(augment(images(), np.arange(4), 0, STILL), normalise(images()), atol=1e-4, rtol=0)


def test_normalisation_by_hand():
    white = normalise(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8))
    torch.testing.assert_close(
        white[0, :, 0, 0],
        (1 - torch.tensor([0.48145466, 0.4578275, 0.40821073])) / torch.tensor([0.26862954, 0.26130258, 0.27577711]),
    )


def test_white_stays_white_however_it_is_turned():
    white = torch.full((16, 8, 8, 3), 255, dtype=torch.uint8)
    torch.testing.assert_close(augment(white, np.arange(16), 3, STRONG), normalise(white))


def test_a_pair_is_augmented_alike_in_any_batch():
    whole = augment(images(), np.arange(4), 0, STRONG)
    torch.testing.assert_close(augment(images()[2:], np.arange(2, 4), 0, STRONG), whole[2:])
    assert not torch.equal(augment(images(), np.arange(4), 1, STRONG), whole)


def test_flip_mirrors():
    mirrored = augment(images(), np.arange(4), 0, Augmentation(Affine(0.0, 0.0, 0.0, 1.0, 0.0)))
    torch.testing.assert_close(mirrored, normalise(images()).flip(3), atol=1e-4, rtol=0)


@pytest.mark.parametrize("how", [Augmentation(), Augmentation(random_resized_crop=CROP)], ids=["none", "crop"])
def test_a_crop_was_cut_before_and_nothing_else_is_done_to_it(how):
    assert torch.equal(augment(images(), np.arange(4), 0, how), normalise(images()))


def crops(wide, high, count=4000, how=CROP):
    """Left, top, width and height of many crops, [count, 4]."""
    boxes = np.array([place_crop(wide, high, draws, how) for draws in draw_crops(np.arange(count), 0)])
    return np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


def distance(a, b):
    """The largest difference of two samples' cumulative distributions."""
    at = np.union1d(a, b)
    return np.abs(
        np.searchsorted(np.sort(a), at, "right") / len(a) - np.searchsorted(np.sort(b), at, "right") / len(b)
    ).max()


@pytest.mark.parametrize(("wide", "high"), [(640, 480), (224, 224), (300, 400), (500, 330)])
def test_crops_are_distributed_as_torchvisions(wide, high):
    torch.manual_seed(0)
    image = torch.empty(1, high, wide)
    theirs = [RandomResizedCropOfTorchvision.get_params(image, [0.9, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)]
    theirs = np.array(theirs)[:, [1, 0, 3, 2]] / [wide, high, wide, high]
    ours = crops(wide, high) / [wide, high, wide, high]
    for name, a, b in zip(("left", "top", "width", "height"), ours.T, theirs.T, strict=True):
        assert distance(a, b) < 1.95 * (2 / 4000) ** 0.5, name  # Kolmogorov and Smirnov's bound at 0.1 %


@pytest.mark.parametrize(("wide", "high"), [(1000, 100), (100, 1000)])
def test_an_image_that_no_allowed_shape_fits_gives_its_middle_as_torchvisions(wide, high):
    theirs = RandomResizedCropOfTorchvision.get_params(torch.empty(1, high, wide), [0.9, 1.0], [3 / 4, 4 / 3])
    assert np.unique(crops(wide, high, 50), axis=0).tolist() == [[theirs[1], theirs[0], theirs[3], theirs[2]]]


def test_crops_hold_the_least_area_and_lie_inside():
    left, top, wide, high = crops(90, 80).T
    assert (wide * high >= 0.88 * 90 * 80).all() and (left >= 0).all() and (top >= 0).all()
    assert (left + wide <= 90).all() and (top + high <= 80).all() and left.max() > 0 and top.max() > 0
