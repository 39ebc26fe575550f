import bz2

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.metadata_text import excerpt, token_f1, wikiextractor_text
from mc2lib.errors import InputError
from mc2lib.pipeline.build_metadata import dumps
from mc2lib.pipeline.build_metadata.dumps import (
    Article,
    Page,
    Tally,
    read_articles,
    read_namespaces,
    read_pages,
    read_xml,
)
from mc2lib.recipe.metadata.wikitext.plain_text import plain_text

HEAD = b"""<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" xml:lang="de">
  <siteinfo><dbname>dewiki</dbname><namespaces>
    <namespace key="-2" case="first-letter">Medium</namespace>
    <namespace key="0" case="first-letter" />
    <namespace key="6" case="first-letter">Datei</namespace>
    <namespace key="14" case="first-letter">Kategorie</namespace>
  </namespaces></siteinfo>
"""
TAIL = b"</mediawiki>\n"


def page(title, text, ns="0", more="", model="wikitext"):
    return (
        f"  <page>\n    <title>{title}</title>\n    <ns>{ns}</ns>\n    <id>1</id>\n{more}"
        f"    <revision>\n      <id>2</id>\n      <model>{model}</model>\n      <format>text/x-wiki</format>\n"
        f'      <text bytes="9" xml:space="preserve">{text}</text>\n    </revision>\n  </page>\n'
    ).encode("utf-8", "surrogateescape")


def write(path, *streams):
    path.write_bytes(b"".join(bz2.compress(stream) for stream in streams))
    return path


@pytest.fixture
def dump(tmp_path):
    def make(*pages, head=HEAD, tail=TAIL):
        return write(tmp_path / "dewiki-20240501-pages-articles.xml.bz2", head + b"".join(pages) + tail)

    return make


def titles(path, **options):
    tally = Tally()
    return [article.title for article in read_articles(path, tally=tally, **options)], tally


def test_articles_are_pages_of_their_namespace_without_redirects(dump):
    path = dump(
        page(
            "Katze", "Die '''Katze''' &amp;amp; [[Datei:K.tga|mini|x]][[Hund|ein Hund]].\n\n* eins\n[[Kategorie:Tier]]"
        ),
        page("Kater", "#REDIRECT [[Katze]]", more='    <redirect title="Katze" />\n'),
        page("Diskussion:Katze", "nein", ns="1"),
        page("Daten", "{}", model="json"),
        page("Nur Vorlage", "{{a}}"),
        page("Fräulein", "über 字"),
    )
    tally = Tally()
    assert list(read_articles(path, tally=tally)) == [
        Article("Katze", "Die Katze & ein Hund."),
        Article("Fräulein", "über 字"),
    ]
    assert (tally.articles, tally.redirects, tally.other_namespaces) == (3, 1, 2)
    assert tally.malformed == tally.oversized == tally.invalid_utf8 == 0 and tally.faults == []
    assert tally.compressed_bytes == path.stat().st_size and tally.xml_bytes == len(bz2.decompress(path.read_bytes()))
    assert next(read_articles(path, lists=True)).text == "Die Katze & ein Hund.\neins"


def test_markup_and_namespaces(dump):
    path = dump(page("A", "[[a]] &lt;ref&gt;"))
    assert list(read_pages(path)) == [Page("A", "[[a]] <ref>")]
    assert read_namespaces(path) == {-2: "Medium", 0: "", 6: "Datei", 14: "Kategorie"}
    assert read_namespaces(dump(head=b"<mediawiki>\n")) == {}
    assert read_namespaces(dump(head=b"<mediawiki><namespaces><x key='b'/></namespaces></siteinfo>")) == {}


