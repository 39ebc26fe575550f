import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mc2lib.hashing import choose, key, mix, normal, uniform

IDS = np.arange(200_000, dtype=np.uint64)
MASK = 2**64 - 1


def slow_mix(number: int, salt: int) -> int:
    """The hash in Python's own integers, one at a time."""
    z = (number + salt * 0x9E3779B97F4A7C15) & MASK
    for _ in range(2):
        z = (z + 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
    return z


def test_keys_are_the_same_on_every_machine() -> None:
    assert key("pool", 0, "base") == 14189885056754919721
    assert key("a", "b") != key("ab") and key("a", 1) == key("a", "1")


@given(st.lists(st.integers(0, MASK), min_size=1, max_size=20), st.integers(0, MASK))
def test_mix_is_the_plain_integer_hash(ids: list[int], salt: int) -> None:
    assert mix(np.array(ids, dtype=np.uint64), salt).tolist() == [slow_mix(number, salt) for number in ids]


@given(st.permutations(range(30)), st.integers(0, MASK))
def test_a_draw_depends_on_the_id_alone(order: list[int], salt: int) -> None:
    whole = uniform(np.arange(30), salt)
    assert uniform(np.array(order), salt).tolist() == whole[order].tolist()
    assert uniform(np.arange(30)[7:9], salt).tolist() == whole[7:9].tolist()


def test_uniform_draws_are_uniform() -> None:
    draws = uniform(IDS, key("test"))
    assert draws.min() >= 0 and draws.max() < 1
    counts = np.bincount((draws * 20).astype(int), minlength=20)
    assert abs(counts / len(IDS) - 0.05).max() < 0.003  # 6 s.d.
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.014  # neighbours do not follow each other


def test_other_salts_give_other_draws() -> None:
    assert abs(np.corrcoef(uniform(IDS, 1), uniform(IDS, 2))[0, 1]) < 0.014


def test_normal_draws_are_normal() -> None:
    draws = normal(IDS, key("test"))
    assert draws.mean() == pytest.approx(0, abs=0.014) and draws.std() == pytest.approx(1, abs=0.01)
    assert (np.abs(draws) < 1.959964).mean() == pytest.approx(0.95, abs=0.003)


def test_choices_follow_the_weights() -> None:
    chosen = choose(IDS, key("test"), [1, 0, 2, 1])
    assert (np.bincount(chosen, minlength=4) / len(IDS)).tolist() == pytest.approx([0.25, 0, 0.5, 0.25], abs=0.007)
