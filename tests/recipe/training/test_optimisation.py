import dataclasses
import math

import pytest
import torch

from mc2lib.params import Tower
from mc2lib.recipe.training.optimisation import MAX_LOGIT_SCALE, build_loss, build_optimizer, take_step
from mc2lib.recipe.training.towers import build_model
from tests.recipe.training.test_budget import PARAMS
from tests.recipe.training.test_towers import CONVNEXT, TEXT


def test_loss_of_identical_pairs_by_hand():
    """Two pairs, features equal: each row's softmax is 1/2, the loss ln 2."""
    features = torch.ones(2, 4) / 2
    assert build_loss(0, 1)(features, features, torch.tensor(10.0)).item() == torch.tensor(math.log(2)).item()


def test_only_matrices_decay():
    model = build_model(Tower(16, CONVNEXT, TEXT), 50, 12)
    decayed, plain = build_optimizer(model, PARAMS.training).param_groups
    assert all(p.ndim >= 2 for p in decayed["params"]) and all(p.ndim < 2 for p in plain["params"])
    assert plain["weight_decay"] == 0.0 and any(p is model.logit_scale for p in plain["params"])


def test_a_step_learns_and_clamps_the_logit_scale():
    torch.manual_seed(0)
    model = build_model(Tower(16, CONVNEXT, TEXT), 50, 12)
    with torch.no_grad():
        model.logit_scale.fill_(9.0)
    optimizer = build_optimizer(model, PARAMS.training)
    images, texts = torch.randn(8, 3, 32, 32), torch.randint(3, 50, (8, 5))
    texts[:, -1] = 2
    losses = [
        take_step(model, build_loss(0, 1), optimizer, images, texts, 1e-3, PARAMS.training, False).item()
        for _ in range(12)
    ]
    assert losses[-1] < losses[0] and model.logit_scale.item() <= MAX_LOGIT_SCALE


@pytest.mark.parametrize("clip", ["none", 1e-3, 1e9])
def test_the_gradient_is_cut_to_the_norm_that_is_named_and_left_alone_where_none_is(clip):
    """The gradient of the loss, computed apart, is what the step leaves: whole, or of the norm named."""
    training = dataclasses.replace(PARAMS.training, grad_clip=clip)
    images, texts = torch.randn(8, 3, 32, 32), torch.randint(3, 50, (8, 5))
    texts[:, -1] = 2
    torch.manual_seed(0)
    model = build_model(Tower(16, CONVNEXT, TEXT), 50, 12)
    out = model(images, texts)
    logits = out["logit_scale"] * out["image_features"] @ out["text_features"].T
    right = torch.arange(8)
    cross_entropy = torch.nn.functional.cross_entropy
    gradients = torch.autograd.grad(
        (cross_entropy(logits, right) + cross_entropy(logits.T, right)) / 2, [*model.parameters()]
    )
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    take_step(model, build_loss(0, 1), build_optimizer(model, training), images, texts, 0.0, training, False)
    factor = 1.0 if clip == "none" else min(1.0, clip / norm.item())
    assert norm > 1e-2, "too small a gradient to be clipped"
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, factor * gradient, rtol=1e-3, atol=1e-5)
