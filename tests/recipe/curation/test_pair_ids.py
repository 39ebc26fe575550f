"""Ids of images and pairs: the same numbers everywhere, and a set of those met."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mc2lib.recipe.curation.pair_ids import Met, find_rows, hash_strings, image_ids, in_several_parts, pair_ids


def test_the_best_name_counts():
    names = {
        "sha256": ["h", None, "", None],
        "url": ["v", "v", None, None],
        "uid": ["u", "u", "u", ""],
        "key": ["k", "k", "k", "k"],
    }
    columns = {name: pa.array(values, pa.string()) for name, values in names.items()}
    ids, named = image_ids(columns)
    alone = [image_ids({name: columns[name]})[0][row] for row, name in enumerate(names)]
    assert ids.tolist() == alone and named.all() and len(set(ids.tolist())) == 4


def test_a_uid_and_a_url_of_the_same_letters_are_two_images():
    ids = {int(image_ids({kind: pa.array(["x"])})[0][0]) for kind in ("uid", "url", "key")}
    assert len(ids) == 3


def test_hashes_are_these_numbers_on_every_machine():
    strings = pa.array(["", "a", "äöü", "12345678", "123456789"])
    expected = [slow_hash(text.encode(), 5) for text in strings.to_pylist()]
    assert hash_strings(strings, 5).tolist() == expected
    assert hash_strings(strings.slice(2), 5).tolist() == expected[2:]
    assert (
        hash_strings(pa.chunked_array([strings.slice(3), strings.slice(0, 3)]), 5).tolist()
        == expected[3:] + expected[:3]
    )
    assert hash_strings(pa.array([], pa.string()), 5).tolist() == []
    assert hash_strings(pa.array([None], pa.string()), 5).tolist() == expected[:1]
    salts = np.array([1, 2], np.uint64)
    assert pair_ids(salts, pa.array(["x", "x"])).tolist() != pair_ids(salts[::-1], pa.array(["x", "x"])).tolist()


def slow_hash(text: bytes, seed: int) -> int:
    limit = (1 << 64) - 1
    state = seed ^ (len(text) * 0x9E3779B97F4A7C15 & limit)
    for start in range(0, max(len(text), 1), 8):
        state = (state ^ int.from_bytes(text[start : start + 8], "little")) + 0x9E3779B97F4A7C15 & limit
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & limit
        state = (state ^ state >> 27) * 0x94D049BB133111EB & limit
        state ^= state >> 31
    return state


@given(st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=8))
def test_met_is_a_set(calls):
    met, known = Met(), set[int]()
    for ids in calls:
        expected = []
        for number in ids:
            expected.append(number in known)
            known.add(number)
        assert met.meet(np.array(ids, np.uint64)).tolist() == expected
    assert met.count == len(known)


def test_met_grows():
    ids = np.arange(50_000, dtype=np.uint64) << np.uint64(32)
    met = Met()
    assert not any(met.meet(part).any() for part in np.split(ids, 10)) and met.meet(ids).all()


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4)), max_size=40))
def test_ids_in_several_parts(rows):
    rows = sorted(rows, key=lambda row: row[0])
    ids, parts = np.array([row[0] for row in rows], np.uint64), np.array([row[1] for row in rows], np.int32)
    several = [len({part for other, part in rows if other == one}) > 1 for one, _ in rows]
    assert in_several_parts(ids, parts).tolist() == several


@given(st.lists(st.integers(0, 40), max_size=60), st.sets(st.integers(0, 42)))
def test_rows_are_found_in_a_long_column(column, wanted):
    ids = np.array(sorted(column), np.uint64)
    rows = find_rows(ids, np.array(sorted(wanted), np.uint64))
    assert rows.tolist() == [row for row, one in enumerate(ids.tolist()) if one in wanted]
