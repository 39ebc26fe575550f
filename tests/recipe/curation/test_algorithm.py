"""Algorithm 1 for the six strategies: by hand on a dozen pairs, and against the slow oracle."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.errors import InputError
from mc2lib.hashing import mix
from mc2lib.recipe.curation.algorithm import (
    COUNTS,
    Balance,
    add_counts,
    balance_counts,
    count_matches,
    draw_epoch,
    find_eligible,
    group_counts,
    group_sizes,
    keep_entries,
    keep_pairs,
)
from mc2lib.recipe.curation.strategies import STRATEGIES, Strategy, choose_strategies, list_metadata
from mc2lib.schemas import MATCHES
from tests.oracles.curation import curate as curate_slowly

BALANCED = [name for name in STRATEGIES if name != "raw"]
ENTRIES = 7

Rows = list[tuple[int, str, list[int]]]


def table(rows: Rows) -> pa.Table:
    """Matches with image ids from (image, language, entries); pair ids are hashes of the row number."""
    ids = pa.array(mix(np.arange(len(rows)), 5), pa.uint64())
    images, languages, entries = ([row[i] for row in rows] for i in range(3))
    columns = [ids, pa.array(languages, pa.string()), pa.array(entries, pa.list_(pa.int32()))]
    return pa.table(columns, schema=MATCHES).append_column("image_id", pa.array(images, pa.uint64()))


def balance(rows: Rows, strategy: Strategy, t_en: int | None, p: float = 0.06, shards: int = 1) -> Balance:
    """Count, add up and balance some shards of matches."""
    whole = table(rows)
    size = -(-len(rows) // shards) or 1
    parts = [count_matches(whole.slice(start, size)) for start in range(0, max(len(rows), 1), size)]
    lists = ["all"] if strategy.groups == "all" else sorted({row[1] for row in rows})
    sizes = dict.fromkeys(lists if strategy.metadata != "none" else [], ENTRIES)
    counts = group_counts(pa.concat_tables(parts), strategy)
    return balance_counts(add_counts(counts, group_sizes(sizes, strategy)), strategy, t_en, p)


def probabilities(rows: Rows, name: str, t_en: int | None, p: float = 0.06, shards: int = 1) -> list[float]:
    """Each pair's keep probability; 0 for those that are not candidates."""
    strategy = STRATEGIES[name]
    found = balance(rows, strategy, t_en, p, shards)
    keep, ends = keep_entries(found)
    matches = table(rows)
    candidate = np.array([bool(row[2]) or strategy.metadata == "none" for row in rows], bool)
    eligible = find_eligible(matches["language"], strategy)
    candidate &= True if eligible is None else eligible
    result = np.zeros(len(rows))
    used = matches.filter(pa.array(candidate))
    result[candidate] = keep_pairs(used, strategy, found.groups, ends, keep)
    return result.tolist()


# English: entry 0 four times, 1 twice, 2 once; German: its own entry 0 three times, 1 once; each its own image
ROWS: Rows = [
    (1, "en", [0]),
    (2, "en", [0]),
    (3, "en", [0, 1]),
    (4, "en", [0, 1, 2]),
    (5, "en", []),
    (6, "de", [0]),
    (7, "de", [0]),
    (8, "de", [0, 1]),
    (9, "de", []),
    (10, "xx", []),
]


def test_the_six_are_the_papers():
    """Metadata, groups, rule and eligible pairs, as the ablation of curation lists them."""
    found = {name: (s.metadata, s.groups, s.threshold, s.eligible) for name, s in STRATEGIES.items()}
    assert found == {
        "raw": ("none", "all", "t_en", "all"),
        "english": ("english", "all", "t_en", "english"),
        "english_metadata": ("english", "all", "t_en", "all"),
        "merged": ("merged", "all", "t_en", "all"),
        "isolated_t_en": ("own", "language", "t_en", "all"),
        "isolated": ("own", "language", "tail_share", "all"),
    }
    assert [s.name for s in choose_strategies("all")] == list(STRATEGIES)
    assert list_metadata(choose_strategies("all")) == ("none", "english", "merged", "own")
    assert list_metadata(choose_strategies("english")) == ("english",)
    with pytest.raises(InputError, match=r"no strategy 'isolatd'\. Did you mean 'isolated'"):
        choose_strategies("isolatd")


