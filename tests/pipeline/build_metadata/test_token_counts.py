"""Counts on disk: the same bytes for any budget and any division, and refused when they are not whole."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mc2lib.errors import InputError
from mc2lib.pipeline.build_metadata import stored_counts, token_counts
from mc2lib.pipeline.build_metadata.stored_counts import open_counts, write_counts
from mc2lib.pipeline.build_metadata.token_counts import count_language, merge_stored
from mc2lib.recipe.metadata.counting.count_table import Table, count_texts
from mc2lib.recipe.metadata.pmi import rank_pairs, rank_words
from mc2lib.recipe.metadata.ranking import rank_bigrams
from mc2lib.recipe.metadata.words import split_clauses


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Budgets, blocks and rounds of merging small enough that a small text fills them."""
    monkeypatch.setattr(token_counts, "LEAST_BUDGET", 1 << 20)
    monkeypatch.setattr(stored_counts, "BLOCK", 1000)
    monkeypatch.setattr(token_counts, "FAN_IN", 3)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    draw = random.Random(4)
    names = [("é人x"[rank % 3] + str(rank)) for rank in (int(20_000 ** draw.random()) for _ in range(120_000))]
    return [" ".join(names[start : start + 60]) for start in range(0, len(names), 60)]


def batches(texts: list[str], size: int = 100) -> list[pa.Array]:
    return [pa.array(texts[start : start + size]) for start in range(0, len(texts), size)]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_bytes_for_any_budget(texts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    runs = []
    write = token_counts.write_counts
    monkeypatch.setattr(
        token_counts, "write_counts", lambda counts, folder: runs.append(folder) or write(counts, folder)
    )
    found = {}
    for budget in (100_000_000, 4_000_000, 2_300_000):
        runs.clear()
        stored = count_language(batches(texts), tmp_path / str(budget), budget, "en")
        found[budget] = (len(runs), content(tmp_path / str(budget)))
        assert stored == open_counts(tmp_path / str(budget))
    assert found[100_000_000][0] == 1 < found[4_000_000][0] < found[2_300_000][0]
    assert found[2_300_000][0] > 3  # more than are merged at a time
    assert found[100_000_000][1] == found[4_000_000][1] == found[2_300_000][1]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(map(str, found))  # nothing else is left behind


@pytest.mark.parametrize("size", [1, 700, 2000])
def test_the_same_bytes_for_batches_of_any_size(texts: list[str], size: int, tmp_path: Path):
    count_language(batches(texts, size), tmp_path / "en", 2_300_000, "en")  # a large batch fills several runs
    assert content(tmp_path / "en") == content(write_counts(count_texts(pa.array(texts)), tmp_path / "whole").folder)


def test_what_is_stored_is_what_is_counted(texts: list[str], tmp_path: Path):
    stored = count_language(batches(texts), tmp_path / "en", 3_000_000, "en")
    expected, loaded = count_texts(pa.array(texts)), stored.load()
    assert loaded.words.equals(expected.words) and stored.total == expected.total == 120_000
    for name in ("word_counts", "pairs", "pair_counts"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(expected, name))


def test_ranks_are_read_from_disk(texts: list[str], tmp_path: Path):
    texts = texts[:100]
    stored = count_language(batches(texts), tmp_path / "en", 3_000_000, "en")
    ranked = rank_bigrams(split_clauses(texts, "en"), "en")
    assert rank_pairs(stored, " ") == ranked and rank_pairs(stored, " ", 50) == ranked[:50]
    assert rank_words(stored, 20) == rank_words(count_texts(pa.array(texts)), 20)
    rows = np.array([stored.words - 1, 0, 0, 2000])
    assert stored.take_words(rows).equals(stored.load().words.take(pa.array(rows)))


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_parts_of_workers_add_up_in_any_order(texts: list[str], tmp_path: Path, workers: int):
    whole = write_counts(count_texts(pa.array(texts)), tmp_path / "whole")
    parts = [
        count_language(batches(texts[worker::workers]), tmp_path / f"part{worker}", 5_000_000, "en")
        for worker in range(workers)
    ]
    random.Random(workers).shuffle(parts)
    merge_stored(parts, tmp_path / "sum", 5_000_000)
    assert content(tmp_path / "sum") == content(whole.folder)
    assert all(open_counts(part.folder) == part for part in parts)  # they stay


def test_no_text_at_all(tmp_path: Path):
    stored = count_language([], tmp_path / "xx", 2_000_000, "en")
    assert (stored.words, stored.pairs, stored.total) == (0, 0, 0)
    assert rank_words(stored) == [] and rank_pairs(stored, " ", 3) == []
    again = merge_stored([stored, stored], tmp_path / "again", 2_000_000)
    assert content(again.folder) == content(stored.folder)
    assert content(merge_stored([], tmp_path / "none", 2_000_000).folder) == content(stored.folder)


def test_languages_without_spaces_are_segmented(tmp_path: Path):
    texts = ["日本国民は、正当に", "日本国民"]
    stored = count_language([pa.array(texts)], tmp_path / "ja", 5_000_000, "ja")
    assert rank_pairs(stored, "") == rank_bigrams(split_clauses(texts, "ja"), "ja")


def test_a_count_that_fails_leaves_nothing_behind(texts: list[str], tmp_path: Path):
    first = write_counts(count_texts(pa.array(["old"])), tmp_path / "en")

    def broken():  # type: ignore[no-untyped-def]
        yield from batches(texts)
        raise OSError("the dump ends here")

    with pytest.raises(OSError, match="ends here"):
        count_language(broken(), tmp_path / "en", 2_500_000, "en")
    assert [path.name for path in tmp_path.iterdir()] == ["en"] and open_counts(tmp_path / "en") == first


def test_a_small_budget_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="at least 1 MiB"):
        count_language([], tmp_path / "en", 1000, "en")
    with pytest.raises(InputError, match="at least 1 MiB"):
        merge_stored([], tmp_path / "en", 1000)


@pytest.mark.parametrize("name", ["words", "word_ends", "word_counts", "pairs", "pair_counts"])
def test_a_column_that_was_cut_is_refused(name: str, tmp_path: Path):
    write_counts(count_texts(pa.array(["a b c"])), tmp_path / "en")
    path = tmp_path / "en" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=f"{name}: .* bytes, not .* count again"):
        open_counts(tmp_path / "en")


@pytest.mark.parametrize("text", ["[]", '{"words": 1}', '{"words": "x", "word_bytes": 1, "pairs": 0, "total": 0}'])
def test_numbers_that_are_none_are_refused(text: str, tmp_path: Path):
    (tmp_path / "counts.json").write_text(text)
    with pytest.raises(InputError, match="not counts"):
        open_counts(tmp_path)


def test_counts_that_are_missing_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        open_counts(tmp_path / "en")


def test_files_of_others_among_old_counts_stay(tmp_path):
    write_counts(Table().drain(), tmp_path / "counts")
    (tmp_path / "counts" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds files other than the counts"):
        write_counts(Table().drain(), tmp_path / "counts")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["notes.txt"]
