"""Wikipedia's dumps, streamed: `<lang>wiki-<date>-pages-articles(-multistream).xml.bz2` into articles.

Nothing is unpacked to disk, and memory holds no more than one page and one chunk. Pages are cut as bytes, from `<page>`
to `</page>`, and each is parsed by itself: malformed XML costs its page only, and the page is reported by name.
A multistream dump is a sequence of bz2 streams of whole pages, so parts of it can be read independently.
"""

from __future__ import annotations

import bz2
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import BinaryIO

from mc2lib.errors import InputError
from mc2lib.recipe.metadata.wikitext.markup_names import LinkNames, link_names
from mc2lib.recipe.metadata.wikitext.plain_text import plain_text

#: How many compressed bytes are read at once, and how many bytes are unpacked at once.
READ_BYTES = 1 << 18
UNPACKED_BYTES = 1 << 21
#: The most bytes of one page's XML; MediaWiki itself refuses wikitext of more than 2 MiB.
PAGE_BYTES = 50_000_000
#: How far a dump may expand, beyond a number of bytes that is free: real dumps expand 3 to 10 times, and the densest
#: blocks of articles by bots some 40 times.
EXPANSION = 500
EXPANSION_FREE = 1 << 28
#: How many faulty pages a tally names; others it only counts.
NAMED_FAULTS = 100
_TITLE = re.compile(rb"<title>([^<]*)</title>")
_OPEN, _CLOSE = b"<page>", b"</page>"


@dataclass(frozen=True)
class Article:
    """One article.

    Args:
        title: of the page.
        text: plain paragraphs, one per line.
    """

    title: str
    text: str


@dataclass(frozen=True)
class Page:
    """One page of the article namespace that is not a redirect.

    Args:
        title: of the page.
        markup: wikitext.
    """

    title: str
    markup: str


@dataclass(frozen=True)
class Part:
    """The compressed bytes [start, stop) of a dump: whole bz2 streams.

    Args:
        start: the first byte.
        stop: the byte after the last.
    """

    start: int
    stop: int


