import dataclasses
import json
import re
from pathlib import Path

import pyarrow as pa
import pytest

from mc2lib.errors import InputError
from mc2lib.io.files import write_table
from mc2lib.io.study_paths import Paths
from mc2lib.schemas import CURATED
from mc2lib.study.scale_plan import cost_arm, find_english_share, load_scale, measure_tower, print_plan
from tests.conftest import ROOT
from tests.tiny import write_study


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
    assert (scaled.batch_size, scaled.ranks) == (75_264, 384)
    assert scaled.seen_pairs == pytest.approx(29.4e9, rel=0.005)
    assert english.seen == 1 and scaled.seen == pytest.approx(2.3, abs=0.005)
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
    *lines, last = capsys.readouterr().out.splitlines()
    plan, params = json.loads(last), load_scale(ROOT, scale)
    assert plan["scale"] == scale and set(plan["arms"]) == set(params.arms)
    assert plan["gpu_hours"]["A100"] > plan["gpu_hours"]["H200"] > 0
    assert all(arm["batch_size"] % arm["ranks"] == 0 for arm in plan["arms"].values())
    assert max(map(len, lines)) <= 100
    text = " ".join(line.strip() for line in lines)
    for name, tower in plan["towers"].items():
        line = text[text.index(f"tower {name}:") :]
        size, seconds = re.findall(r"a checkpoint of ([\d,.]+) GB every ([\d,]+) s", line)[0]
        assert float(size.replace(",", "")) == pytest.approx(12 * tower["parameters"] / 1e9, abs=0.006)
        assert float(seconds.replace(",", "")) == round(tower["checkpoint_seconds"])
    assert "Assumed: 40% of the GPU's" in text and ("without a GPU" in text) == (scale in ("smoke", "laptop"))
    start = next(number for number, line in enumerate(lines) if line.startswith("tower  "))
    rows = lines[start + 1 : lines.index("", start)]
    names = [name.strip(",") for row in rows if row.startswith("  ") for name in row.split()]
    assert sorted(names) == sorted(params.arms), "an arm is in no row, or is broken over two"
    assert len({len(row) for row in [lines[start], *rows] if not row.startswith("  ")}) == 1, "a column overflows"


def test_the_plan_says_what_the_papers_models_are_and_what_a_rank_holds(capsys: pytest.CaptureFixture[str]) -> None:
    print_plan(ROOT, "paper")
    *lines, last = capsys.readouterr().out.splitlines()
    plan = json.loads(last)
    assert [plan["towers"][name]["name"] for name in ("small", "large")] == ["ViT-L/14", "ViT-H/14"]
    arm, tower = plan["arms"]["large-worldwide-scaled"], plan["towers"]["large"]
    held, parameters = arm["gigabytes"], tower["parameters"]
    assert list(held) == ["parameters", "gradients", "optimiser", "activations", "loss"]
    assert [held[part] for part in list(held)[:3]] == pytest.approx([4 * parameters / 1e9] * 2 + [8 * parameters / 1e9])
    # two towers' features of 75,264 pairs and their gradients in bf16; three fp32 matrices of 196 rows
    assert held["loss"] == pytest.approx((4 * 75_264 * 1024 * 2 + 3 * 196 * 75_264 * 4) / 1e9)
    assert arm["days"] == pytest.approx(arm["gpu_hours"]["H200"] / 384 / 24)
    (row,) = [line.split() for line in lines if line.startswith("large ") and line.endswith(" 384")][-1:]
    sharded = sum(held.values()) - 16 * parameters / 1e9 * 383 / 384
    assert row[-3:-1] == [f"{sum(held.values()):.2f}", f"{sharded:.2f}"]
    batches = [arm["batch_size"] for arm in plan["arms"].values()]
    fit = next(line for line in lines if line.startswith("numbers of GPUs"))
    numbers = [int(number) for number in fit.split(": ")[1].replace(" ", "").strip(",").split(",")]
    assert numbers == [n for n in range(1, 1025) if not any(batch % n for batch in batches)]


def test_a_cpus_minutes_are_those_that_were_measured() -> None:
    """docs/log.md: one rank of two threads reached some 2,000 pairs a second, and the large tower fewer."""
    cost = cost_arm(load_scale(ROOT, "laptop"), "large-worldwide-scaled-long")
    assert 500 < cost.seen_pairs / cost.cpu_minutes / 60 < 4_000


def test_ranks_that_do_not_divide_the_batch_are_not_used() -> None:
    params = load_scale(ROOT, "paper")
    assert cost_arm(params, "large-english", ranks=384).ranks == 256  # 32,768 / 384 is no whole number


def test_the_share_that_curation_measured_is_planned_with(tmp_path: Path) -> None:
    """As training reads it: 40 % English of what was curated, not what the paper's pool has."""
    write_study(tmp_path)
    params = load_scale(tmp_path, None)
    assert find_english_share(tmp_path, params, "small-other") == 0.44
    languages = ["en"] * 2 + ["de"] * 3
    columns = {field.name: pa.array(range(5)).cast(field.type) for field in CURATED} | {"language": pa.array(languages)}
    write_table(pa.table(columns), Paths(tmp_path).curated("base", params.seeds[0], "isolated"), CURATED)
    assert find_english_share(tmp_path, params, "small-other") == pytest.approx(0.4)
    share = find_english_share(tmp_path, params, "small-worldwide-scaled")
    assert cost_arm(params, "small-worldwide-scaled", share=share).batch_size == 80  # 32 / 0.4
    elsewhere = dataclasses.replace(params, scale="paper")
    assert find_english_share(tmp_path, elsewhere, "small-other") == 0.44


def test_an_unknown_scale_gets_the_near_miss() -> None:
    with pytest.raises(InputError, match=r"no scale 'papr' in scales/. Did you mean 'paper'\?"):
        load_scale(ROOT, "papr")
