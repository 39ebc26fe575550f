"""Matching: literal cases, and the slow oracle on real and made-up texts."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.errors import InputError
from mc2lib.languages import spaced
from mc2lib.params import MatchRules
from mc2lib.recipe.curation.borders import needs_no_border, space_out
from mc2lib.recipe.curation.index import build_index
from mc2lib.recipe.curation.match import match, match_languages
from tests.oracles.matching import find_entries, needs_border

REAL = json.loads((Path(__file__).parent / "texts.json").read_text(encoding="utf-8"))


PAPER = MatchRules(borders="paper")
RULES = {"paper": PAPER, "kana": MatchRules(borders="kana")}


def find(text: str, entries: list[str], rules: MatchRules = PAPER) -> list[str]:
    return [entries[i] for i in match(pa.array([text]), build_index(entries, rules))[0].as_py()]


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
        ),  # no border next to Han, but Latin needs one
        ("อาหารไทย", ["ไทย", "อาหาร"], ["ไทย", "อาหาร"]),
        ("한국어는", ["한국어", "한국어는"], ["한국어는"]),  # Hangul is spaced
        ("cat cat cat", ["cat"], ["cat"]),  # distinct
        ("", ["cat"], []),
        ("cat", [], []),
        ("IMG_0923.jpg", ["IMG", "0923", "jpg"], ["jpg"]),
    ],
)
def test_match_by_hand(text: str, entries: list[str], expected: list[str]):
    assert find(text, entries) == expected


#: In each unspaced script: a word, one of its characters or syllables, and one that is not in it.
UNSPACED_WORDS = {
    "zh": ("猫咪", "猫", "狗"),
    "ja": ("子猫", "猫", "犬"),
    "th": ("แมวน้ำ", "แมว", "หมา"),
    "km": ("ឆ្មាខ្មៅ", "ឆ្មា", "ឆ្កែ"),
    "my": ("ကြောင်နက်", "ကြောင်", "ခွေး"),
    "lo": ("ແມວດຳ", "ແມວ", "ໝາ"),
    "bo": ("ཞི་མི་ནག་པོ", "ཞི་མི", "ཁྱི"),
    "dz": ("བྱི་ལི་གནགཔོ", "བྱི་ལི", "རོ་ཁྱི"),
}


@pytest.mark.parametrize("language", UNSPACED_WORDS)
def test_latin_letters_and_digits_need_borders_in_every_unspaced_script(language: str):
    word, inside, other = UNSPACED_WORDS[language]
    entries = ["42", "7", "cat", "a", "IMG", "jpg", word, inside, other]
    assert find("IMG_7423.jpg", entries) == ["jpg"]
    assert find("concatenate", entries) == []
    assert find(f"x{word}7", entries) == [word, inside]
    assert find(f"{word}cat", entries) == [word, inside]
    assert find(f"{word} cat 42 {word}a", entries) == ["42", "cat", word, inside]


def test_each_end_of_an_entry_is_judged_by_itself():
    assert find("5月3日と15月", ["5", "5月", "月3", "月", "3日"]) == ["5月", "月"]
    assert find("新iPhone用", ["iPhone", "iPhone用", "用"]) == ["用"]
    assert find("新 iPhone用", ["iPhone", "iPhone用", "用"]) == ["iPhone用", "用"]
    assert find("a.b", ["a.b", "a b", "."]) == ["a.b", "."]


def test_kana_hangul_and_script_changes_are_choices():
    entries = ["カレー", "の", "iPhone", "カ", "한국"]
    assert find("カレーの店", entries) == []
    assert find("カレー の 店", entries) == ["カレー", "の"]
    assert find("カレーの店", entries, MatchRules(borders="kana")) == ["カレー", "の", "カ"]
    assert find("한국어", entries, MatchRules(borders="kana")) == []
    assert find("한국어", entries, MatchRules(borders="kana_hangul")) == ["한국"]
    assert find("私のiPhone用", entries, MatchRules(borders="kana", script_borders=True)) == ["の", "iPhone"]
    assert find("iPhone用カ", ["iPhone用カ", "用カ"], MatchRules(script_borders=True)) == ["iPhone用カ", "用カ"]
    assert find("xiPhoney 用", ["iPhone"], MatchRules(script_borders=True)) == []
    assert find("5月", ["5", "月", "5月"], MatchRules(script_borders=True)) == ["5", "月", "5月"]
    assert find("ab猫cd猫ef", ["cd", "ef", "d猫"], MatchRules(script_borders=True)) == ["cd", "ef"]
    assert find("a、b。c", ["a", "b", "c"], MatchRules(script_borders=True)) == []  # punctuation is no script


def test_unicode_forms_are_choices():
    entries = ["caf\u00e9", "ABC", "\u30ac", "\ufb01n"]
    texts = "cafe\u0301 \uff21\uff22\uff23 \u30ab\u3099 fin"
    assert find(texts, entries) == []
    assert find(texts, entries, MatchRules(normalise="nfc")) == ["caf\u00e9", "\u30ac"]
    assert find(texts, entries, MatchRules(normalise="nfkc")) == entries
    assert find("caf\u00e9 fin", ["cafe\u0301", "\uff46\uff49\uff4e"], MatchRules(normalise="nfkc")) == [
        "cafe\u0301",
        "\uff46\uff49\uff4e",
    ]


def test_bytes_that_are_not_utf8_are_spelled_too():
    index = build_index(["cat", "caf\u00e9"], MatchRules(normalise="nfc"))
    texts = pa.array(["cafe\u0301 cat".encode(), b"\xff cat", b"\xffcat"], pa.binary())
    assert match(texts, index).to_pylist() == [[0, 1], [0], []]
    view = pa.array(["cafe\u0301", "dog"], pa.string_view())
    assert match(view, index).to_pylist() == [[1], []]


def test_indices_of_different_rules_are_not_matched_together():
    indices = {"en": build_index(["cat"], PAPER), "ja": build_index(["猫"], MatchRules(normalise="nfc"))}
    with pytest.raises(InputError, match="different rules"):
        match_languages(pa.array(["cat"]), pa.array(["en"]), indices)


def test_blocks_and_punctuation_that_need_no_border():
    assert all(needs_no_border(c) for c in "漢かカไລམမម,「ｶ𠀀")
    assert not any(needs_no_border(c) for c in "aяع한9 हא")
    assert not any(needs_no_border(c, "paper") for c in "かカｶー한") and needs_no_border("漢", "paper")
    assert needs_no_border("한", "kana_hangul")


def test_entries_that_look_alike_once_spaced_out_are_all_found():
    assert find("a b", ["a\tb", "a b", "a\nb"]) == ["a\tb", "a b", "a\nb"]


def test_space_out():
    assert space_out("a,b`c\td") == "a , b ` c d"


def test_texts_of_slices_chunks_and_repeats_keep_their_rows():
    index = build_index(["cat", "dog"])
    whole = pa.array(["x", "cat", "dog cat", "cat", "", "dog"])
    assert match(whole.slice(1, 4), index).to_pylist() == [[0], [0, 1], [0], []]
    chunked = pa.chunked_array([whole.slice(0, 2), whole.slice(2)])
    assert match(chunked, index).to_pylist() == [[], [0], [0, 1], [0], [], [1]]
    assert match(pa.chunked_array([], pa.string()), index).to_pylist() == []
    assert match(whole.cast(pa.large_string()), index).type == pa.list_(pa.int32())


def test_more_matches_than_expected_are_all_kept():
    entries = ["猫" * n for n in range(1, 600)]
    texts = pa.array(["猫" * n for n in range(1, 600)])
    assert match(texts, build_index(entries)).to_pylist() == [list(range(n)) for n in range(1, 600)]


def test_null_texts_and_empty_entries_are_refused():
    with pytest.raises(InputError, match="1 texts are null"):
        match(pa.array(["a", None]), build_index(["a"]))
    with pytest.raises(InputError, match="entry 1 is empty"):
        build_index(["a", ""])


def test_each_text_meets_its_own_languages_list_only():
    indices = {"en": build_index(["gift", "cat"]), "de": build_index(["Gift", "gift", "Katze"])}
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
@pytest.mark.parametrize("borders", RULES)
def test_equals_the_oracle_on_real_texts(language: str, borders: str):
    entries = real_entries(language) + [
        e for other in ("en", "zh", "th") if other != language for e in REAL[other]["names"]
    ]
    entries = list(dict.fromkeys(entries))
    texts = [text for group in REAL[language].values() for text in group] + REAL["en"]["keywords"]
    found = match(pa.array(texts), build_index(entries, RULES[borders])).to_pylist()
    assert found == find_entries(texts, entries, kana=borders == "paper")
    assert sum(map(len, found)) > len(REAL[language]["names"])


LETTERS = st.sampled_from(list("abAB éßяЯあア漢字ไทกัမ်ែขབོ한ع،,.;:?!`\t\n-'()1️2😀।፡、。"))
TEXTS = st.lists(st.text(LETTERS, max_size=14), max_size=12)
ENTRIES = st.lists(st.text(LETTERS, min_size=1, max_size=4), max_size=30, unique=True)


@settings(max_examples=400)
@given(TEXTS, ENTRIES, st.sampled_from(sorted(RULES)))
def test_equals_the_oracle_on_mixed_scripts(texts: list[str], entries: list[str], borders: str):
    found = match(pa.array(texts, pa.string()), build_index(entries, RULES[borders])).to_pylist()
    assert found == find_entries(texts, entries, kana=borders == "paper")


@settings(max_examples=60)
@given(TEXTS, ENTRIES, st.randoms())
def test_row_order_moves_nothing(texts: list[str], entries: list[str], random):
    index = build_index(entries)
    order = list(range(len(texts)))
    random.shuffle(order)
    found = match(pa.array(texts, pa.string()), index).to_pylist()
    shuffled = match(pa.array([texts[i] for i in order], pa.string()), index).to_pylist()
    assert shuffled == [found[i] for i in order]


@settings(max_examples=100)
@given(st.lists(st.text(st.sampled_from("猫犬"), max_size=12), max_size=8))
def test_without_borders_it_is_pythons_in(texts: list[str]):
    entries = ["猫", "犬", "猫犬", "犬猫", "猫猫犬", "猫犬猫犬", "犬犬犬犬"]
    expected = [[i for i, entry in enumerate(entries) if entry in text] for text in texts]
    assert match(pa.array(texts, pa.string()), build_index(entries)).to_pylist() == expected


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
    """Which needles occur in the padded bytes of a text without marks to set off."""
    return [i for i, needle in enumerate(needles) if needle in b" " + text + b" "]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_bytes_that_are_not_utf8_hide_nothing(kind: pa.DataType):
    entries = ["cat", "猫", "\xe9"]
    needles = [needle.encode() for needle in (" cat ", "猫", " \xe9 ")]
    found = match(pa.array(BROKEN, kind), build_index(entries)).to_pylist()
    assert found == [find_bytes(text, needles) for text in BROKEN]


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=12).map(lambda b: bytes(x for x in b if x > 96)), max_size=8), ENTRIES)
def test_any_bytes_match_as_bytes(texts: list[bytes], entries: list[str]):
    entries = [entry for entry in entries if not set(entry) & set(",.;:?!`\t\n\r")]
    spaces = [tuple(" " if needs_border(end, kana=False) else "" for end in (e[0], e[-1])) for e in entries]
    needles = [f"{before}{e}{after}".encode() for e, (before, after) in zip(entries, spaces, strict=True)]
    texts += [b"\xe4".join(needles), b"\x80".join(needles), b"\xc3".join(needles)]
    found = match(pa.array(texts, pa.binary()), build_index(entries)).to_pylist()
    assert found == [find_bytes(text, needles) for text in texts]


@settings(max_examples=60)
@given(st.lists(st.text(st.sampled_from("a猫b "), max_size=300), max_size=4), st.sampled_from(["ab", "猫犬"]))
def test_entries_that_begin_alike_are_distinguished(texts: list[str], letters: str):
    one, other = letters
    words = [w.replace("a", one).replace("b", other) for w in ("a", "b", "aa", "ab", "ba", "bb", "aab", "abb")]
    entries = words + [f"{a} {b}" for a in words for b in words] + [" ", f"{one} ", f" {other}", "  "]
    texts = [text.replace("b", other) for text in texts]
    assert match(pa.array(texts, pa.string()), build_index(entries)).to_pylist() == find_entries(texts, entries)


def test_a_megabyte_without_end_is_matched():
    entries = ["(", "((", "a" * 50, "b", "(b"]
    texts = ["(" * 1_000_000 + "b", "a" * 1_000_000, ", " * 500_000, "\x00\x01\u202e" * 300_000]
    entries += ["ก", "กก", "猫" * 50]
    texts += ["ก" * 1_000_000, "猫" * 1_000_000]
    assert match(pa.array(texts), build_index(entries)).to_pylist() == find_entries(texts, entries)


def test_views_slices_and_null_languages():
    indices = {"en": build_index(pa.array(["cat", "dog"]))}
    texts = pa.array(["x", "cat", "dog cat", "", "dog"])
    assert match(texts.cast(pa.string_view()).slice(1), indices["en"]).to_pylist() == [[0], [0, 1], [], [1]]
    languages = pa.array(["en", None, "en", "en", None])
    assert match_languages(texts, languages, indices).to_pylist() == [[], [], [0, 1], [], []]
    assert match_languages(texts.slice(2), languages.slice(2), indices).to_pylist() == [[0, 1], [], []]
    with pytest.raises(InputError, match="2 languages, 5 texts"):
        match_languages(texts, languages.slice(3), indices)
