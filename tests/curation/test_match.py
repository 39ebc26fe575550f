"""Matching: literal cases, and the slow oracle on real and made-up texts."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.curation.index import build_index, space_out
from mc2lib.curation.match import match, match_languages
from mc2lib.errors import InputError
from mc2lib.languages import spaced
from tests.curation.oracle import find_entries

REAL = json.loads((Path(__file__).parent / "texts.json").read_text(encoding="utf-8"))


def find(text: str, entries: list[str], bordered: bool = True) -> list[str]:
    return [entries[i] for i in match(pa.array([text]), build_index(entries, bordered))[0].as_py()]


@pytest.mark.parametrize(
    ("text", "entries", "expected"),
    [
        ("the cat sat", ["cat", "ca", "the cat", "sat", "he"], ["cat", "the cat", "sat"]),
        ("The Cat", ["the", "cat", "Cat"], ["Cat"]),  # case-sensitive
        ("cat,dog", ["cat", "dog", "cat,dog", "cat, dog"], ["cat", "dog", "cat,dog"]),  # punctuation is a border
        ("cat-dog's", ["cat", "dog", "cat-dog's"], ["cat-dog's"]),  # only ,.;:?!` are set off
        ("big\tcat\nhere", ["big cat", "cat here"], ["big cat", "cat here"]),
        ("the U.S. army", ["U.S.", "U.S", "U.S. army"], ["U.S.", "U.S", "U.S. army"]),
        ("what?", ["what?", "?", "hat?"], ["what?", "?"]),
        ("C++ or C", ["C++", "C"], ["C++", "C"]),
        ("xC++y C++y", ["C++"], ["C++"]),  # an end that is punctuation needs no border
        (
            "我爱iPhone手机",
            ["iPhone", "爱", "手机", "爱i"],
            ["爱", "手机"],
        ),  # no border beside Han, but Latin needs one
        ("อาหารไทย", ["ไทย", "อาหาร"], ["ไทย", "อาหาร"]),
        ("한국어는", ["한국어", "한국어는"], ["한국어는"]),  # Hangul is spaced
        ("cat cat cat", ["cat"], ["cat"]),  # distinct
        ("", ["cat"], []),
        ("cat", [], []),
        ("IMG_0923.jpg", ["IMG", "0923", "jpg"], ["jpg"]),
    ],
)
def test_match_in_languages_with_spaces(text: str, entries: list[str], expected: list[str]):
    assert find(text, entries) == expected


@pytest.mark.parametrize(
    ("text", "entries", "expected"),
    [
        ("我爱iPhone手机", ["iPhone", "Phone", "i", "手机", "机手"], ["iPhone", "Phone", "i", "手机"]),
        ("5月3日", ["5", "5月", "月3", "53"], ["5", "5月", "月3"]),
        ("a.b", ["a.b", "a b", "."], ["a.b", "."]),
    ],
)
def test_match_in_languages_without_spaces(text: str, entries: list[str], expected: list[str]):
    assert find(text, entries, bordered=False) == expected


def test_entries_that_look_alike_once_spaced_out_are_all_found():
    assert find("a b", ["a\tb", "a b", "a\nb"]) == ["a\tb", "a b", "a\nb"]


def test_space_out():
    assert space_out("a,b`c\td") == "a , b ` c d"


def test_texts_of_slices_chunks_and_repeats_keep_their_rows():
    index = build_index(["cat", "dog"], True)
    whole = pa.array(["x", "cat", "dog cat", "cat", "", "dog"])
    assert match(whole.slice(1, 4), index).to_pylist() == [[0], [0, 1], [0], []]
    chunked = pa.chunked_array([whole.slice(0, 2), whole.slice(2)])
    assert match(chunked, index).to_pylist() == [[], [0], [0, 1], [0], [], [1]]
    assert match(pa.chunked_array([], pa.string()), index).to_pylist() == []
    assert match(whole.cast(pa.large_string()), index).type == pa.list_(pa.int32())


def test_more_matches_than_expected_are_all_kept():
    entries = ["a" * n for n in range(1, 600)]
    texts = pa.array(["a" * n for n in range(1, 600)])
    assert match(texts, build_index(entries, False)).to_pylist() == [list(range(n)) for n in range(1, 600)]


def test_null_texts_and_empty_entries_are_refused():
    with pytest.raises(InputError, match="1 texts are null"):
        match(pa.array(["a", None]), build_index(["a"], True))
    with pytest.raises(InputError, match="entry 1 is empty"):
        build_index(["a", ""], True)


def test_each_text_meets_its_own_languages_list_only():
    indices = {"en": build_index(["gift", "cat"], True), "de": build_index(["Gift", "gift", "Katze"], True)}
    texts = pa.chunked_array([["gift", "gift", "cat Katze"], ["Katze", "gift", "cat"]])
    languages = pa.chunked_array([["en", "de", "de"], ["en", "other", "en"]])
    assert match_languages(texts, languages, indices).to_pylist() == [[0], [1], [2], [], [], [1]]
    assert match_languages(texts.slice(0, 0), languages.slice(0, 0), indices).to_pylist() == []


def real_entries(language: str) -> list[str]:
    """Names, and words and word pairs of every text, cut where spaces or characters say."""
    texts = [text for group in REAL[language].values() for text in group]
    entries = dict.fromkeys(REAL[language]["names"])
    for text in texts:
        words = text.split() if spaced(language) else [text[i : i + 2] for i in range(0, len(text), 2)]
        entries |= dict.fromkeys(words)
        entries |= dict.fromkeys(word.strip(",.;:") for word in words)
        entries |= dict.fromkeys((" " if spaced(language) else "").join(words[i : i + 2]) for i in range(len(words)))
    return [entry for entry in entries if entry.strip()]


@pytest.mark.parametrize("language", REAL)
@pytest.mark.parametrize("bordered", [True, False])
def test_equals_the_oracle_on_real_texts(language: str, bordered: bool):
    entries = real_entries(language) + [
        e for other in ("en", "zh", "th") if other != language for e in REAL[other]["names"]
    ]
    entries = list(dict.fromkeys(entries))
    texts = [text for group in REAL[language].values() for text in group] + REAL["en"]["keywords"]
    found = match(pa.array(texts), build_index(entries, bordered)).to_pylist()
    assert found == find_entries(texts, entries, bordered)
    assert sum(map(len, found)) > len(REAL[language]["names"])


LETTERS = st.sampled_from(list("abAB éßяЯあア漢字ไทกัမ်ែขབོ한ع،,.;:?!`\t\n-'()1️2😀।፡、。"))
TEXTS = st.lists(st.text(LETTERS, max_size=14), max_size=12)
ENTRIES = st.lists(st.text(LETTERS, min_size=1, max_size=4), max_size=30, unique=True)


@settings(max_examples=400)
@given(TEXTS, ENTRIES, st.booleans())
def test_equals_the_oracle_on_mixed_scripts(texts: list[str], entries: list[str], bordered: bool):
    assert match(pa.array(texts, pa.string()), build_index(entries, bordered)).to_pylist() == find_entries(
        texts, entries, bordered
    )


@settings(max_examples=60)
@given(TEXTS, ENTRIES, st.booleans(), st.randoms())
def test_row_order_moves_nothing(texts: list[str], entries: list[str], bordered: bool, random):
    index = build_index(entries, bordered)
    order = list(range(len(texts)))
    random.shuffle(order)
    found = match(pa.array(texts, pa.string()), index).to_pylist()
    shuffled = match(pa.array([texts[i] for i in order], pa.string()), index).to_pylist()
    assert shuffled == [found[i] for i in order]


@settings(max_examples=100)
@given(st.lists(st.text(st.sampled_from("ab"), max_size=12), max_size=8))
def test_without_borders_it_is_pythons_in(texts: list[str]):
    entries = ["a", "b", "ab", "ba", "aab", "abab", "bbbb"]
    expected = [[i for i, entry in enumerate(entries) if entry in text] for text in texts]
    assert match(pa.array(texts, pa.string()), build_index(entries, False)).to_pylist() == expected


BROKEN = [
    b"",
    b"\xe4",
    b"\xe4cat",
    b"cat\x80",
    b"\xffcat\xff cat \xf0",
    b"\xe4\xb8\xe7\x8c\xab",
    b"\xc3 cat \xc3",
    b"\xe7\x8c",
]


def find_bytes(text: bytes, needles: list[bytes]) -> list[int]:
    """Which needles stand in the padded bytes of a text without marks to set off."""
    return [i for i, needle in enumerate(needles) if needle in b" " + text + b" "]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_bytes_that_are_no_utf8_hide_nothing(kind: pa.DataType):
    entries = ["cat", "猫", "\xe9"]
    for bordered, needles in ((False, ["cat", "猫", "\xe9"]), (True, [" cat ", "猫", " \xe9 "])):
        found = match(pa.array(BROKEN, kind), build_index(entries, bordered)).to_pylist()
        assert found == [find_bytes(text, [needle.encode() for needle in needles]) for text in BROKEN]


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=12).map(lambda b: bytes(x for x in b if x > 96)), max_size=8), ENTRIES)
def test_any_bytes_match_as_bytes(texts: list[bytes], entries: list[str]):
    entries = [entry for entry in entries if not set(entry) & set(",.;:?!`\t\n\r")]
    needles = [entry.encode() for entry in entries]
    texts += [b"\xe4".join(needles), b"\x80".join(needles), b"\xc3".join(needles)]
    found = match(pa.array(texts, pa.binary()), build_index(entries, False)).to_pylist()
    assert found == [find_bytes(text, needles) for text in texts]


@settings(max_examples=60)
@given(st.lists(st.text(st.sampled_from("ab "), max_size=300), max_size=4), st.booleans())
def test_entries_that_begin_alike_are_told_apart(texts: list[str], bordered: bool):
    words = ["a", "b", "aa", "ab", "ba", "bb", "aab", "abb"]
    entries = words + [f"{one} {other}" for one in words for other in words] + [" ", "a ", " b", "  "]
    found = match(pa.array(texts, pa.string()), build_index(entries, bordered)).to_pylist()
    assert found == find_entries(texts, entries, bordered)


def test_a_megabyte_without_end_is_matched():
    entries = ["(", "((", "a" * 50, "b", "(b"]
    texts = ["(" * 1_000_000 + "b", "a" * 1_000_000, ", " * 500_000, "\x00\x01\u202e" * 300_000]
    assert match(pa.array(texts), build_index(entries, True)).to_pylist() == find_entries(texts, entries, True)
    assert match(pa.array(texts), build_index(entries, False)).to_pylist() == find_entries(texts, entries, False)


def test_views_slices_and_null_languages():
    indices = {"en": build_index(pa.array(["cat", "dog"]), True)}
    texts = pa.array(["x", "cat", "dog cat", "", "dog"])
    assert match(texts.cast(pa.string_view()).slice(1), indices["en"]).to_pylist() == [[0], [0, 1], [], [1]]
    languages = pa.array(["en", None, "en", "en", None])
    assert match_languages(texts, languages, indices).to_pylist() == [[], [], [0, 1], [], []]
    assert match_languages(texts.slice(2), languages.slice(2), indices).to_pylist() == [[0, 1], [], []]
    with pytest.raises(InputError, match="2 languages, 5 texts"):
        match_languages(texts, languages.slice(3), indices)