def test_thresholds_by_hand():
    isolated = balance(ROWS, STRATEGIES["isolated"], 2)
    assert isolated.groups == ("de", "en", "xx")
    assert [c.tolist()[:3] for c in isolated.counts] == [[3, 1, 0], [4, 2, 1], [0, 0, 0]]
    # English tail: 1 of 7 matches. German cumulative shares: 1/4, 1; 1/4 is nearest to 1/7, at count 1
    assert isolated.t == (1, 2, 0)
    assert isolated.p == pytest.approx((0.0, 1 / 7, 0.0))
    assert balance(ROWS, STRATEGIES["isolated_t_en"], 2).t == (2, 2, 2)
    # one list for all: entry 0 seven times, 1 three times, 2 once
    merged = balance(ROWS, STRATEGIES["merged"], 2)
    assert merged.groups == ("all",) and merged.counts[0].tolist()[:3] == [7, 3, 1] and merged.t == (2,)
    # English pairs only
    assert balance(ROWS, STRATEGIES["english"], 2).counts[0].tolist()[:3] == [4, 2, 1]
    assert balance(ROWS, STRATEGIES["raw"], 2).groups == ()


def test_the_threshold_of_english_can_follow_from_the_tail_share():
    # English cumulative shares 1/7, 3/7, 1 at counts 1, 2, 4; German 1/4, 1 at 1, 3
    assert balance(ROWS, STRATEGIES["isolated"], None, 0.5).t == (1, 2, 0)
    assert balance(ROWS, STRATEGIES["isolated"], None, 0.9).t == (3, 4, 0)
    # one number for all, whatever is matched: that of English pairs
    assert balance(ROWS, STRATEGIES["isolated_t_en"], None, 0.5).t == (2, 2, 2)
    for name in ("english", "english_metadata", "merged"):
        assert balance(ROWS, STRATEGIES[name], None, 0.5).t == (2,)
    # English's share at t_en 2 is 1/7, and the nearest that the Germans have is 1/4, at 1
    assert balance(ROWS, STRATEGIES["isolated"], 2, 0.9).t == (1, 2, 0)


def test_keep_probabilities_by_hand():
    # English keep: entry 0 2/4, 1 2/2, 2 1. German at t 1: 1/3, 1; at t_en 2: 2/3, 1
    english = [0.5, 0.5, 1.0, 1.0, 0]
    assert probabilities(ROWS, "english", 2) == pytest.approx([*english, 0, 0, 0, 0, 0])
    assert probabilities(ROWS, "isolated", 2) == pytest.approx([*english, 1 / 3, 1 / 3, 1.0, 0, 0])
    assert probabilities(ROWS, "isolated_t_en", 2) == pytest.approx([*english, 2 / 3, 2 / 3, 1.0, 0, 0])
    # merged: entry 0 2/7, 1 2/3, 2 1; rows 2 and 7: 1 - 5/7 * 1/3
    both = 1 - 5 / 7 / 3
    merged = [2 / 7, 2 / 7, both, 1.0, 0, 2 / 7, 2 / 7, both, 0, 0]
    assert probabilities(ROWS, "merged", 2) == pytest.approx(merged)
    assert probabilities(ROWS, "english_metadata", 2) == pytest.approx(merged)
    assert probabilities(ROWS, "raw", 2) == [1.0] * 10


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_empty_pool_gives_an_empty_one(name: str):
    assert probabilities([], name, 2) == []


def test_a_threshold_that_follows_from_english_needs_english():
    rows: Rows = [(1, "de", [0]), (2, "de", [0, 1])]
    with pytest.raises(InputError, match=r"no English pair matched.*Set t_en to auto"):
        balance(rows, STRATEGIES["isolated"], 2)
    assert balance(rows, STRATEGIES["isolated"], None, 0.06).t == (1,)
    for name in ("isolated_t_en", "merged", "english_metadata"):
        assert set(balance(rows, STRATEGIES[name], 5).t) == {5}
        with pytest.raises(InputError, match=r"no English pair matched.*Set t_en to a number"):
            balance(rows, STRATEGIES[name], None)
    # a pool without a match is no fault, nor one that English alone is asked of
    assert balance([(1, "de", [])], STRATEGIES["isolated"], 2).t == (0,)
    assert balance(rows, STRATEGIES["english"], None).t == (0,)


