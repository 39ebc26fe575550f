"""The ways to curate: by hand on a dozen pairs, and against the slow oracle."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.errors import InputError
from mc2lib.hashing import mix
from mc2lib.recipe.curation.algorithm import (
    COUNTS,
    INDEX_OF,
    add_counts,
    balance_counts,
    count_matches,
    curate,
    draw_epoch,
    find_thresholds,
    keep_entries,
    keep_pairs,
)
from mc2lib.schemas import CURATED, MATCHES, POOL
from tests.oracles.matching import keep_probabilities

BALANCED = [curation for curation in INDEX_OF if curation != "raw"]


def tables(rows: list[tuple[int, str, list[int]]]) -> tuple[pa.Table, pa.Table]:
    """A pool and its matches from (image, language, entries); pair ids are hashes of the row number."""
    ids = pa.array(mix(np.arange(len(rows)), 5), pa.uint64())
    images, languages, entries = ([row[i] for row in rows] for i in range(3))
    pool = {
        "pair_id": ids,
        "image_id": pa.array(images, pa.uint64()),
        "image": pa.array([f"style/{image}" for image in images], pa.string()),
        "alt_text": pa.array([f"text {i}" for i in range(len(rows))], pa.string()),
        "language": pa.array(languages, pa.string()),
    }
    matches = {"pair_id": ids, "language": pool["language"], "entries": pa.array(entries, pa.list_(pa.int32()))}
    return pa.table(pool, schema=POOL), pa.table(matches, schema=MATCHES)


# English: entry 0 four times, 1 twice, 2 once; German: its own entry 0 three times, 1 once; each its own image
ROWS = [
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


def test_thresholds_by_hand():
    _, matches = tables(ROWS)
    isolated = find_thresholds(matches, "isolated", t_en=2)
    assert isolated.groups == ("de", "en", "xx")
    assert [c.tolist() for c in isolated.counts] == [[3, 1], [4, 2, 1], []]
    # English tail: 1 of 7 matches. German cumulative shares: 1/4, 1; 1/4 is nearest to 1/7, at count 1
    assert isolated.t == (1, 2, 0)
    assert isolated.p == pytest.approx((0.0, 1 / 7, 0.0))
    assert find_thresholds(matches, "isolated_t_en", 2).t == (2, 2, 2)
    # one list for all: entry 0 seven times, 1 three times, 2 once
    merged = find_thresholds(matches, "merged", 2)
    assert merged.groups == ("all",) and merged.counts[0].tolist() == [7, 3, 1] and merged.t == (2,)
    # English pairs only
    assert find_thresholds(matches, "english", 2).counts[0].tolist() == [4, 2, 1]


def probabilities(curation: str, t_en: int, rows=ROWS) -> dict[int, float]:
    """Keep probability by row, gathered over many seeds."""
    pool, matches = tables(rows)
    number = {pair: i for i, pair in enumerate(pool["pair_id"].to_pylist())}
    found: dict[int, float] = {}
    for seed in range(60):
        kept = curate(pool, None if curation == "raw" else matches, curation, t_en, seed).table
        for pair, probability in zip(kept["pair_id"].to_pylist(), kept["keep_probability"].to_pylist(), strict=True):
            assert found.setdefault(number[pair], probability) == probability
    return found


def test_keep_probabilities_by_hand():
    # English keep: entry 0 2/4, 1 2/2, 2 1. German at t 1: 1/3, 1; at t_en 2: 2/3, 1
    english = {0: 0.5, 1: 0.5, 2: 1.0, 3: 1.0}
    assert probabilities("english", 2) == pytest.approx(english)
    assert probabilities("isolated", 2) == pytest.approx(english | {5: 1 / 3, 6: 1 / 3, 7: 1.0})
    assert probabilities("isolated_t_en", 2) == pytest.approx(english | {5: 2 / 3, 6: 2 / 3, 7: 1.0})
    # merged: entry 0 2/7, 1 2/3, 2 1; row 2 and 7: 1 - 5/7 * 1/3
    both = 1 - 5 / 7 / 3
    merged = {0: 2 / 7, 1: 2 / 7, 2: both, 3: 1.0, 5: 2 / 7, 6: 2 / 7, 7: both}
    assert probabilities("merged", 2) == pytest.approx(merged)
    assert probabilities("english_metadata", 2) == pytest.approx(merged)
    assert probabilities("raw", 2) == dict.fromkeys(range(10), 1.0)


def test_report_follows_the_pairs_step_by_step():
    pool, matches = tables([(1, "en", [0]), (1, "en", [1]), (1, "de", [0]), (2, "de", []), (3, "en", [])])
    report = curate(pool, matches, "isolated", 5, seed=0).report.set_index("language")
    assert report[["pairs", "eligible", "matched"]].to_dict("index") == {
        "de": {"pairs": 2, "eligible": 2, "matched": 1},
        "en": {"pairs": 3, "eligible": 3, "matched": 2},
    }
    assert report["drawn"].sum() == report["kept"].sum() == 1  # one image, all entries in the tail
    english = curate(pool, matches, "english", 5, seed=0).report
    assert english["language"].tolist() == ["en"] and english["drawn"].tolist() == [1]
    raw = curate(pool, None, "raw", 5, seed=0).report
    assert raw["kept"].sum() == 3  # one text each of three images


def test_a_text_without_match_is_no_candidate_of_its_image():
    pool, matches = tables([(i // 2, "en", [0] if i % 2 else []) for i in range(200)])
    assert curate(pool, matches, "isolated", 1000, seed=3).table.num_rows == 100


@pytest.mark.parametrize("curation", INDEX_OF)
def test_an_empty_pool_gives_an_empty_one(curation):
    pool, matches = tables([])
    curated = curate(pool, None if curation == "raw" else matches, curation, 2, seed=0)
    assert curated.table.schema == CURATED and curated.table.num_rows == 0 and len(curated.report) == 0


@pytest.mark.parametrize(
    ("curation", "kept"),
    # without English there is no tail share to match: p is 0, t the lowest count, and entry 0 (twice) is head
    [
        ("english", {0.0: 0}),
        ("english_metadata", {1.0: 2}),
        ("merged", {1.0: 2}),
        ("isolated_t_en", {1.0: 2}),
        ("isolated", {0.5: 1, 1.0: 1}),
    ],
)
def test_a_pool_without_english_is_curated_too(curation, kept: dict[float, int]):
    rows = [(1, "de", [0]), (2, "de", [0, 1])]
    found = list(probabilities(curation, 1000, rows).values())
    assert {probability: found.count(probability) for probability in kept} == kept


def test_matches_of_another_pool_are_refused():
    pool, matches = tables(ROWS)
    with pytest.raises(InputError, match="not of this pool"):
        curate(pool, matches.slice(1), "isolated", 2, seed=0)
    with pytest.raises(InputError, match=r"none given for 'merged'.*merged index"):
        curate(pool, None, "merged", 2, seed=0)
    nameless = pool.set_column(4, POOL.field("language"), pa.array([None] * len(ROWS), pa.string()))
    with pytest.raises(InputError, match=r"curation\.language: lid"):
        curate(nameless, matches, "isolated", 2, seed=0)


PAIRS = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from(["en", "de", "th"]),
        st.lists(st.integers(0, 6), unique=True, max_size=4).map(sorted),
    ),
    max_size=60,
)


@settings(max_examples=150)
@given(PAIRS, st.integers(1, 12), st.booleans())
def test_equals_the_oracle(rows: list[tuple[int, str, list[int]]], t_en: int, own_threshold: bool):
    pool, matches = tables(rows)
    curated = curate(pool, matches, "isolated" if own_threshold else "isolated_t_en", t_en, seed=0).table
    expected = keep_probabilities([row[2] for row in rows], [row[1] for row in rows], t_en, own_threshold)
    by_pair = dict(zip(pool["pair_id"].to_pylist(), expected, strict=True))
    for pair, probability in zip(curated["pair_id"].to_pylist(), curated["keep_probability"].to_pylist(), strict=True):
        assert probability == pytest.approx(by_pair[pair], abs=1e-12)


@settings(max_examples=60)
@given(PAIRS, st.sampled_from(BALANCED), st.randoms())
def test_row_order_moves_nothing(rows: list[tuple[int, str, list[int]]], curation, random):
    pool, matches = tables(rows)
    shuffled = list(range(len(rows)))
    random.shuffle(shuffled)
    order = pa.array(shuffled, pa.int64())
    before = curate(pool, matches, curation, 4, seed=0)
    after = curate(pool.take(order), matches.take(order), curation, 4, seed=0)
    assert after.table.equals(before.table)
    assert after.report.equals(before.report)


def test_expected_numbers_of_a_head_entry_are_near_t():
    rows = [(i, "en", [0]) for i in range(3000)] + [(5000 + i, "en", [1]) for i in range(40)]
    pool, matches = tables(rows)
    table = curate(pool, matches, "isolated", 500, seed=0).table
    kept = set(table["image"].to_pylist())
    head = sum(f"style/{i}" in kept for i in range(3000))
    assert abs(head - 500) < 70 and table.num_rows - head == 40


# ---------------------------------------------------------------------- shard by shard

SIZES = {"en": 4, "de": 2, "xx": 1}


def test_counts_of_a_shard_by_hand():
    _, matches = tables(ROWS)
    counted = count_matches(matches)
    assert counted.schema == COUNTS
    assert [tuple(row.values()) for row in counted.to_pylist()] == [
        ("de", 0, 3),
        ("de", 1, 1),
        ("en", 0, 4),
        ("en", 1, 2),
        ("en", 2, 1),
    ]
    assert count_matches(matches.slice(0, 0)).num_rows == 0
    dense = add_counts(counted, SIZES)
    assert {name: count.tolist() for name, count in dense.items()} == {"en": [4, 2, 1, 0], "de": [3, 1], "xx": [0]}


def test_shards_balance_as_the_whole_pool():
    _, matches = tables(ROWS)
    whole = find_thresholds(matches, "isolated", t_en=2)
    parts = pa.concat_tables([count_matches(matches.slice(start, 3)) for start in (6, 0, 9, 3)])
    balance = balance_counts(add_counts(parts, SIZES), 2, 0.5)
    assert (balance.groups, balance.t, balance.p) == (whole.groups, whole.t, whole.p)
    keep, ends = keep_entries(balance)
    assert ends.tolist() == [0, 2, 6, 7]
    assert keep.tolist() == pytest.approx([1 / 3, 1, 0.5, 1, 1, 1, 1])
    matched = matches.filter(pa.array([bool(row[2]) for row in ROWS]))
    # English 0.5, 0.5, then with an entry of the tail 1, 1; German 1/3, 1/3, 1
    assert keep_pairs(matched, balance.groups, ends, keep).tolist() == pytest.approx([0.5, 0.5, 1, 1, 1 / 3, 1 / 3, 1])


def test_the_tail_share_can_be_given_instead_of_the_threshold():
    counts = {"en": np.array([4, 2, 1, 0]), "de": np.array([3, 1])}
    # English cumulative shares 1/7, 3/7, 1 at counts 1, 2, 4; German 1/4, 1 at 1, 3
    assert balance_counts(counts, None, 0.5).t == (1, 2)
    assert balance_counts(counts, None, 0.9).t == (3, 4)
    # what English's own share at t_en 2 gives: 1/7 for all
    assert balance_counts(counts, 2, 0.9).t == (balance_counts(counts, None, 1 / 7).t[0], 2)


def test_an_english_threshold_needs_english_matches():
    with pytest.raises(InputError, match="no English pair matched"):
        balance_counts({"de": np.array([3, 1])}, 2, 0.06)
    with pytest.raises(InputError, match="no English pair matched"):
        balance_counts({"de": np.array([3, 1]), "en": np.array([0, 0])}, 2, 0.06)
    assert balance_counts({"de": np.array([3, 1])}, None, 0.06).t == (1,)
    assert balance_counts({"de": np.array([0, 0])}, 2, 0.06).t == (0,)  # an empty pool is no fault


@settings(max_examples=20)
@given(st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_drawn_online_is_the_offline_one(seed, epoch):
    pool, matches = tables(ROWS)
    wanted = curate(pool, matches, "isolated", 2, seed, epoch).table
    keep, ends = keep_entries(balance := find_thresholds(matches, "isolated", 2))
    matched = np.array([bool(row[2]) for row in ROWS])
    pairs = pool.filter(pa.array(matched))
    probability = keep_pairs(matches.filter(pa.array(matched)), balance.groups, ends, keep)
    kept = draw_epoch(pairs.append_column("keep_probability", pa.array(probability)), seed, epoch)
    assert pairs.filter(pa.array(kept)).sort_by("pair_id")["pair_id"].equals(wanted["pair_id"])