@dataclass
class Tally:
    """What became of the pages of a dump.

    Args:
        articles: pages that were read.
        redirects: pages that were skipped as redirects.
        other_namespaces: pages that were skipped as no articles.
        malformed: pages that were skipped as malformed.
        oversized: pages that were skipped as too large.
        invalid_utf8: articles with bytes that had to be replaced.
        compressed_bytes: read from the file.
        xml_bytes: unpacked.
        faults: names up to 100 skipped pages, and why they were skipped.
    """

    articles: int = 0
    redirects: int = 0
    other_namespaces: int = 0
    malformed: int = 0
    oversized: int = 0
    invalid_utf8: int = 0
    compressed_bytes: int = 0
    xml_bytes: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add the tally of another part."""
        for name in (entry.name for entry in fields(self) if entry.name != "faults"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.faults = (self.faults + other.faults)[:NAMED_FAULTS]

    def fault(self, kind: str, title: str, offset: int, why: str) -> None:
        """Count a page that is skipped, and name it.

        Args:
            kind: `malformed` or `oversized`.
            title: of the page, if it is known.
            offset: of the page in the XML, bytes.
            why: it is skipped.
        """
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.faults) < NAMED_FAULTS:
            self.faults.append(f"{title or 'page without title'} (byte {offset:,} of the XML): {why}")


def read_articles(
    path: Path,
    part: Part | None = None,
    *,
    tally: Tally | None = None,
    names: LinkNames | None = None,
    lists: bool = False,
    page_bytes: int = PAGE_BYTES,
) -> Iterator[Article]:
    """Read the articles of a dump as plain text, in its order; those without text are not given.

    Args:
        path: a dump, `.xml.bz2`.
        part: the part of it to read, see `split_dump`; None for all of it.
        tally: counts what has been read and skipped so far.
        names: what link prefixes mean; None to read that from the head of the dump.
        lists: whether to keep the items of lists.
        page_bytes: a page with more XML is skipped and named.

    Raises:
        InputError: the dump is missing, truncated, not bz2, or expands without limit; all articles before that place
            are given first.

    Source: MetaCLIP 2, §3.1.
    """
    names = link_names(read_namespaces(path)) if names is None else names
    for page in read_pages(path, part, tally=tally, page_bytes=page_bytes):
        text = plain_text(page.markup, names, lists=lists)
        if text:
            yield Article(page.title, text)


def read_pages(
    path: Path, part: Part | None = None, *, tally: Tally | None = None, page_bytes: int = PAGE_BYTES
) -> Iterator[Page]:
    """Read the pages of the article namespace that are not redirects, in wiki markup.

    Args:
        path: a dump, `.xml.bz2`.
        part: see `read_articles`.
        tally: see `read_articles`.
        page_bytes: see `read_articles`.

    Raises:
        InputError: see `read_articles`.
    """
    tally = Tally() if tally is None else tally
    chunks = read_xml(path, part, tally=tally)
    if part is None or part.stop == path.stat().st_size:
        chunks = _until_end(chunks, path)
    for offset, content in _cut_pages(chunks, tally, page_bytes):
        page = _parse_page(content, offset, tally)
        if page is not None:
            tally.articles += 1
            yield page


def read_xml(path: Path, part: Part | None = None, *, tally: Tally | None = None) -> Iterator[bytes]:
    """Read the XML of a dump or of a part of it, all bz2 streams in sequence, in chunks of at most 2 MiB.

    Args:
        path: any file of bz2 streams.
        part: see `read_articles`.
        tally: counts bytes.

    Raises:
        InputError: the file is missing, ends within a stream, contains something that is not a bz2 stream, does not fit
            the part, or expands more than 500-fold.
    """
    tally = Tally() if tally is None else tally
    if not path.is_file():
        raise InputError(str(path), "no such dump", "Fetch it, or correct the folder, language or date.")
    part = part or Part(0, path.stat().st_size)
    if part.start < 0:
        raise InputError(str(path), f"no byte {part.start}, where its part begins", "Split the dump again.")
    if part.start >= part.stop:
        raise InputError(str(path), "empty", "Delete it and fetch it again.")
    with path.open("rb") as content:
        content.seek(part.start)
        unpacked = counted = 0
        for consumed, chunk in _unpack(content, path, part):
            unpacked += len(chunk)
            tally.xml_bytes += len(chunk)
            tally.compressed_bytes += consumed - counted
            counted = consumed
            if unpacked > EXPANSION_FREE + EXPANSION * consumed:
                raise InputError(
                    str(path),
                    f"{consumed:,} bytes from byte {part.start:,} expand to more than {unpacked:,}",
                    "No real dump does that: fetch it again from an official mirror.",
                )
            yield chunk


def _unpack(content: BinaryIO, path: Path, part: Part) -> Iterator[tuple[int, bytes]]:
    """Yield (compressed bytes used, unpacked chunk) of the streams of a part, and verify the checksum of each."""
    left = part.stop - part.start
    data = b""
    while left or data:
        unpacker = bz2.BZ2Decompressor()
        begin = part.stop - left - len(data)
        while not unpacker.eof:
            if unpacker.needs_input and not data:
                data = content.read(min(READ_BYTES, left))
                left -= len(data)
                if not data:
                    raise _truncated(path, begin, part.stop)
            try:
                chunk = unpacker.decompress(data, UNPACKED_BYTES)
            except (OSError, ValueError) as error:
                raise InputError(
                    str(path),
                    f"not a bz2 stream from byte {begin:,}, or a damaged one ({error})",
                    "Delete it and fetch it again, with its sums file.",
                ) from error
            data = b""
            if chunk:
                yield part.stop - part.start - left, chunk
        data = unpacker.unused_data


def _truncated(path: Path, begin: int, stop: int) -> InputError:
    size = path.stat().st_size
    if stop < size:
        return InputError(
            str(path),
            f"a bz2 stream from byte {begin:,} continues past byte {stop:,}, where its part ends",
            "Split the dump again: its index belongs to another dump.",
        )
    return InputError(
        str(path),
        f"truncated: it ends at byte {size:,}, within the bz2 stream that began at byte {begin:,}",
        "Delete it and fetch it again.",
    )


def _until_end(chunks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """Yield the chunks, and check that the XML ends: a file may be cut off exactly between two bz2 streams."""
    tail = b""
    for chunk in chunks:
        yield chunk
        tail = (tail + chunk)[-64:]
    if not tail.rstrip().endswith(b"</mediawiki>"):
        raise InputError(
            str(path),
            f"truncated: its {path.stat().st_size:,} bytes end between two pages, without </mediawiki>",
            "Delete it and fetch it again.",
        )


def _cut_pages(chunks: Iterator[bytes], tally: Tally, page_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset in the XML, bytes) of each page; a page without its beginning or its end is a fault."""
    buffer = bytearray()
    offset = searched = 0  # of the first byte of the buffer; up to where the buffer has no end of a page
    skipping = False  # within a page that is too large
    for chunk in chunks:
        buffer += chunk
        done = 0
        while (stop := buffer.find(_CLOSE, max(searched, done))) >= 0:
            start = -1 if skipping else _last_open(buffer, done, stop, offset, tally)
            done = searched = stop + len(_CLOSE)
            skipped, skipping = skipping, False
            if start >= 0 and done - start > page_bytes:
                tally.fault("oversized", _title(buffer[start : start + 4096]), offset + start, "too large")
            elif start >= 0:
                yield offset + start, bytes(buffer[start:done])
            elif not skipped:
                tally.fault("malformed", "", offset + done, "the end of a page without its beginning")
        del buffer[:done]
        offset += done
        searched = max(0, len(buffer) - len(_CLOSE))
        if len(buffer) > page_bytes or skipping:
            if not skipping:
                place = max(buffer.find(_OPEN), 0)
                tally.fault("oversized", _title(buffer[place : place + 4096]), offset + place, "too large")
            skipping = True
            offset += searched
            del buffer[:searched]
            searched = 0
    if skipping or _OPEN in buffer:
        tally.fault("malformed", _title(buffer[:4096]), offset, "a page without its end")


