"""Damaged and random files: a reader gives what it can, counts what it skips, or raises InputError."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mc2lib.errors import InputError
from mc2lib.pipeline.build_metadata.dump_parts import read_offsets, split_dump
from mc2lib.pipeline.build_metadata.dumps import Part, Tally, read_articles, read_namespaces, read_pages
from mc2lib.pipeline.build_metadata.pageviews import count_views
from mc2lib.pipeline.build_metadata.source_files import read_lemmas
from mc2lib.pipeline.build_metadata.token_counts import LEAST_BUDGET
from mc2lib.pipeline.build_metadata.wordnets import read_wndb, read_wordnets
from mc2lib.recipe.metadata.wikitext.markup_names import link_names
from mc2lib.recipe.metadata.wikitext.plain_text import plain_text
from tests.pipeline.build_metadata.test_dumps import HEAD, TAIL, page
from tests.pipeline.build_metadata.test_wikipedia import LMF

FUZZ = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])

PAGES = page("Katze", "Die '''Katze''' [[Datei:K.jpg|mini|{{x|[[y]]}}]]") + page("Ü &amp; <", "a", more="<redirect />")
DUMP = HEAD + PAGES + page("Hund", "{| a\n|}<ref>x</ref>") + TAIL
NOUN = b"  1 A licence\n08930215 15 n 02 Paris 0 City_of_Light 0 001 @i 08691669 n 0000 | the capital\n"
VIEWS = b"de K%C3%A4se 3 0\nen.m Talk:Cat 5 0\nzh-yue \xe7\x8c\xab 1 0\naa.b x\n"


@st.composite
def damage(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with pieces cut out, put in, doubled or turned over; or anything at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=300))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = min(len(content), start + draw(st.integers(0, 60)))
        piece = content[start:stop]
        other = draw(
            st.sampled_from(
                [b"", piece * 2, piece[::-1], b"\0", b"\xff\xfe", b"<", b"&#0;", b"]]>", b"<!DOCTYPE", b"\n"]
            )
            | st.binary(max_size=8)
        )
        content = content[:start] + other + content[stop:]
    return content


def packed(content: bytes) -> st.SearchStrategy[bytes]:
    """A bz2 file whose content is damaged, or which is damaged itself."""
    return damage(content).map(bz2.compress) | damage(bz2.compress(content))


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@given(packed(DUMP))
@FUZZ
def test_any_dump_gives_articles_or_an_error(tmp_path: Path, content: bytes):
    path = write(tmp_path, "dewiki-20240501-pages-articles-multistream.xml.bz2", content)
    tally = Tally()
    with suppress(InputError):
        for article in read_articles(path, tally=tally):
            assert article.title and article.text and "\n\n" not in article.text
    assert tally.malformed + tally.oversized == len(tally.faults) and tally.compressed_bytes <= len(content)
    with suppress(InputError):
        names = read_namespaces(path)
        assert all(isinstance(number, int) and isinstance(name, str) for number, name in names.items())
        plain_text("[[Datei:a|b]] [[x:y]]", link_names(names))


@given(packed(b"100:1:A\n100:2:B: C\n300:3:\xc3\x84\n"), st.integers(1, 5))
@FUZZ
def test_any_index_gives_parts_of_the_whole_or_an_error(tmp_path: Path, content: bytes, parts: int):
    index = write(tmp_path, "index.txt.bz2", content)
    dump = write(tmp_path, "dewiki-multistream.xml.bz2", b"".join(map(bz2.compress, (HEAD, PAGES, TAIL))))
    size = dump.stat().st_size
    with suppress(InputError):
        offsets = read_offsets(index, size)
        assert offsets == sorted(set(offsets)) and all(0 <= offset < size for offset in offsets)
    with suppress(InputError):
        split = split_dump(dump, index, parts)
        assert split[0].start == 0 and split[-1].stop == size and len(split) <= parts


@given(st.integers(-5, 2000), st.integers(-5, 2000))
@FUZZ
def test_any_part_gives_pages_or_an_error(tmp_path: Path, start: int, stop: int):
    path = tmp_path / "dewiki.xml.bz2"
    if not path.exists():
        write(tmp_path, path.name, b"".join(map(bz2.compress, (HEAD, PAGES, TAIL))))
    with suppress(InputError):
        assert [page.title for page in read_pages(path, Part(start, stop))] in ([], ["Katze"])


@given(damage(VIEWS).map(gzip.compress) | damage(gzip.compress(VIEWS, mtime=0)))
@FUZZ
def test_any_page_views_are_counted_line_by_line_or_an_error(tmp_path: Path, content: bytes):
    path = write(tmp_path, "pageviews-20240101-000000.gz", content)
    with suppress(InputError):
        languages, tally = count_views([path], tmp_path / "views", LEAST_BUDGET)
        lines = gzip.decompress(content).split(b"\n")
        assert sum(vars(tally).values()) in (len(lines), len(lines) - (lines[-1] == b""))
        assert sum(stored.words for stored in languages.values()) <= tally.titles


@given(damage(NOUN))
@FUZZ
def test_any_database_file_gives_lemmas_or_an_error(tmp_path: Path, content: bytes):
    write(tmp_path, "wndb/data.noun", content)
    with suppress(InputError):
        lemmas = read_wndb(tmp_path / "wndb")
        assert len(lemmas) == len(set(lemmas)) and "" not in lemmas
        assert read_lemmas(tmp_path).get("en", ((),))[0] == tuple(lemmas)


@pytest.mark.parametrize(
    ("name", "pack"), [("a.xml", bytes), ("a.xml.gz", gzip.compress), ("a.xml.xz", lzma.compress)], ids=["", "gz", "xz"]
)
def test_any_lmf_gives_lemmas_or_an_error(name: str, pack: Callable[[bytes], bytes], tmp_path: Path):
    @given(damage(LMF.encode()).map(pack) | damage(pack(LMF.encode())))
    @settings(FUZZ, max_examples=60)
    def check(content: bytes) -> None:
        path = write(tmp_path, name, content)
        with suppress(InputError):
            for lemmas in read_wordnets([path]).values():
                assert all(lemma and lemma == " ".join(lemma.split()) for lemma in lemmas)

    check()
