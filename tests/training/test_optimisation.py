import math

import torch

from mc2lib.params import Tower
from mc2lib.training.optimisation import MAX_LOGIT_SCALE, build_loss, build_optimizer, take_step
from mc2lib.training.towers import build_model
from tests.training.test_plan import PARAMS
from tests.training.test_towers import CONVNEXT, TEXT


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