def _last_open(buffer: bytearray, start: int, stop: int, offset: int, tally: Tally) -> int:
    """Where the page that ends at `stop` begins; a page before it that lacks its end is a fault."""
    place = buffer.find(_OPEN, start, stop)
    while place >= 0 and (later := buffer.find(_OPEN, place + len(_OPEN), stop)) >= 0:
        title = _title(buffer[place : min(later, place + 4096)])  # not the title of the next page
        tally.fault("malformed", title, offset + place, "a page without its end")
        place = later
    return place


def _title(head: bytes | bytearray) -> str:
    match = _TITLE.search(head)
    return " ".join(match[1].decode("utf-8", "replace").split()) if match else ""


def _parse_page(content: bytes, offset: int, tally: Tally) -> Page | None:
    """The page, if it is an article; otherwise the tally says what it is."""
    broken = False
    try:
        try:
            page = ElementTree.fromstring(content)
        except ElementTree.ParseError:
            repaired = content.decode("utf-8", "replace").encode("utf-8")
            if repaired == content:
                raise
            broken = True
            page = ElementTree.fromstring(repaired)
    except ElementTree.ParseError as error:
        tally.fault("malformed", _title(content[:4096]), offset, f"malformed XML ({error})")
        return None
    title = " ".join((page.findtext("title") or "").split())
    namespace = (page.findtext("ns") or "").strip()
    if not title or not namespace.lstrip("-").isdigit():
        tally.fault("malformed", title, offset, f"no {'namespace' if title else 'title'}")
        return None
    if namespace != "0" or (page.findtext("revision/model") or "wikitext") != "wikitext":
        tally.other_namespaces += 1
        return None
    if page.find("redirect") is not None:
        tally.redirects += 1
        return None
    tally.invalid_utf8 += broken
    return Page(title, "".join(text.text or "" for text in page.findall("revision/text")[-1:]))


def read_namespaces(path: Path) -> dict[int, str]:
    """Read the wiki's own names of its namespaces from the head of a dump.

    Args:
        path: a dump, `.xml.bz2`.

    Returns:
        By number; empty if the dump lists none.

    Raises:
        InputError: the dump is missing or not bz2.
    """
    head = b""
    for chunk in read_xml(path):
        head += chunk
        if b"</siteinfo>" in head or len(head) > UNPACKED_BYTES:
            break
    start, stop = head.find(b"<namespaces>"), head.find(b"</namespaces>")
    if start < 0 or stop < 0:
        return {}
    try:
        listed = ElementTree.fromstring(head[start : stop + len(b"</namespaces>")])
        return {int(entry.get("key", "0")): entry.text or "" for entry in listed}
    except (ElementTree.ParseError, ValueError):
        return {}
