import dataclasses

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mc2lib.io.config import load_params
from mc2lib.params import Machine
from mc2lib.recipe.training.budget import checkpoint_bytes, checkpoint_seconds, divide_batches, learning_rate, plan_arm
from tests.tiny import REPOSITORY

PARAMS = load_params(REPOSITORY)
PARAMS = dataclasses.replace(PARAMS, training=dataclasses.replace(PARAMS.training, batch_size=128, steps=100))


@pytest.mark.parametrize(
    ("arm", "share", "batch"),
    [
        ("small-english", 0.44, 128),
        ("small-other", 0.44, 163),  # 128 x (1 / 0.44 - 1) = 162.9
        ("small-worldwide", 0.44, 128),
        ("small-worldwide-scaled", 0.44, 290),  # 128 / 0.44 = 290.9, even
        ("small-english-scaled", 0.5, 256),
        ("small-other", 0.5, 128),
    ],
)
def test_seen_pairs_grow_the_batch_and_not_the_steps(arm, share, batch):
    plan = plan_arm(PARAMS, arm, share)
    assert (plan.batch_size, plan.steps, plan.seen_pairs) == (batch, 100, 100 * batch)


def with_training(**changes):
    return dataclasses.replace(PARAMS, training=dataclasses.replace(PARAMS.training, **changes))


@given(share=st.floats(0.2, 0.8), batch_size=st.integers(96, 40_000))
@example(share=0.8, batch_size=358)  # asks for 89.5 pairs: half a pair is the bound itself, so it is held to in pairs
def test_rounding_a_batch_does_not_matter(share, batch_size):
    """Each arm sees what the recipe asks for within 0.5 %, and no language's pairs are displaced."""
    params = with_training(batch_size=batch_size)
    plans = {arm: plan_arm(params, f"large-{arm}", share) for arm in ("english", "other", "worldwide-scaled")}
    seen = {arm: plan.seen_pairs / (100 * batch_size) for arm, plan in plans.items()}
    assert seen["english"] == 1
    assert seen["worldwide-scaled"] == pytest.approx(1 / share, rel=0.005)
    assert plans["other"].batch_size == pytest.approx(batch_size * (1 / share - 1), rel=0.005, abs=0.5)
    assert seen["worldwide-scaled"] * share == pytest.approx(seen["english"], rel=0.005)
    assert seen["worldwide-scaled"] * (1 - share) == pytest.approx(seen["other"], rel=0.01, abs=0.5 / batch_size)


def test_a_large_computed_batch_is_divided_by_many_ranks():
    assert plan_arm(with_training(batch_size=4096), "large-worldwide-scaled", 0.44).batch_size % 64 == 0


def test_what_a_number_asks_for_is_not_rounded():
    assert plan_arm(with_training(batch_size=4099), "large-english", 0.44).batch_size == 4099


def test_an_arm_may_ask_for_more_steps():
    plan, longer = (plan_arm(PARAMS, f"large-worldwide-scaled{end}", 0.44) for end in ("", "-long"))
    assert (longer.batch_size, longer.steps) == (plan.batch_size, 200) and plan.steps == 100


def test_an_arm_may_see_the_scaled_pairs_in_more_steps():
    """Of the English arm's batch: the seen pairs are the scaled arm's, up to the rounding of steps and batches."""
    scaled, steps = (plan_arm(PARAMS, f"small-worldwide-scaled{end}", 0.44) for end in ("", "-steps"))
    assert (steps.batch_size, steps.steps) == (plan_arm(PARAMS, "small-english", 0.44).batch_size, 227)
    assert steps.seen_pairs == pytest.approx(scaled.seen_pairs, rel=0.01)


def test_the_papers_batches():
    """English 1.0x, worldwide 2.3x as 384 GPUs x 196 pairs, and what that leaves for the others: about 1.3x."""
    paper = load_params(REPOSITORY, "paper")
    batches = [plan_arm(paper, f"large-{arm}", 0.44).batch_size for arm in ("english", "worldwide-scaled", "other")]
    assert batches == [32_768, 384 * 196, 384 * 196 - 32_768]


def test_ranks_divide_every_batch():
    assert divide_batches([75_264], 400) == 392 and divide_batches([32, 48], 10) == 8 and divide_batches([7], 4) == 1


def test_learning_rate_warms_up_and_falls_to_zero():
    rates = [learning_rate(step, 1.0, 10, 110) for step in range(110)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == rates[10] == 1.0
    assert rates[60] == pytest.approx(0.5) and rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-3


def test_large_states_are_saved_less_often():
    auto = Machine("auto", "auto")
    assert checkpoint_bytes(1000) == 1000 * (4 + 4 + 4)
    assert checkpoint_seconds(auto, 1_000_000) == 30 and checkpoint_seconds(auto, 10**9) == pytest.approx(960)
    assert checkpoint_seconds(Machine("auto", 7.0), 10**9) == 7