def test_titles_hold_no_tabs_or_newlines(dump):
    assert titles(dump(page(" A\tb\n c ", "x")))[0] == ["A b c"]


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (page("Kaputt", "a < b"), "malformed XML"),
        (page("Kaputt", "&undefined;"), "malformed XML"),
        (page("Kaputt", "a").replace(b"</revision>", b""), "malformed XML"),
        (page("Kaputt", "a\x0b"), "malformed XML"),
        (page("Kaputt", "a").replace(b"<page>", b'<page><!DOCTYPE a [<!ENTITY b "c">]>'), "malformed XML"),
        (page("Kaputt", "a").replace(b"  </page>", b""), "a page without its end"),
        (page("Kaputt", "a", ns="drei"), "no namespace"),
        (page("Kaputt", "a").replace(b"<ns>0</ns>", b""), "no namespace"),
    ],
)
def test_a_malformed_page_is_skipped_counted_and_named(dump, broken, why):
    before = HEAD + page("Vorher", "x")
    found, tally = titles(dump(page("Vorher", "x"), broken, page("Nachher", "y")))
    assert found == ["Vorher", "Nachher"] and tally.malformed == 1
    assert tally.faults[0].startswith(f"Kaputt (byte {len(before) + 2:,} of the XML): {why}")


def test_pages_without_beginning_or_title(dump):
    found, tally = titles(dump(page("A", "x").replace(b"<page>", b"<pag>"), page("", "y"), page("B", "z")))
    assert found == ["B"] and tally.malformed == 2
    assert "the end of a page without its beginning" in tally.faults[0] and "no title" in tally.faults[1]


def test_an_unfinished_last_page_is_reported(dump):
    found, tally = titles(dump(page("A", "x"), page("Halb", "y")[:-12]))
    assert found == ["A"] and tally.malformed == 1 and "Halb" in tally.faults[0]


def test_invalid_utf8_is_replaced_and_counted(dump):
    path = dump(page("A", "a\udcff\udcc3b"), page("B", "c"))
    tally = Tally()
    assert [article.text for article in read_articles(path, tally=tally)] == ["a\ufffd\ufffdb", "c"]
    assert tally.invalid_utf8 == 1 and tally.malformed == 0


@pytest.mark.parametrize("size", [3000, 5_000_000])
def test_a_page_that_is_too_large_is_skipped_and_named(dump, size):
    path = dump(page("A", "x"), page("Riese", "y" * size), page("B", "z"))
    found, tally = titles(path, page_bytes=2000)
    assert found == ["A", "B"] and tally.oversized == 1 and tally.malformed == 0
    assert tally.faults == [f"Riese (byte {len(HEAD + page('A', 'x')) + 2:,} of the XML): too large"]


def test_a_large_page_within_the_bound_is_read(dump):
    article = next(read_articles(dump(page("A", "wort " * 1_000_000))))
    assert len(article.text) == 4_999_999


def test_chunks_stay_small_and_a_bomb_ends(tmp_path, monkeypatch):
    bomb = tmp_path / "a.bz2"
    stream = bz2.compress(bytes(45_000_000))
    bomb.write_bytes(stream * 12)  # 30 kB expand to 540 MB
    with pytest.raises(InputError, match=r"a.bz2: .* bytes from byte 0 expand to more than"):
        for chunk in read_xml(bomb):
            assert len(chunk) <= dumps.UNPACKED_BYTES
    monkeypatch.setattr(dumps, "EXPANSION_FREE", 10_000_000)
    tally = Tally()
    with pytest.raises(InputError, match="expand"):
        for _ in read_pages(bomb, tally=tally):
            pass
    assert tally.xml_bytes <= 10_000_000 + 500 * bomb.stat().st_size + dumps.UNPACKED_BYTES


def test_a_truncated_dump_gives_its_articles_and_then_raises(tmp_path):
    streams = [bz2.compress(part) for part in (HEAD, page("A", "x"), page("B", "y" * 1000), TAIL)]
    path = tmp_path / "dewiki.xml.bz2"
    content = b"".join(streams)
    begin = len(streams[0] + streams[1])
    for stop in (begin + 1, begin + 20, begin + len(streams[2]) - 1):
        path.write_bytes(content[:stop])
        reader, found = read_articles(path), []
        with pytest.raises(InputError, match=rf"truncated: it ends at byte {stop}, within .* began at byte {begin}"):
            while True:
                found.append(next(reader).title)
        assert found[:1] == ["A"], "what was read before stays usable"


