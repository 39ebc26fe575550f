"""How long the English list becomes where its sources suffice, beside the paper's: no speed, only numbers of entries.

    python -m benchmarks.fidelity_metadata

The sources are synthetic and overlap heavily: the commonest words and the pairs of highest PMI are lemmas too, and the
most viewed titles are lemmas, words or pairs. They are counted, ranked and merged by the code that builds the lists, by
the shares and caps of params.yaml.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from mc2lib.io.config import find_root, load_params
from mc2lib.params import Metadata
from mc2lib.recipe.metadata.card import PAPER_ENGLISH
from mc2lib.recipe.metadata.counting.count_table import count_texts
from mc2lib.recipe.metadata.counting.counts import Counts
from mc2lib.recipe.metadata.merge import Source, merge_sources
from mc2lib.recipe.metadata.pmi import pair_source, word_source

#: The paper's entries of English that are ranked, which are its caps.
PAPER = {source: size for source, size in PAPER_ENGLISH.items() if source != "wordnet"}
#: Distinct words, of which a tenth is above the cap; those that the text holds twice; words of a text.
WORDS, COMMON, LENGTH = 2_700_000, 330_000, 500
#: Lemmas that are common words, and that are pairs of high PMI; titles that an earlier source holds, and in all.
WORD_LEMMAS, PAIR_LEMMAS, HELD_TITLES, TITLES = 45_000, 20_000, 60_000, 220_000


def texts() -> Iterator[str]:
    """All words once, then the common ones again, in texts of some hundred words."""
    words = [f"w{number:x}" for number in range(WORDS)]
    words += words[:COMMON][::-1]
    for start in range(0, len(words), LENGTH):
        yield " ".join(words[start : start + LENGTH])


def viewed(titles: list[str]) -> Counts:
    """Titles and their views, the first with the most."""
    views = np.arange(len(titles), 0, -1, np.int64)
    order = np.argsort(np.array(titles, object))
    names = pa.array([titles[row].encode() for row in order], pa.large_binary())
    return Counts(names, views[order], np.zeros(0, np.uint64), np.zeros(0, np.int64))


def english_entries(rules: Metadata | None = None) -> dict[str, int]:
    """Entries that the English list has of each ranked source.

    Args:
        rules: shares and caps; None: those of params.yaml.

    Returns:
        by source (unigram, bigram, title) how many.
    """
    rules = rules or load_params(find_root()).metadata
    counts = count_texts(pa.array(texts(), pa.large_string()))
    words, pairs = word_source(counts), pair_source(counts, " ", rules)
    lemmas = [*words.best(WORD_LEMMAS), *pairs.best(PAIR_LEMMAS)]
    lemmas += [f"lemma {number}" for number in range(PAPER_ENGLISH["wordnet"] - len(lemmas))]
    held = [*lemmas[::4], *words.best(WORD_LEMMAS + HELD_TITLES)[WORD_LEMMAS:], *pairs.best(2 * PAIR_LEMMAS)]
    titles = list(dict.fromkeys(held))
    titles += [f"Title {number}" for number in range(TITLES - len(titles))]
    sources = {
        "wordnet": Source.listed(lemmas),
        "unigram": words,
        "bigram": pairs,
        "title": word_source(viewed(titles)),
    }
    found = Counter(merge_sources(sources, rules).table["source"].to_pylist())
    return {source: found[source] for source in PAPER}


def main() -> None:
    """Print one JSON line."""
    print(json.dumps({"what": "fidelity_metadata", "english_entries": english_entries()}))


if __name__ == "__main__":
    main()
