"""Retrieval: hand-computed cases, a slow oracle, several right answers, ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.errors import InputError
from mc2lib.recipe.evaluation.retrieval import rank_gallery
from mc2lib.recipe.evaluation.zero_shot import share_within

ANGLES = np.deg2rad([0, 20, 40, 90])
GALLERY = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


def test_any_right_answer_counts():
    # The query lies on item 0, which is wrong; right ones are item 2 (second wrong item before it) and item 3.
    query = np.array([[1.0, 0.0]])
    assert rank_gallery(query, GALLERY, np.array([7]), np.array([1, 2, 7, 7])).tolist() == [2]
    # A nearer right item takes it to the top, whatever the other one does.
    assert rank_gallery(query, GALLERY, np.array([7]), np.array([7, 2, 3, 7])).tolist() == [0]


def test_recall_at_k_by_hand():
    queries = GALLERY[[0, 3]]
    ranks = rank_gallery(queries, GALLERY, np.array([2, 1]), np.array([1, 2, 2, 3]))
    assert ranks.tolist() == [1, 3]  # 0°: item 0 is before item 1; 90°: items 3, 2, 1 are before item 0
    assert [share_within(ranks, k) for k in (1, 2, 4)] == [0.0, 0.5, 1.0]


def test_ties_count_against_but_not_between_right_items():
    same = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert rank_gallery(same[:1], same, np.array([1]), np.array([1, 1, 2])).tolist() == [1]
    assert rank_gallery(same[:1], same, np.array([1]), np.array([1, 1, 1])).tolist() == [0]


def test_nan_counts_against():
    gallery = np.array([[np.nan, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert rank_gallery(np.array([[1.0, 0.0]]), gallery, np.array([0]), np.array([0, 1, 2])).tolist() == [2]


def test_a_query_without_answer_is_named():
    with pytest.raises(InputError, match="query 1: has no right answer"):
        rank_gallery(GALLERY[:2], GALLERY, np.array([0, 9]), np.array([0, 1, 2, 3]))


def slow_rank(query, gallery, group, groups):
    scores = gallery @ query
    best = max(score for score, other in zip(scores, groups, strict=True) if other == group)
    return sum(score >= best for score, other in zip(scores, groups, strict=True) if other != group)


@settings(max_examples=60)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_ranks_equal_the_slow_oracle_in_any_order(queries, concepts, extra, seed):
    random = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(concepts), random.integers(0, concepts, extra)])
    gallery = random.integers(-2, 3, (len(groups), 2)).astype(float)
    asked = random.integers(-2, 3, (queries, 2)).astype(float)
    of_query = random.integers(0, concepts, queries)
    wanted = [slow_rank(query, gallery, group, groups) for query, group in zip(asked, of_query, strict=True)]
    order = random.permutation(len(groups))
    assert rank_gallery(asked, gallery, of_query, groups).tolist() == wanted
    assert rank_gallery(asked, gallery[order], of_query, groups[order]).tolist() == wanted
