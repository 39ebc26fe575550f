"""Segmenters: which language takes which, and what they cut."""

import sys
from types import ModuleType, SimpleNamespace

import pyarrow as pa
import pytest

from mc2lib.errors import InputError
from mc2lib.recipe.metadata.counting.count_table import count_texts
from mc2lib.recipe.metadata.pmi import rank_pairs
from mc2lib.recipe.metadata.segment import NAMES, default_segmenter, joiner, make_segmenter
from mc2lib.recipe.metadata.words import split_clauses


@pytest.mark.parametrize(
    ("language", "name", "between"),
    [("en", "spaces", " "), ("ko", "spaces", " "), ("ja", "icu", ""), ("bo", "tsheg", "་"), ("dz", "tsheg", "་")],
)
def test_defaults(language: str, name: str, between: str):
    assert default_segmenter(language) == name and joiner(language) == between
    assert joiner("bo", "icu") == "" and joiner("ko", "icu") == " "  # as the language writes


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("འགྲོ་བ་མིའི་རིགས།", [("འགྲོ", "བ", "མིའི", "རིགས")]),
        ("བོད༌ཡིག", [("བོད", "ཡིག")]),  # the tsheg that no line ends at
        ("ཀ་ཁ །ག་༎ ང", [("ཀ", "ཁ"), ("ག",), ("ང",)]),
        ("་་ །", []),
        ("abc 3", [("abc",), ("3",)]),
        ("", []),
    ],
)
def test_syllables(text: str, clauses: list[tuple[str, ...]]):
    segment = make_segmenter("bo")
    assert segment is not None and list(segment(text)) == clauses


def test_bigrams_of_syllables_are_written_with_their_tsheg():
    counts = count_texts(pa.array(["བོད་ཡིག"]), make_segmenter("bo"))
    assert [bigram for bigram, _ in rank_pairs(counts, joiner("bo"))] == ["བོད་ཡིག"]


def test_icu_is_split_clauses():
    text = "日本国民は、正当に 3.14!"
    segment = make_segmenter("ja")
    assert segment is not None and list(segment(text)) == split_clauses([text], "ja")
    assert make_segmenter("en") is None


@pytest.mark.parametrize(
    ("language", "name", "says"),
    [
        ("th", "pithainlp", "Did you mean 'pythainlp'"),
        ("th", "jieba", "does not know 'th'"),
        ("bo", "botok", "pip install 'botok'"),
        ("ja", "mecab", "pip install 'fugashi"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_remedy(
    language: str, name: str, says: str, monkeypatch: pytest.MonkeyPatch
):
    for module in ("botok", "jieba", "fugashi", "pythainlp"):
        monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(InputError, match=says):
        make_segmenter(language, name)


def pretend(name: str) -> ModuleType:
    """A module that splits at every `/` (MeCab: space), spoken to as the segmenter of that name is."""
    module = ModuleType(name)

    class Tagger:
        def __init__(self, options: str) -> None:
            assert options == "-Owakati"

        def __call__(self, text: str) -> list[SimpleNamespace]:
            return [SimpleNamespace(surface=word) for word in text.replace("。", " 。 ").split()]

    class WordTokenizer:
        def tokenize(self, text: str) -> list[SimpleNamespace]:
            return [SimpleNamespace(text=word) for word in text.split("/")]

    module.cut = lambda text, HMM: text.split("/")  # type: ignore[attr-defined]
    module.Tagger = Tagger  # type: ignore[attr-defined]
    module.word_tokenize = lambda text, engine, keep_whitespace: text.split("/")  # type: ignore[attr-defined]
    module.WordTokenizer = WordTokenizer  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize(
    ("language", "name", "module", "text"),
    [
        ("zh", "jieba", "jieba", "人人/自由/。/平等"),
        ("th", "pythainlp", "pythainlp", "คน/ไทย/ /ดี"),
        ("bo", "botok", "botok", "བོད་/ཡིག/།/ང་"),
    ],
)
def test_installed_segmenters_cut(language: str, name: str, module: str, text: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, module, pretend(module))
    segment = make_segmenter(language, name)
    first, second, _, last = text.replace("་", "").split("/")
    assert segment is not None and list(segment(text)) == [(first, second), (last,)]


def test_mecab_leaves_out_spaces_and_they_end_clauses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "fugashi", pretend("fugashi"))
    segment = make_segmenter("ja", "mecab")
    assert segment is not None and list(segment("日本。国民 は ")) == [("日本",), ("国民",), ("は",)]


def test_all_names_are_known():
    assert set(NAMES) == {"spaces", "icu", "tsheg", "botok", "jieba", "mecab", "pythainlp"}
