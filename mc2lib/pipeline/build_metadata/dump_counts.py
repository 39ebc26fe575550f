"""From the articles of a part of a dump to counts of their words and pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from mc2lib.pipeline.build_metadata.dumps import Article, Part, Tally, read_articles
from mc2lib.pipeline.build_metadata.token_counts import count_language

#: How many characters of articles are counted at once: few compared with any budget.
BATCH = 1 << 21


def count_part(dump: Path, part: Part, folder: Path, budget: int, language: str, segmenter: str | None = None) -> Tally:
    """Count the words and pairs of a part of a dump.

    Args:
        dump: the dump's file.
        part: the bytes to read, see `mc2lib.pipeline.build_metadata.dump_parts.split_dump`.
        folder: where the counts go.
        budget: bytes that counting may take.
        language: metadata language.
        segmenter: see `mc2lib.recipe.metadata.segment.make_segmenter`.

    Returns:
        What became of the pages.

    Raises:
        InputError: the dump is missing, truncated or not a dump; see `count_language` too.
    """
    tally = Tally()
    texts = _batches(read_articles(dump, part, tally=tally))
    count_language(texts, folder, budget, language, segmenter)
    return tally


def _batches(articles: Iterable[Article]) -> Iterator[pa.Array]:
    texts: list[str] = []
    size = 0
    for article in articles:
        texts.append(article.text)
        size += len(article.text)
        if size >= BATCH:
            yield pa.array(texts, pa.large_string())
            texts, size = [], 0
    yield pa.array(texts, pa.large_string())
