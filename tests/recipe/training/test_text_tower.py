"""The text tower that reads end tokens alone, compared with open_clip's own forward."""

import pytest
import torch
from open_clip.transformer import TextTransformer

from mc2lib.params import Tower
from mc2lib.recipe.training import text_tower
from mc2lib.recipe.training.text_tower import can_read_ends_only
from mc2lib.recipe.training.towers import build_model

VISION = {"timm_model_name": "mc2_convnext_tiny", "timm_pool": "avg", "timm_proj": "linear", "image_size": 32}
TEXT = {"width": 32, "heads": 2, "layers": 2, "pool_type": "eos", "eos_id": 2}
EOS = 2


def draw_texts(count: int, length: int, seed: int = 0) -> torch.Tensor:
    """Token ids of `count` texts of all lengths from one token up, padded with 0."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.zeros(count, length, dtype=torch.int64)
    for row in ids:
        words = int(torch.randint(0, length, (1,), generator=generator))
        row[:words] = torch.randint(3, 50, (words,), generator=generator)
        row[words] = EOS
    return ids


def build(text: dict):
    torch.manual_seed(0)
    return build_model(Tower(16, VISION, text), 50, 12).double().text


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 3, 37])
@pytest.mark.parametrize("proj_bias", [False, True])
def test_features_and_gradients_are_open_clips(layers, count, proj_bias):
    text = build({**TEXT, "layers": layers, "proj_bias": proj_bias})
    ids, weights = draw_texts(count, 12), torch.randn(count, 16, dtype=torch.float64)
    found = []
    for forward in (text, lambda ids: TextTransformer.forward(text, ids)):
        text.zero_grad()
        features = forward(ids)
        (features * weights).sum().backward()
        found.append({"features": features.detach(), **{n: p.grad.clone() for n, p in text.named_parameters()}})
    ours, theirs = found
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-9, atol=1e-12, msg=lambda m, name=name: f"{name}: {m}")


def test_the_grouping_changes_no_feature(monkeypatch):
    text, ids = build(TEXT).eval(), draw_texts(41, 12, seed=3)
    grouped = text(ids)
    monkeypatch.setattr(text_tower, "CPU_GROUPS", 1)
    torch.testing.assert_close(text(ids), grouped)


def test_checkpointed_activations_change_no_gradient():
    text, ids = build({**TEXT, "layers": 3}), draw_texts(9, 12)
    gradients = []
    for checkpoints in (False, True):
        text.zero_grad()
        text.set_grad_checkpointing(checkpoints)
        text(ids).square().sum().backward()
        gradients.append(text.token_embedding.weight.grad.clone())
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("other", [{"pool_type": "argmax"}, {"no_causal_mask": True}, {"embed_cls": True}])
def test_another_kind_of_tower_keeps_its_own_forward(other):
    text = build({**TEXT, **other})
    assert not can_read_ends_only(text) and "forward" not in vars(text)
