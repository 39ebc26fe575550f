import json

import pytest

from mc2lib.effects.plan import cost_arm, load_scale, measure_tower, print_plan
from mc2lib.errors import InputError
from tests.conftest import ROOT


def test_the_papers_towers() -> None:
    """open_clip's own profile of ViT-H-14 and ViT-L-14, with XLM-V's token embedding."""
    params = load_scale(ROOT, "paper")
    large = measure_tower(params.towers["large"], params, "gemma")
    small = measure_tower(params.towers["small"], params, "gemma")
    assert large.embedding_parameters == 901_629 * 1024  # 923M, 14.8 GB in fp32 Adam: recipe, §4
    assert large.image_parameters / 1e6 == pytest.approx(632.08, abs=0.01)
    assert small.image_parameters / 1e6 == pytest.approx(303.97, abs=0.01)
    # without the embedding, ViT-H-14's text tower has 354.0M - 50.6M parameters in open_clip
    assert (large.text_parameters - large.embedding_parameters) / 1e6 == pytest.approx(303.4, abs=0.3)
    assert large.forward_flops / 1e9 == pytest.approx(381.68, rel=0.01)
    assert small.forward_flops / 1e9 == pytest.approx(175.33, rel=0.01)


def test_the_papers_runs() -> None:
    params = load_scale(ROOT, "paper")
    english, scaled = cost_arm(params, "large-english"), cost_arm(params, "large-worldwide-scaled")
    assert english.batch_size == 32_768 and english.steps == scaled.steps
    assert scaled.batch_size == pytest.approx(75_264, rel=0.02)  # 1 / 0.44 is 2.27; the paper rounds to 2.3
    assert scaled.seen_pairs == pytest.approx(29.4e9, rel=0.02)
    assert scaled.ranks == pytest.approx(384, rel=0.02)
    tower = measure_tower(params.towers["large"], params, "gemma")
    by_hand = 3 * tower.forward_flops * scaled.seen_pairs / (989e12 * 0.4) / 3600
    assert scaled.gpu_hours["H200"] == pytest.approx(by_hand)
    assert 16 * tower.parameters / 1e9 < scaled.gigabytes_a_rank < 80  # fits the 80 GB that the paper trained on


def test_more_ranks_need_less_memory_each() -> None:
    params = load_scale(ROOT, "paper")
    few, many = cost_arm(params, "large-english", ranks=64), cost_arm(params, "large-english", ranks=512)
    assert many.gigabytes_a_rank < few.gigabytes_a_rank and many.gpu_hours == few.gpu_hours
    with pytest.raises(InputError, match="0 is below one"):
        cost_arm(params, "large-english", ranks=0)


@pytest.mark.parametrize("scale", ["smoke", "laptop", "workstation", "paper"])
def test_every_scale_plans(scale: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_plan(ROOT, scale)
    lines = capsys.readouterr().out.splitlines()
    plan = json.loads(lines[-1])
    assert plan["scale"] == scale and set(plan["arms"]) == set(load_scale(ROOT, scale).arms)
    assert plan["gpu_hours"]["A100"] > plan["gpu_hours"]["H200"] > 0
    assert any(line.startswith("large-worldwide-scaled ") for line in lines)
    assert any("Assumed: 40% of the GPU's" in line for line in lines)


def test_an_unknown_scale_gets_the_near_miss() -> None:
    with pytest.raises(InputError, match=r"no scale 'papr' in scales/. Did you mean 'paper'\?"):
        load_scale(ROOT, "papr")
