"""Merging the ranked sources of a language into one list, as far down each as its share and cap allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import pyarrow as pa

from mc2lib.errors import InputError, nearest
from mc2lib.languages import is_punctuation
from mc2lib.params import Metadata
from mc2lib.recipe.metadata.ranking import Allowance, allow_bigrams, allow_titles, allow_unigrams
from mc2lib.schemas import METADATA

#: Sources in order of precedence: an entry that several have belongs to the first.
SOURCES = ("wordnet", "unigram", "bigram", "title", "number")

#: Entries of every language.
NUMBERS = tuple(str(number) for number in range(100))


@dataclass(frozen=True)
class Source:
    """A ranked source, of which only the best entries are read.

    Args:
        candidates: how many entries it offers.
        best: gives its best entries, best first: as many as asked for, or fewer if the rules admit no more.
    """

    candidates: int
    best: Callable[[int], Sequence[str]]

    @classmethod
    def listed(cls, entries: Sequence[str]) -> Self:
        """Make a source of entries in memory, best first."""
        return cls(len(entries), lambda top: entries[:top])


@dataclass(frozen=True)
class Walk:
    """How far down one source the list goes.

    Args:
        candidates: how many entries the source offers.
        allowance: how many new entries the rules allow; None for all.
        new: how many entries the list has from it.
        held: how many were skipped because the list had them already.
        unusable: how many were skipped because they are too long, blank or all punctuation.
    """

    candidates: int
    allowance: Allowance | None
    new: int
    held: int
    unusable: int


@dataclass(frozen=True)
class Merged:
    """A merged list.

    Args:
        table: METADATA; the row number is the entry's id.
        walks: by source, how far down it the list goes.
    """

    table: pa.Table
    walks: Mapping[str, Walk]


def merge_sources(sources: Mapping[str, Source], rules: Metadata) -> Merged:
    """Merge the metadata of one language: new entries of every source in the order of `SOURCES`; the first source wins.

    Each source is walked down from its best entry. Entries that an earlier source has are skipped and do not count, nor
    do unusable ones (`is_usable`). The walk ends when as many *new* entries are in as the lesser of the source's share
    and its cap allows, or when the source ends. Like a cap, a share is a number of new entries:

    - unigrams: `unigram_share` of the candidates, at most `unigram_cap`;
    - bigrams: `bigram_share` of the unigrams kept, at most `bigram_cap`, where the unigrams kept are all that the walk
      met, whichever source they have in the list; by the rule `pmi`, all above the threshold, at most `bigram_cap`;
    - titles: `title_share` of the candidates, at most `title_cap`;
    - WordNet and numbers: all.

    So English reaches the paper's 251,465, 100,646 and 61,235 where its sources suffice.

    Args:
        sources: by name; an absent one is empty. `number` is added here.
        rules: shares, caps and the length of the longest entry.

    Returns:
        The list; its column `rank` is the entry's place in its source.

    Raises:
        InputError: a source is not one of `SOURCES`.

    Source: MetaCLIP 2, §3.1.
    """
    for name in sources:
        if name not in SOURCES:
            raise InputError("metadata", f"no source '{name}'", nearest(name, SOURCES))
    sources = {"number": Source.listed(NUMBERS), **sources}
    columns: dict[str, tuple[str, int]] = {}
    walks: dict[str, Walk] = {}
    for name in SOURCES:
        source = sources.get(name, Source.listed(()))
        walks[name] = _walk_down(name, source, _allow(name, source, walks, rules), rules.entry_characters, columns)
    origin = list(columns.values())
    table = pa.table(
        {
            "entry": pa.array(columns, pa.string()),
            "source": pa.array([name for name, _ in origin], pa.string()),
            "rank": pa.array([rank for _, rank in origin], pa.int32()),
        },
        schema=METADATA,
    )
    return Merged(table, walks)


def _allow(name: str, source: Source, walks: Mapping[str, Walk], rules: Metadata) -> Allowance | None:
    if name == "unigram":
        return allow_unigrams(source.candidates, rules)
    if name == "bigram":
        return allow_bigrams(source.candidates, walks["unigram"].new + walks["unigram"].held, rules)
    return allow_titles(source.candidates, rules) if name == "title" else None


def _walk_down(
    name: str, source: Source, allowance: Allowance | None, longest: int, columns: dict[str, tuple[str, int]]
) -> Walk:
    """Add the new entries of a source to `columns`, which holds source and rank of the entries so far."""
    allowed = source.candidates if allowance is None else min(allowance.share, allowance.cap)
    # as many entries as the list has can be skipped, plus unusable and repeated ones
    top = min(source.candidates, allowed + len(columns))
    while True:
        ranked = source.best(top)
        new: dict[str, tuple[str, int]] = {}
        held = unusable = 0
        for rank, entry in enumerate(ranked):
            if len(new) == allowed:
                break
            if not is_usable(entry, longest):
                unusable += 1
            elif entry in columns or entry in new:
                held += 1
            else:
                new[entry] = (name, rank)
        if len(new) == allowed or len(ranked) < top or top == source.candidates:
            columns.update(new)
            return Walk(source.candidates, allowance, len(new), held, unusable)
        top = min(source.candidates, 2 * top)


def is_usable(entry: str, entry_characters: int) -> bool:
    """Whether an entry is short enough, not blank and not all punctuation.

    Args:
        entry: any text.
        entry_characters: the length of the longest usable entry.

    Examples:
        >>> [is_usable(entry, 256) for entry in ("cat", "...", " ", "a" * 257)]
        [True, False, False, False]
    """
    return len(entry) <= entry_characters and not all(
        is_punctuation(character) or character.isspace() for character in entry
    )
