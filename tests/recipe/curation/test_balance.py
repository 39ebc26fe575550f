"""Thresholds, keep probabilities and draws: by hand, and as laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mc2lib.hashing import key, mix
from mc2lib.recipe.curation.balance import (
    count_entries,
    draw_among,
    draw_texts,
    keep_probability,
    merge_counts,
    pair_keep_probability,
    sample_pairs,
    tail_share,
    threshold_for_share,
)
from tests.oracles.matching import nearest_count


def counts(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_count_entries():
    assert count_entries(np.array([0, 2, 2, 3], np.int32), 5).tolist() == [1, 0, 2, 1, 0]
    assert count_entries(np.array([], np.int32), 2).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("values", "t", "p"),
    [
        ((1, 2, 3, 94), 4, 0.06),  # (1 + 2 + 3) / 100
        ((1, 2, 3, 94), 3, 0.03),  # an entry with exactly t matches is head
        ((1, 2, 3, 94), 95, 1.0),
        ((5, 5), 5, 0.0),
        ((0, 0), 5, 0.0),
        ((), 5, 0.0),
    ],
)
def test_tail_share(values: tuple[int, ...], t: int, p: float):
    assert tail_share(counts(*values), t) == pytest.approx(p)


@pytest.mark.parametrize(
    ("values", "p", "t"),
    [
        # cumulative shares of 1, 2, 3, 94: 0.01, 0.03, 0.06, 1
        ((94, 3, 1, 2), 0.06, 3),
        ((94, 3, 1, 2), 0.05, 3),  # 0.06 is nearer than 0.03
        ((94, 3, 1, 2), 0.04, 2),
        ((94, 3, 1, 2), 0.0, 1),
        ((94, 3, 1, 2), 0.54, 94),
        ((1, 1, 1, 1), 0.06, 1),  # all of a thin language may be tail's lowest count
        ((0, 0, 1, 3), 0.01, 1),  # entries that match nothing are no threshold
        ((2, 2), 0.75, 2),
        ((1, 1, 2), 0.375, 1),  # 0.25 and 0.5 are equally near: the lower
        ((0, 0), 0.06, 0),
        ((), 0.06, 0),
    ],
)
def test_threshold_for_share(values: tuple[int, ...], p: float, t: int):
    assert threshold_for_share(counts(*values), p) == t


COUNTS = st.lists(st.integers(0, 500), min_size=1, max_size=60).map(lambda c: np.array(c, np.int64))


@given(COUNTS, st.floats(0, 1))
def test_no_cut_of_the_sorted_counts_is_nearer_to_p(c: np.ndarray, p: float):
    t = threshold_for_share(c, p)
    assert t == nearest_count([int(v) for v in c if v], p)
    if c.sum():
        cuts = np.cumsum(np.sort(c[c > 0])) / c.sum()
        below = c[(c > 0) & (c < t)].sum() / c.sum()
        upto = c[c <= t].sum() / c.sum()
        nearest = np.abs(cuts - p).min()
        # the cut lies somewhere within the entries of count t
        assert below - 1e-12 <= cuts[np.abs(cuts - p).argmin()] <= upto + 1e-12
        assert nearest <= min(abs(upto - p), abs(below - p) if below else 1.0) + 1e-12


@given(st.lists(st.integers(1, 10**6), min_size=20, max_size=300, unique=True), st.floats(0.01, 0.5))
def test_tail_mass_is_near_p_where_counts_differ(values: list[int], p: float):
    c = np.array(values, np.int64)
    t = threshold_for_share(c, p)
    # distinct counts: the tail misses p by no more than the entry at the cut and its neighbour
    largest = c[c <= np.sort(c)[min(np.searchsorted(np.sort(c), t) + 1, len(c) - 1)]].max() / c.sum()
    assert abs(tail_share(c, t) - p) <= 2 * largest


def test_keep_probability():
    assert keep_probability(counts(0, 1, 20, 40, 80), 20).tolist() == [1.0, 1.0, 1.0, 0.5, 0.25]


@given(COUNTS, st.integers(1, 100))
def test_head_entries_are_expected_t_times_and_tail_entries_always(c: np.ndarray, t: int):
    keep = keep_probability(c, t)
    assert np.allclose((keep * c)[c >= t], t)
    assert (keep[c < t] == 1).all()


def test_pair_keep_probability():
    keep = np.array([1.0, 0.5, 0.25])
    offsets = np.array([0, 1, 2, 4, 4, 7])
    entries = np.array([0, 1, 1, 2, 0, 1, 2], np.int32)
    # 1; 0.5; 1 - 0.5 * 0.75; nothing matched; a tail entry keeps the pair for sure
    starts = np.zeros(5, np.int64)
    assert pair_keep_probability(offsets, entries, starts, keep).tolist() == [1.0, 0.5, 0.625, 0.0, 1.0]
    # the second list begins at 2
    both = np.concatenate([[0.0, 0.0], keep])
    assert pair_keep_probability(offsets, entries, starts + 2, both).tolist() == [1.0, 0.5, 0.625, 0.0, 1.0]


def test_drawing_each_entry_alone_is_the_same_law():
    keep = np.array([0.3, 0.6, 0.1])
    rng = np.random.default_rng(0)
    simulated = (rng.random((200_000, 3)) < keep).any(axis=1).mean()
    exact = pair_keep_probability(np.array([0, 3]), np.array([0, 1, 2], np.int32), np.zeros(1, np.int64), keep)[0]
    assert simulated == pytest.approx(exact, abs=0.005)
    assert exact == pytest.approx(1 - 0.7 * 0.4 * 0.9)


IDS = np.arange(30_000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def test_sampling_keeps_the_share_it_should_and_depends_on_seed_and_epoch():
    kept = sample_pairs(IDS, np.full(len(IDS), 0.3), seed=1)
    assert kept.mean() == pytest.approx(0.3, abs=0.01)
    assert not np.array_equal(kept, sample_pairs(IDS, np.full(len(IDS), 0.3), seed=2))
    other_epoch = sample_pairs(IDS, np.full(len(IDS), 0.3), seed=1, epoch=1)
    assert (kept & other_epoch).mean() == pytest.approx(0.09, abs=0.01)  # independent
    assert sample_pairs(IDS, np.ones(len(IDS)), 1).all() and not sample_pairs(IDS, np.zeros(len(IDS)), 1).any()


def test_each_image_draws_one_text_uniformly_and_apart_from_the_sampling():
    images = np.repeat(IDS[:10_000], 3)
    drawn = draw_texts(images, IDS, seed=1)
    assert np.array_equal(np.unique(images[drawn]), np.unique(images)) and drawn.sum() == 10_000
    assert drawn.reshape(-1, 3).mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.02)
    kept = sample_pairs(IDS, np.full(len(IDS), 0.5), seed=1)
    assert kept[drawn].mean() == pytest.approx(0.5, abs=0.02)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), max_size=60), st.integers(0, 3))
def test_one_text_an_image_is_the_least_draw_then_the_least_id_then_the_first(rows, epoch):
    images, pairs = (np.array([row[i] for row in rows], np.uint64) for i in (0, 1))
    draws = mix(pairs, key("text of image", 4, epoch))
    best = {}
    for place in range(len(rows)):
        rank = (int(draws[place]), rows[place][1], place)
        best[rows[place][0]] = min(rank, best.get(rows[place][0], rank))
    assert sorted(np.flatnonzero(draw_texts(images, pairs, 4, epoch))) == sorted(place for _, _, place in best.values())


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**63)), max_size=40, unique_by=lambda row: row[1]),
    st.randoms(),
)
def test_row_order_moves_no_draw(rows: list[tuple[int, int]], random):
    def outcome(rows: list[tuple[int, int]]) -> set[int]:
        images = np.array([image for image, _ in rows], np.uint64)
        pairs = np.array([pair for _, pair in rows], np.uint64)
        kept = draw_texts(images, pairs, 7) & sample_pairs(pairs, np.full(len(rows), 0.5), 7)
        return set(pairs[kept].tolist())

    before = outcome(rows)
    random.shuffle(rows)
    assert outcome(rows) == before


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 9)), max_size=40), st.integers(0, 40))
def test_counts_add_up_however_they_are_cut(rows, cut):
    entries, counts = (np.array([row[i] for row in rows], np.int64) for i in range(2))
    whole = merge_counts(entries, counts, 7)
    parts = [merge_counts(entries[rows_], counts[rows_], 7) for rows_ in (slice(cut), slice(cut, None))]
    assert whole.tolist() == (parts[0] + parts[1]).tolist()
    assert whole.tolist() == [sum(count for entry, count in rows if entry == e) for e in range(7)]


def test_counts_stay_exact_where_floats_do_not():
    assert merge_counts(np.array([0, 0]), np.array([2**53, 1]), 1).tolist() == [2**53 + 1]


@given(st.lists(st.integers(0, 15), min_size=1, max_size=30), st.integers(0, 3), st.data())
def test_shards_draw_what_the_whole_pool_draws(rows, epoch, data):
    """However pairs are spread over shards, the same ones are drawn; of a pair in two shards the first."""
    pairs = np.array(rows, np.uint64)
    images = pairs % 4  # a pair is of one image
    shard = np.sort(np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))))
    drawn = np.zeros(len(rows), bool)
    for number in range(3):
        here = shard == number
        other = ~here & np.isin(images, images[here])
        rivals = (images[other], pairs[other], shard[other] < number)
        drawn[here] = draw_among(images[here], pairs[here], 5, epoch, rivals)
    assert drawn.tolist() == draw_texts(images, pairs, 5, epoch).tolist()
    assert drawn.sum() == len(set(images.tolist()))
