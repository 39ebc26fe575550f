"""Dump to text: megabytes a second on one core, and how near the text is to wikiextractor's.

    make bench WHAT=metadata

calls `bench_text`; by itself, `python -m benchmarks.metadata_text` prints it as JSON. The input is the excerpt of a
real English dump that gensim carries: 106 articles, 1.7 MB of bz2. gensim and wikiextractor are of
`benchmarks/requirements.lock`, which is installed for this alone. Expect, on one core of 2020s hardware, the text at
five to eight times wikiextractor's pace and forty times mwparserfromhell's, token F1 against wikiextractor 0.997,
and bz2 as what takes most of the time.
"""

from __future__ import annotations

import importlib
import json
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import mwparserfromhell

from mc2lib.errors import InputError
from mc2lib.pipeline.build_metadata.dumps import Page, read_articles, read_namespaces, read_pages, read_xml
from mc2lib.recipe.metadata.wikitext.markup_names import link_names
from mc2lib.recipe.metadata.wikitext.plain_text import plain_text

#: Compressed bytes of all 329 dumps (`pages-articles.xml.bz2`, 2024-05), an estimate: English alone is 22 GB, and
#: about a quarter of all. Say what a mirror's listing adds up to, where it is known.
ALL_DUMPS_BYTES = 90e9
TOKEN = re.compile(r"\w+")
REPEATS = 3
PEERS = "benchmarks/requirements.lock"
Result = TypeVar("Result")


def bench_text(path: Path | None = None) -> dict[str, float]:
    """Measure dump to text, one core, the best of three runs each.

    Args:
        path: a dump, `.xml.bz2`; None: the excerpt that gensim carries.

    Returns:
        `*_mb_per_s` of markup for the three ways from markup to text, of XML for bz2 alone, with cutting and
        parsing, and with text; `dump_mb_per_s` of compressed bytes; `f1_*`, the token F1 against wikiextractor;
        `core_hours` of one such core for all 329 dumps, and wikiextractor's.
    """
    path = path or excerpt()
    plain_text("")  # compiles
    names = link_names(read_namespaces(path))
    pages = list(read_pages(path))
    markup = sum(len(page.markup.encode()) for page in pages) / 1e6
    ours, ours_seconds = _timed(lambda: [plain_text(page.markup, names) for page in pages])
    with_lists = [plain_text(page.markup, names, lists=True) for page in pages]
    peer, peer_seconds = _timed(lambda: [wikiextractor_text(page) for page in pages], repeats=1)
    parsed, parsed_seconds = _timed(
        lambda: [str(mwparserfromhell.parse(page.markup).strip_code()) for page in pages], repeats=1
    )
    xml = sum(map(len, read_xml(path))) / 1e6
    _, bz2_seconds = _timed(lambda: sum(map(len, read_xml(path))))
    _, page_seconds = _timed(lambda: sum(1 for _ in read_pages(path)))
    _, dump_seconds = _timed(lambda: sum(1 for _ in read_articles(path, names=names)))
    compressed = path.stat().st_size / 1e6
    return {
        "articles": len(pages),
        "text_mb_per_s": markup / ours_seconds,
        "wikiextractor_mb_per_s": markup / peer_seconds,
        "mwparserfromhell_mb_per_s": markup / parsed_seconds,
        "f1_ours": token_f1(ours, peer),
        "f1_ours_with_lists": token_f1(with_lists, peer),
        "f1_mwparserfromhell": token_f1(parsed, peer),
        "bz2_xml_mb_per_s": xml / bz2_seconds,
        "pages_xml_mb_per_s": xml / page_seconds,
        "dump_xml_mb_per_s": xml / dump_seconds,
        "dump_mb_per_s": compressed / dump_seconds,
        "core_hours": core_hours(compressed / dump_seconds),
        "core_hours_wikiextractor": core_hours(compressed / (page_seconds + peer_seconds)),
    }


def core_hours(mb_per_s: float, size: float = ALL_DUMPS_BYTES) -> float:
    """Hours of one core for `size` compressed bytes at so many compressed megabytes a second."""
    return size / 1e6 / mb_per_s / 3600


def excerpt() -> Path:
    """The excerpt of a real English dump in gensim's test data.

    Raises:
        InputError: gensim is not installed; the message says how to install it.
    """
    gensim = import_peer("gensim")
    folder = Path(gensim.__file__).parent / "test" / "test_data"
    return next(folder.glob("enwiki-latest-pages-articles1.xml-*-shortened.bz2"))


def import_peer(name: str) -> Any:
    """A module of benchmarks/requirements.lock.

    Raises:
        InputError: it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        remedy = f"Run `python -m pip install --require-hashes -r {PEERS}`."
        raise InputError(
            name, "not installed: it is measured against, and part of no environment unasked", remedy
        ) from error


def wikiextractor_text(page: Page) -> str:
    """What wikiextractor makes of a page without expanding templates, as `--no-templates` does."""
    extract = import_peer("wikiextractor.extract")
    logging.getLogger("wikiextractor").setLevel(logging.ERROR)
    extractor = extract.Extractor("1", "1", "", page.title, [page.markup])
    return "\n".join(extractor.clean_text(page.markup, expand_templates=False, html_safe=False))


def token_f1(texts: Sequence[str], others: Iterable[str]) -> float:
    """The share of equal tokens, each counted as often as it stands, article by article."""
    equal = total = 0
    for text, other in zip(texts, others, strict=True):
        left, right = Counter(TOKEN.findall(text)), Counter(TOKEN.findall(other))
        equal += (left & right).total()
        total += left.total() + right.total()
    return 2 * equal / total


def _timed(action: Callable[[], Result], repeats: int = REPEATS) -> tuple[Result, float]:
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        result = action()
        best = min(best, time.perf_counter() - start)
    return result, best


if __name__ == "__main__":
    print(json.dumps({name: round(value, 4) for name, value in bench_text().items()}))