def test_a_dump_cut_between_two_streams_is_truncated_too(tmp_path):
    path = write(tmp_path / "dewiki.xml.bz2", HEAD, page("A", "x"))
    with pytest.raises(InputError, match="end between two pages, without </mediawiki>"):
        list(read_articles(path))


@pytest.mark.parametrize(
    "content", [b"not bz2 at all", bz2.compress(HEAD)[:-6] + b"abcdef", bz2.compress(HEAD) + b"junk"]
)
def test_a_file_that_is_not_bz2_is_reported(tmp_path, content):
    path = tmp_path / "dewiki.xml.bz2"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"dewiki.xml.bz2: (not a bz2 stream from byte \d+|truncated)"):
        list(read_articles(path))


def test_missing_and_empty_files(tmp_path):
    with pytest.raises(InputError, match="no such dump"):
        list(read_articles(tmp_path / "none.bz2"))
    (tmp_path / "empty.bz2").touch()
    with pytest.raises(InputError, match="empty"):
        list(read_articles(tmp_path / "empty.bz2"))


# ---------------------------------------------------------------------- real and random input


def test_a_real_excerpt():
    pytest.importorskip("gensim")
    tally = Tally()
    articles = list(read_articles(excerpt(), tally=tally))
    assert (tally.articles, tally.redirects, tally.other_namespaces, tally.malformed) == (106, 99, 1, 0)
    first = articles[0]
    assert first.title == "Anarchism" and first.text.startswith("Anarchism is a political philosophy that advocates")
    text = "\n".join(article.text for article in articles)
    assert not any(mark in text for mark in ("[[", "]]", "{{", "}}", "<ref", "&nbsp;", "'''", "http://", "Category:"))
    assert 2_400_000 < len(text) < 2_700_000


def test_text_is_near_wikiextractors():
    """Two independent readings of the same articles: formulas, subscripts and unclosed tags differ."""
    pytest.importorskip("gensim")
    pytest.importorskip("wikiextractor")
    pages = list(read_pages(excerpt()))[:30]
    ours = [plain_text(page.markup) for page in pages]
    assert token_f1(ours, [wikiextractor_text(page) for page in pages]) > 0.99


FRAGMENTS = st.sampled_from(
    [
        page("A", "x"),
        page("B", "a < b"),
        page("C", "y")[:-10],
        b"<page>",
        b"</page>",
        b"<page",
        b"x",
        b"\xff\xfe",
        b"\0",
    ]
)


def test_a_page_without_its_end_is_not_named_by_the_next_one():
    tally = Tally()
    content = b"<page><page><title>A</title></page>"
    assert list(dumps._cut_pages(iter([content]), tally, 10_000)) == [(6, content[6:])]
    assert tally.faults == ["page without title (byte 0 of the XML): a page without its end"]


@settings(max_examples=150)
@given(st.lists(FRAGMENTS, max_size=12), st.integers(1, 400))
@example([b"<page>", b"<page>", b"</page>", page("A", "x")], 1)  # the first page's name was the last one's
def test_cutting_does_not_depend_on_chunks(tmp_path_factory, fragments, size):
    content = HEAD + b"".join(fragments) + TAIL
    small, whole = Tally(), Tally()
    chunks = (content[i : i + size] for i in range(0, len(content), size))
    cut = list(dumps._cut_pages(chunks, small, 10_000))
    assert cut == list(dumps._cut_pages(iter([content]), whole, 10_000)) and small == whole
    assert all(content[offset : offset + len(found)] == found for offset, found in cut)
