"""The list of `other`."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mc2lib.languages import MERGED, WIKIPEDIAS
from mc2lib.recipe.metadata.other import unite_lists, unreached_languages
from mc2lib.schemas import METADATA


def make_list(*rows: tuple[str, str, int]) -> pa.Table:
    entries, sources, ranks = zip(*rows, strict=True)
    columns = {"entry": list(entries), "source": list(sources), "rank": list(ranks)}
    return pa.table(columns, schema=METADATA)


def rows_of(table: pa.Table) -> list[tuple[str, str, int]]:
    assert table.schema == METADATA
    return [(row["entry"], row["source"], row["rank"]) for row in table.to_pylist()]


def test_languages_that_no_label_means():
    languages = ["zu", "en", "zh", "ab", "nrm", "other"]
    assert unreached_languages(["__label__en", "__label__wuu", "__label__nrm_Latn"], languages) == ("ab", "nrm", "zu")
    assert unreached_languages(["__label__zul_Latn", "__label__ab"], languages) == ("en", "nrm", "zh")
    assert unreached_languages([], ["other"]) == ()


def test_merged_wikipedias_are_reached_with_their_language():
    languages = [code for code in WIKIPEDIAS if code not in MERGED]
    assert set(languages) - set(unreached_languages(["__label__yue", "__label__simple"], languages)) == {"zh", "en"}


def test_the_first_language_by_code_wins_and_sources_stay():
    lists = {
        "zu": make_list(("inja", "unigram", 0), ("7", "number", 7)),
        "ab": make_list(("ала", "unigram", 2), ("inja", "title", 5), ("7", "number", 7)),
        "fo": make_list(("hundur", "wordnet", 1), ("ала", "bigram", 0)),
    }
    united = unite_lists(lists)
    assert rows_of(united.table) == [
        ("ала", "unigram", 2),
        ("inja", "title", 5),
        ("7", "number", 7),
        ("hundur", "wordnet", 1),
    ]
    assert united.languages == ("ab", "fo", "zu") and united.origin.tolist() == [0, 0, 0, 1]
    assert united.candidates == {"unigram": 2, "title": 1, "number": 2, "wordnet": 1, "bigram": 1}


def test_without_lists_it_is_empty():
    united = unite_lists({})
    assert united.table.num_rows == 0 and united.candidates == {} and united.languages == ()


ROWS = st.tuples(st.text(max_size=2), st.sampled_from(["unigram", "title"]), st.integers(0, 9))


@given(st.dictionaries(st.sampled_from(["ab", "fo", "zu", "bat_smg"]), st.lists(ROWS, min_size=1, max_size=12)))
def test_the_union_is_that_of_a_dictionary(lists: dict[str, list[tuple[str, str, int]]]):
    expected: dict[str, tuple[str, str, int]] = {}
    for language in sorted(lists):
        for row in lists[language]:
            expected.setdefault(row[0], row)
    united = unite_lists({language: make_list(*rows) for language, rows in lists.items()})
    if lists:
        assert rows_of(united.table) == list(expected.values())
