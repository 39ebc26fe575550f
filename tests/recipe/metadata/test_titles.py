"""Lines of page-view files into titles and their views."""

import random
from collections import Counter, defaultdict
from urllib.parse import unquote_to_bytes

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mc2lib.recipe.metadata.counting.count_table import Table
from mc2lib.recipe.metadata.counting.counts import Counts, merge_counts
from mc2lib.recipe.metadata.titles import (
    NAMESPACES,
    Tally,
    add_views,
    domain_languages,
    find_articles,
    fold_namespaces,
)


def views(*lines: bytes, limit: int | None = None) -> tuple[dict[tuple[str, str], int], Tally]:
    """Views by (language, title), and what became of the lines."""
    tally, table = Tally(), Table(limit)
    parts = []
    for part in add_views(table, np.frombuffer(b"\n".join(lines), np.uint8), tally):
        parts.append(Counts(part.words, part.word_counts.copy(), part.pairs.copy(), part.pair_counts.copy()))
    counts = merge_counts([*parts, table.drain()])
    keys = [key.decode().split("\0", 1) for key in counts.words.to_pylist()]
    found = {(key[0], key[1]): count for key, count in zip(keys, counts.word_counts.tolist(), strict=True)}
    return found, tally


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"en Cat 5 0", ("en", "Cat", 5)),
        (b"en.m Cat 5 0", ("en", "Cat", 5)),
        (b"en.zero Cat 5 0", ("en", "Cat", 5)),
        (b"zh-yue %E7%8C%AB 1 0", ("zh", "猫", 1)),
        (b"zh-classical.m \xe7\x8c\xab 1 0", ("zh", "猫", 1)),
        (b"be-x-old X 1 0", ("be", "X", 1)),
        (b"bat-smg X 1 0", ("bat_smg", "X", 1)),
        (b"simple X 1 0", ("en", "X", 1)),
        (b"fr %C3%89t%c3%a9 2 0", ("fr", "Été", 2)),
        (b"en Tom_%26_Jerry 1 0", ("en", "Tom & Jerry", 1)),
        (b"en 100% 1 0", ("en", "100%", 1)),
        (b"en A%2 1 0", ("en", "A%2", 1)),
        (b"en A%zzB 1 0", ("en", "A%zzB", 1)),
        (b"en _a%09%0Ab__c%C2%A0_ 1 0", ("en", "a b c", 1)),
        (b"en Star_Wars:_Episode_IV 1 0", ("en", "Star Wars: Episode IV", 1)),
        (b"en Star_Wars:_A:B 1 0", ("en", "Star Wars: A:B", 1)),
        (b"en Mission: 1 0", ("en", "Mission:", 1)),
        (b"en Re:Zero 1 0", ("en", "Re:Zero", 1)),  # what is a namespace in a language, its dump says
        (b"de Spezial:Suche 5 0", ("de", "Spezial:Suche", 5)),
        (b"ru %D0%A1%D0%BB%3A%D0%A1 5 0", ("ru", "Сл:С", 5)),
        (b"en Talker:Cat 5 0", ("en", "Talker:Cat", 5)),
        (b"en Mediawiki_talker:Cat 5 0", ("en", "Mediawiki talker:Cat", 5)),
        (b"en Main_Page 9 0", ("en", "Main Page", 9)),
        (b"en A+B 1 0", ("en", "A+B", 1)),
        (b"am \xe1\x88\xb0\xe1\x8d\xa1\xe1\x88\xb0 1 0", ("am", "ሰ፡ሰ", 1)),  # the word space is part of a title
    ],
)
def test_titles(line: bytes, expected: tuple[str, str, int]):
    language, title, number = expected
    assert views(line) == ({(language, title): number}, Tally(titles=1))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"en.b Cat 5 0", "other_projects"),
        (b"commons.m Cat 5 0", "other_projects"),
        (b"en.m.m Cat 5 0", "other_projects"),
        (b"EN Cat 5 0", "other_projects"),
        (b"e Cat 5 0", "other_projects"),
        (b"en Talk:Cat 5 0", "namespaces"),
        (b"de Special:Suche 5 0", "namespaces"),
        (b"de user%5Ftalk%3AX 5 0", "namespaces"),
        (b"ru MEDIAWIKI_TALK:_X 5 0", "namespaces"),
        (b"en :Cat 5 0", "namespaces"),
        (b"en - 5 0", "untitled"),
        (b"en _ 5 0", "untitled"),
        (b"en %E0 5 0", "invalid"),
        (b"en \xff\xfe 5 0", "invalid"),
        (b"en %ED%A0%80 5 0", "invalid"),
        (b"en Cat 5", "broken"),
        (b"en Cat 5 0 0", "broken"),
        (b"en  5 0 ", "broken"),
        (b"", "broken"),
        (b" Cat 5 0", "broken"),
        (b"en Cat five 0", "broken"),
        (b"en Cat -5 0", "broken"),
        (b"en Cat 5 0\r", "broken"),
        (b"en Cat 1234567890123 0", "broken"),
    ],
)
def test_a_line_without_a_title_is_counted(line: bytes, why: str):
    assert views(b"en A 1 0", line, b"en B 1 0") == ({("en", "A"): 1, ("en", "B"): 1}, Tally(titles=2, **{why: 1}))


