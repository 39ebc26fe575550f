"""Every key has a place of its own, within the room that its table has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.errors import InputError
from mc2lib.recipe.curation.perfect_hash import place_keys, room_for_keys


@given(st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=300))
@settings(max_examples=50, deadline=None)
def test_places_are_distinct_and_within_the_room(keys: list[int]) -> None:
    _, places = place_keys(np.array(keys, np.uint64))
    assert len(set(places.tolist())) == len(keys)
    assert not keys or (places.min() >= 0 and places.max() < room_for_keys(len(keys)))


def test_keys_that_are_equal_have_no_two_places() -> None:
    with pytest.raises(InputError, match="no hash table holds its 2 words"):
        place_keys(np.array([7, 7], np.uint64))
