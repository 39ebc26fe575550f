import numpy as np
import torch

from mc2lib.params import Augmentation
from mc2lib.training.augment import augment, normalise

STILL = Augmentation(rotation=0.0, scale=0.0, translation=0.0, flip=0.0, colour=0.0)
STRONG = Augmentation(rotation=20.0, scale=0.3, translation=0.2, flip=0.5, colour=0.5)


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
    mirrored = augment(images(), np.arange(4), 0, Augmentation(0.0, 0.0, 0.0, 1.0, 0.0))
    torch.testing.assert_close(mirrored, normalise(images()).flip(3), atol=1e-4, rtol=0)
