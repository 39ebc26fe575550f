"""Codes and writing."""

import pytest

from mc2lib.errors import InputError
from mc2lib.languages import (
    MERGED,
    SCRIPTS,
    UNSPACED,
    WIKIPEDIAS,
    WORDNET_CODES,
    is_borderless,
    is_punctuation,
    metadata_language,
    script,
    spaced,
    udhr_code,
)


def test_codes_are_distinct_and_tables_name_only_them():
    assert len(WIKIPEDIAS) == len(set(WIKIPEDIAS)) == 330  # 329 languages and Simple English
    assert set(MERGED) | set(MERGED.values()) <= set(WIKIPEDIAS)
    assert set(WORDNET_CODES.values()) <= set(WIKIPEDIAS)
    assert len(WORDNET_CODES) == 31
    listed = [code for codes in SCRIPTS.values() for code in codes.split()]
    assert len(listed) == len(set(listed)) and set(listed) <= set(WIKIPEDIAS)
    assert UNSPACED - set(WIKIPEDIAS) == {"ryu"}


@pytest.mark.parametrize(
    ("language", "expected"),
    [(code, False) for code in ("zh", "ja", "th", "km", "my", "lo", "bo", "dz", "ryu")]
    + [(code, True) for code in ("ko", "vi", "am", "en", "other")],
)
def test_spaced(language: str, expected: bool):
    assert spaced(language) is expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "Latin"),
        ("sr", "Cyrillic"),
        ("zh", "Han"),
        ("my", "Myanmar"),
        ("fa", "Arabic"),
        ("ka", "Georgian"),
        ("tr", "Latin"),
    ],
)
def test_script(language: str, expected: str):
    assert script(language) == expected


def test_unknown_language_names_the_near_miss():
    with pytest.raises(InputError, match="zh_classical"):
        script("zh_clasical")
    with pytest.raises(InputError, match="no UDHR text in 'got'"):
        udhr_code("got")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("__label__en", "en"),
        ("fr", "fr"),
        ("__label__yue", "zh"),  # Cantonese: zh_yue, which merges into zh
        ("__label__wuu", "zh"),
        ("__label__als", "als"),  # Alemannic; only the wordnets' als is Albanian
        ("__label__cbk", "cbk_zam"),
        ("__label__lrc", "other"),  # Northern Luri has no Wikipedia in the dumps
        ("__label__simple", "en"),
        ("", "other"),
    ],
)
def test_metadata_language(label: str, expected: str):
    assert metadata_language(label) == expected


def test_wordnet_albanian_is_not_alemannic():
    assert WORDNET_CODES["als"] == "sq"


@pytest.mark.parametrize(
    ("language", "code"),
    [("en", "eng"), ("zh", "cmn_hans"), ("pt", "por_BR"), ("fa", "pes_1"), ("el", "ell_monotonic"), ("no", "nob")],
)
def test_udhr_code(language: str, code: str):
    assert udhr_code(language) == code


def test_punctuation_and_borders():
    assert all(is_punctuation(c) for c in ".,;:?!`$+<=>^|~-—«»、。።፡")
    assert not any(is_punctuation(c) for c in "aé漢ไ9 €😀")
    assert all(is_borderless(c) for c in "漢かカไລམមမ,「ｶ𠀀")
    assert not any(is_borderless(c) for c in "aяع한9 हא")
