"""Hourly page-view files, summed over files, languages apart; and files that are not whole."""

import gzip
import json
from pathlib import Path

import pytest

from mc2lib.errors import InputError
from mc2lib.pipeline.build_metadata import pageviews, token_counts
from mc2lib.pipeline.build_metadata.pageviews import (
    count_view_files,
    count_views,
    keep_articles,
    read_lines,
    split_views,
)
from mc2lib.pipeline.build_metadata.stored_counts import StoredCounts, open_counts
from mc2lib.pipeline.build_metadata.token_counts import merge_stored
from mc2lib.recipe.metadata.pmi import rank_words
from mc2lib.recipe.metadata.titles import Tally, fold_namespaces

NOON = (
    b"en Cat 5 0\nen Dog 1 0\nen.m Cat 2 0\nen Talk:Cat 9 0\nde K%C3%A4se 3 0\ncommons.m X 4 0\nzh-yue %E7%8C%AB 1 0\n"
)
NIGHT = b"aa.b x\nen.zero Dog 8 0\nde K%E4se 1 0\nzh %E7%8C%AB 1 0"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_counts, "LEAST_BUDGET", 1 << 20)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two hours, and other files that such a folder may contain."""
    folder = tmp_path / "2024" / "2024-01"
    folder.mkdir(parents=True)
    (folder / "pageviews-20240102-000000.gz").write_bytes(gzip.compress(NIGHT))
    (folder / "pageviews-20240101-120000.gz").write_bytes(gzip.compress(NOON))
    for name in ("projectviews-20240101-120000", "pageviews-20240101.gz", "md5sums.txt"):
        (folder / name).write_bytes(b"no page views")
    return sorted((tmp_path / "2024").rglob("pageviews-*00.gz"), key=lambda path: path.name)


def titles(stored: StoredCounts) -> dict[str, int]:
    counts = stored.load()
    return {word.decode(): n for word, n in zip(counts.words.to_pylist(), counts.word_counts.tolist(), strict=True)}


def test_views_by_hand(files: list[Path], tmp_path: Path):
    languages, tally = count_views(files, tmp_path / "views", 5_000_000)
    assert {language: titles(stored) for language, stored in languages.items()} == {
        "de": {"Käse": 3},
        "en": {"Cat": 7, "Dog": 9},
        "zh": {"猫": 2},
    }
    assert rank_words(languages["en"]) == ["Dog", "Cat"]
    expected = Tally(titles=7, other_projects=1, namespaces=1, invalid=1, broken=1)
    assert tally == expected and json.loads((tmp_path / "views" / "tally.json").read_text()) == vars(expected)
    assert open_counts(tmp_path / "views" / "de") == languages["de"] and languages["en"].total == 16


def test_files_of_workers_add_up(files: list[Path], tmp_path: Path):
    tally = Tally()
    parts = [count_view_files([path], tmp_path / path.stem, 5_000_000, tally) for path in reversed(files)]
    languages = split_views(merge_stored(parts, tmp_path / "all", 5_000_000), tmp_path / "views")
    expected, whole = count_views(files, tmp_path / "whole", 5_000_000)
    assert {name: titles(stored) for name, stored in languages.items()} == {
        name: titles(stored) for name, stored in expected.items()
    }
    assert tally == whole


@pytest.mark.parametrize("block", [1, 3, 1000])
def test_a_languages_titles_may_lie_in_many_blocks(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "pageviews-20240101-120000.gz"
    lines = [f"{language} T{i} {i} 0" for language in ("en", "fr", "frr", "ja") for i in range(1, 8)]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    monkeypatch.setattr(pageviews, "BLOCK", block)
    languages, _ = count_views([path], tmp_path / "views", 5_000_000)
    assert list(languages) == ["en", "fr", "frr", "ja"]
    assert all(titles(stored) == {f"T{i}": i for i in range(1, 8)} for stored in languages.values())


@pytest.mark.parametrize("block", [1, 2, 1000])
def test_titles_in_a_languages_namespaces_are_taken_out(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "pageviews-20240101-120000.gz"
    lines = [
        "de K%C3%A4se 3 0",
        "de Datei:K.jpg 5 0",
        "de Spezial:Suche 99 0",
        "de Re:Zero 2 0",
        "de.m Datei:K.jpg 1 0",
    ]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    views = count_views([path], tmp_path / "views", 5_000_000)[0]["de"]
    monkeypatch.setattr(pageviews, "BLOCK", block)
    kept = keep_articles(views, tmp_path / "kept", fold_namespaces(["Datei", "Spezial"]))
    assert titles(kept) == {"Käse": 3, "Re:Zero": 2} and views.total - kept.total == 105
    assert titles(keep_articles(views, tmp_path / "kept", None)) == {"Käse": 3}
    assert titles(keep_articles(views, tmp_path / "kept", fold_namespaces(["Datei", "Spezial", "Re"]))) == {"Käse": 3}


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 1 << 20])
def test_lines_are_whole_wherever_chunks_end(files: list[Path], chunk: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pageviews, "CHUNK", chunk)
    for path, content in zip(files, (NOON, NIGHT), strict=True):
        read = [(lines.tobytes(), dropped) for lines, dropped in read_lines(path)]
        assert b"".join(lines for lines, _ in read) == content
        assert all(lines.endswith(b"\n") for lines, _ in read[:-1]) and not any(dropped for _, dropped in read)


def test_a_line_without_end_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pageviews, "CHUNK", 1000)
    monkeypatch.setattr(pageviews, "LONGEST_LINE", 5000)
    path = tmp_path / "pageviews-20240101-120000.gz"
    path.write_bytes(gzip.compress(b"en A 1 0\nen " + b"x" * 50_000 + b" 1 0\nen B 1 0\n" + b"y" * 50_000))
    languages, tally = count_views([path], tmp_path / "views", 5_000_000)
    assert titles(languages["en"]) == {"A": 1, "B": 1} and tally == Tally(titles=2, broken=2)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-20],
        lambda content: b"",
        lambda content: b"no gzip " + content,
        lambda content: content[:-8] + b"\0" * 8,  # another checksum
        lambda content: content[:15] + bytes(byte ^ 0xFF for byte in content[15:40]) + content[40:],
    ],
    ids=["truncated", "empty", "no gzip", "checksum", "garbled"],
)
def test_an_incomplete_file_is_named(damage, files: list[Path], tmp_path: Path):  # type: ignore[no-untyped-def]
    files[1].write_bytes(damage(files[1].read_bytes()))
    with pytest.raises(InputError, match=r"pageviews-20240102-000000\.gz: not a complete gzip file .* fetch it again"):
        count_views(files, tmp_path / "views", 5_000_000)
    assert not (tmp_path / "views" / "all").exists()


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"pageviews-x\.gz: no such file"):
        count_views([tmp_path / "pageviews-x.gz"], tmp_path / "views", 5_000_000)
