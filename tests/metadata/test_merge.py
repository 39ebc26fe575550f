"""One list a language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mc2lib.errors import InputError
from mc2lib.metadata.merge import NUMBERS, SOURCES, is_usable, merge_sources


def test_first_source_wins_and_numbers_come_last():
    table = merge_sources(
        {"title": ["big cat", "cat", "7"], "wordnet": ["cat"], "bigram": ["big cat"], "unigram": ["dog", "cat"]}, 256
    )
    rows = list(zip(table["entry"].to_pylist(), table["source"].to_pylist(), table["rank"].to_pylist(), strict=True))
    assert rows[:5] == [
        ("cat", "wordnet", 0),
        ("dog", "unigram", 0),
        ("big cat", "bigram", 0),
        ("7", "title", 2),
        ("0", "number", 0),
    ]
    assert len(rows) == 4 + 99 and rows[-1] == ("99", "number", 99)


def test_long_and_punctuation_entries_are_dropped_and_ranks_stay():
    table = merge_sources({"unigram": ["a" * 257, "...", "!?", " ", "", "a" * 256, "a.", "😀"]}, 256)
    assert table["entry"].to_pylist()[:3] == ["a" * 256, "a.", "😀"]
    assert table["rank"].to_pylist()[:3] == [5, 6, 7]


def test_unknown_source_is_named():
    with pytest.raises(InputError, match="Did you mean 'unigram'"):
        merge_sources({"unigrams": []}, 256)


ENTRIES = st.lists(st.text(max_size=8), max_size=20)


@given(st.dictionaries(st.sampled_from(SOURCES[:-1]), ENTRIES), st.integers(2, 8))
def test_every_usable_entry_stands_once_under_its_first_source(sources: dict[str, list[str]], longest: int):
    table = merge_sources(sources, longest)
    entries = table["entry"].to_pylist()
    offered = [e for name in SOURCES[:-1] for e in sources.get(name, [])] + list(NUMBERS)
    assert entries == list(dict.fromkeys(e for e in offered if is_usable(e, longest)))
    for entry, source, rank in zip(entries, table["source"].to_pylist(), table["rank"].to_pylist(), strict=True):
        holders = [name for name in SOURCES if entry in (NUMBERS if name == "number" else sources.get(name, ()))]
        held = NUMBERS if source == "number" else sources[source]
        assert source == holders[0] and held[rank] == entry
