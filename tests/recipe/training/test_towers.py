import pytest
import torch

from mc2lib.params import Tower
from mc2lib.recipe.training.towers import build_model, count_parameters

CONVNEXT = {"timm_model_name": "mc2_convnext_tiny", "timm_pool": "avg", "timm_proj": "linear", "image_size": 32}
VIT = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}
TEXT = {"width": 32, "heads": 1, "layers": 2, "pool_type": "eos", "eos_id": 2}


@pytest.mark.parametrize("vision", [CONVNEXT, VIT])
def test_features_are_normalised_and_of_the_embedding_size(vision):
    model = build_model(Tower(16, vision, TEXT), 50, 12)
    out = model(torch.randn(3, 3, 32, 32), torch.tensor([[5, 6, 2], [7, 2, 0], [8, 9, 2]]))
    for name in ("image_features", "text_features"):
        assert out[name].shape == (3, 16)
        torch.testing.assert_close(out[name].norm(dim=1), torch.ones(3))
    assert out["logit_scale"].item() == pytest.approx(1 / 0.07, rel=1e-5)


def test_padding_changes_no_text():
    """Batches are padded to their longest text: eos sees only what precedes it."""
    model = build_model(Tower(16, CONVNEXT, TEXT), 50, 12).eval()
    short = torch.tensor([[5, 6, 7, 2]])
    longer = torch.tensor([[5, 6, 7, 2, 0, 0, 0, 0]])
    torch.testing.assert_close(model.encode_text(short), model.encode_text(longer))
    torch.testing.assert_close(model.encode_text(short), model.encode_text(longer[:, :4]))
    assert not torch.allclose(model.encode_text(short), model.encode_text(torch.tensor([[5, 6, 8, 2]])))


def test_parameters_are_counted_by_tower():
    counts = count_parameters(build_model(Tower(16, CONVNEXT, TEXT), 50, 12))
    assert counts["embedding"] == 50 * 32 and counts["text"] > counts["embedding"] and counts["image"] > 0