def oracle(lines: list[bytes]) -> tuple[dict[tuple[str, str], int], Counter[str]]:
    """The rules once more, with the standard library's decoder."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    tally: Counter[str] = Counter()
    languages = domain_languages()
    for line in lines:
        fields = line.split(b" ")
        numbers = fields[2:]
        if len(fields) != 4 or not fields[0] or not all(number.isdigit() and len(number) < 13 for number in numbers):
            tally["broken"] += 1
        elif fields[0].decode(errors="replace") not in languages:
            tally["other_projects"] += 1
        else:
            why, title = read_title(fields[1])
            tally[why] += 1
            if why == "titles":
                found[languages[fields[0].decode()], title] += int(fields[2])
    return dict(found), tally


def read_title(field: bytes) -> tuple[str, str]:
    try:
        title = " ".join(unquote_to_bytes(field).decode().replace("_", " ").split()) if field != b"-" else ""
    except UnicodeDecodeError:
        return "invalid", ""
    before, colon, _ = title.partition(":")
    if colon and (not before or before.encode().lower().decode() in NAMESPACES):  # only ASCII in lower case
        return "namespaces", ""
    return ("titles" if title else "untitled"), title


FIELDS = st.lists(
    st.sampled_from(
        [
            b"%",
            b"%C3",
            b"%A9",
            b"_",
            b":",
            b"a",
            b"\xc3",
            b"\xa9",
            b"%20",
            b"\t",
            b"\0",
            b"-",
            b"%3a",
            b"%",
            b"File",
            b"tAlk",
        ]
    ),
    max_size=6,
).map(b"".join)
LINES = st.builds(
    lambda *fields: b" ".join(fields),
    st.sampled_from([b"en", b"en.m", b"zh-yue", b"commons", b"", b"en.", b"\xff"]),
    st.one_of(FIELDS, st.binary(max_size=6).map(lambda field: field.replace(b"\n", b""))),
    st.sampled_from([b"1", b"20", b"", b"x", b"999999999999"]),
    st.sampled_from([b"0", b"7", b"7 7"]),
)


@given(st.lists(LINES, max_size=8))
@settings(max_examples=300)
def test_any_lines_are_read_as_the_standard_library_reads_them(lines: list[bytes]):
    lines = [*lines, b"en Last 1 0"]
    found, tally = views(*lines)
    expected, numbers = oracle(lines)
    assert found == expected
    assert vars(tally) == {name: numbers[name] for name in vars(tally)}


GERMAN = fold_namespaces(["Medium", "Spezial", "", "Diskussion", "Datei", "Benutzer_Diskussion", "MODUL", "Категория"])


@pytest.mark.parametrize(
    ("title", "known", "unknown"),
    [
        ("Katze", True, True),
        ("Spezial:Suche", False, False),
        ("spezial:Suche", False, False),
        ("Datei: Katze.jpg", False, True),
        ("Benutzer Diskussion:X", False, False),
        ("modul:X", False, False),
        ("категория:X", False, False),
        ("Special: X", False, False),  # every wiki knows MediaWiki's own
        ("File:X", False, False),
        ("Star Wars: Episode IV", True, True),
        ("Re:Zero", True, False),
        ("3:10 to Yuma", True, False),
        ("NCIS:LA", True, False),
        ("WP:NPOV", False, False),
        ("К:X", False, False),
        ("wikt:Katze", False, False),
        ("En:Cat", False, False),
        ("be-x-old:X", False, False),
        ("It: Kapitel 2", True, True),
        ("Mission:", True, True),
        ("Datei:", False, True),
        (":x", False, False),
        (" :x", False, False),
    ],
)
def test_the_text_before_the_first_colon_decides(title: str, known: bool, unknown: bool):
    titles = pa.array([b"A", title.encode(), b"B"], pa.large_binary())
    assert find_articles(titles, GERMAN).tolist() == [True, known, True]
    assert find_articles(titles, None).tolist() == [True, unknown, True]


def test_no_titles_give_no_articles():
    assert find_articles(pa.array([], pa.large_binary()), GERMAN).tolist() == []


@given(st.lists(st.text(":aA 3Ж_", max_size=6)))
@settings(max_examples=100)
def test_a_title_without_a_colon_is_an_article(names: list[str]):
    articles = find_articles(pa.array([name.encode() for name in names], pa.large_binary()), GERMAN)
    assert all(article or ":" in name for name, article in zip(names, articles.tolist(), strict=True))
    assert not any(article and name.startswith(":") for name, article in zip(names, articles.tolist(), strict=True))


def test_a_full_table_hands_out_views_that_add_up():
    draw = random.Random(2)
    lines = [
        f"{draw.choice(['en', 'de.m'])} T{draw.randint(0, 30_000)} {draw.randint(0, 9)} 0".encode()
        for _ in range(40_000)
    ]
    found, tally = views(*lines, limit=2_000_000)
    assert found == oracle(lines)[0] and tally == Tally(titles=40_000)