PAIRS = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from(["en", "en", "de", "th"]),
        st.lists(st.integers(0, ENTRIES - 1), unique=True, max_size=4).map(sorted),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(
    PAIRS, st.sampled_from(list(STRATEGIES)), st.none() | st.integers(1, 12), st.floats(0.02, 0.9), st.integers(1, 4)
)
def test_equals_the_oracle(rows: Rows, name: str, t_en: int | None, p: float, shards: int):
    strategy = STRATEGIES[name]
    if not any(row[2] for row in rows if row[1] == "en"):
        rows = [*rows, (31, "en", [0])]
    t, keep = curate_slowly(name, [row[2] for row in rows], [row[1] for row in rows], t_en, p)
    found = balance(rows, strategy, t_en, p, shards)
    assert dict(zip(found.groups, found.t, strict=True)) == t
    assert probabilities(rows, name, t_en, p, shards) == pytest.approx(keep, abs=1e-12)


@settings(max_examples=60)
@given(PAIRS, st.sampled_from(BALANCED), st.randoms())
def test_row_order_moves_nothing(rows: Rows, name: str, random):
    rows = [*rows, (31, "en", [0])]
    order = list(range(len(rows)))
    random.shuffle(order)
    before, after = probabilities(rows, name, 4), probabilities([rows[i] for i in order], name, 4)
    assert after == [before[i] for i in order]


def draw(rows: Rows, name: str, t_en: int, seed: int) -> list[bool]:
    """The candidates that an epoch keeps."""
    matches = table(rows).append_column("keep_probability", pa.array(probabilities(rows, name, t_en)))
    return draw_epoch(matches, seed, 0).tolist()


def test_one_text_of_an_image_is_drawn_and_then_kept_with_its_probability():
    rows: Rows = [(i // 2, "en", [0]) for i in range(200)]
    assert sum(draw(rows, "raw", 2, 3)) == 100
    assert sum(draw(rows, "isolated", 1000, 3)) == 100
    kept = np.array([draw(rows, "isolated", 50, seed) for seed in range(40)])
    assert 20 < kept.sum() / 40 < 30  # a quarter of a hundred images
    assert kept.reshape(40, 100, 2).sum(axis=2).max() == 1


def test_expected_numbers_of_a_head_entry_are_near_t():
    rows: Rows = [(i, "en", [0]) for i in range(3000)] + [(5000 + i, "en", [1]) for i in range(40)]
    kept = draw(rows, "isolated", 500, 0)
    assert abs(sum(kept[:3000]) - 500) < 70 and sum(kept[3000:]) == 40


def test_counts_of_a_shard_by_hand():
    counted = count_matches(table(ROWS))
    assert counted.schema == COUNTS
    assert [tuple(row.values()) for row in counted.to_pylist()] == [
        ("de", 0, 3),
        ("de", 1, 1),
        ("en", 0, 4),
        ("en", 1, 2),
        ("en", 2, 1),
    ]
    assert count_matches(table(ROWS[:0])).num_rows == 0
    dense = add_counts(counted, {"en": 4, "de": 2, "xx": 1})
    assert {name: count.tolist() for name, count in dense.items()} == {"en": [4, 2, 1, 0], "de": [3, 1], "xx": [0]}
    assert group_counts(counted, STRATEGIES["isolated"]) is counted
    english, merged = (group_counts(counted, STRATEGIES[name]) for name in ("english", "merged"))
    sums = [add_counts(counts, {"all": 4, "en": 4}) for counts in (english, merged)]
    assert [found["all"].tolist() for found in sums] == [[4, 2, 1, 0], [7, 3, 1, 0]]
    assert [found["en"].tolist() for found in sums] == [[4, 2, 1, 0]] * 2


def test_groups_have_the_sizes_of_their_lists():
    assert group_sizes({"en": 4, "de": 2}, STRATEGIES["isolated"]) == {"en": 4, "de": 2}
    assert group_sizes({"all": 9}, STRATEGIES["merged"]) == {"all": 9, "en": 9}
    assert group_sizes({}, STRATEGIES["raw"]) == {}
