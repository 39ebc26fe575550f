import pytest
import torch

from mc2lib.io.config import load_params
from mc2lib.params import Tower
from mc2lib.recipe.training.towers import build_model
from mc2lib.trainer.distributed import Rank, find_blocks
from tests.tiny import REPOSITORY

VIT = Tower(
    embed_dim=32,
    vision_cfg={"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
    text_cfg={"width": 32, "heads": 2, "layers": 3, "pool_type": "eos", "eos_id": 2},
)


def names_of_blocks(tower):
    model = build_model(tower, vocabulary=50, context_length=8, nonscalar_logit_scale=True)
    names = {id(module): name for name, module in model.named_modules()}
    return [names[id(block)] for block in find_blocks(model)], model


def test_the_blocks_of_a_vit():
    names, model = names_of_blocks(VIT)
    images = [f"visual.transformer.resblocks.{i}" for i in range(2)]
    texts = [f"text.transformer.resblocks.{i}" for i in range(3)]
    assert set(names) == {*images, *texts, "text.token_embedding"}
    assert model.logit_scale.shape == (1,)


def test_the_blocks_of_a_convnext():
    names, _ = names_of_blocks(load_params(REPOSITORY).towers["large"])
    assert {name for name in names if name.startswith("visual")} == {f"visual.trunk.stages.{i}" for i in range(4)}


@pytest.mark.parametrize("wish", [True, False])
def test_a_rank_alone_agrees_with_itself(wish):
    assert Rank(0, 1, torch.device("cpu")).agree(wish) is wish
