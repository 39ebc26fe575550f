"""The metadata card: what shares and caps cut off each source, scripts, and which language-id labels find a list."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from mc2lib.languages import (
    OTHER,
    metadata_language,
    script,
)
from mc2lib.recipe.metadata.merge import SOURCES, Merged, Walk

#: First words of Unicode's names for the letters of a script, where they are not the name of the script.
_LETTERS = {
    "Canadian Syllabics": ("CANADIAN",),
    "Han": ("CJK",),
    "Japanese": ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"),
    "Korean": ("HANGUL",),
    "Meetei Mayek": ("MEETEI",),
    "N'Ko": ("NKO",),
    "Odia": ("ORIYA",),
    "Ol Chiki": ("OL",),
}


def count_cuts(walk: Walk) -> tuple[int, int]:
    """Count the candidates of a source that its share cut off, and those that its cap cut off in addition.

    Args:
        walk: how far down the source the list goes.

    Returns:
        (below the share, beyond the cap). Together with the entries that are new, held already or unusable they add up
        to the candidates. If the cap was reached, those that the share alone would have allowed are beyond the cap.

    Source: MetaCLIP 2, §3.1.
    """
    left = walk.candidates - walk.new - walk.held - walk.unusable
    if walk.allowance is None or walk.new < walk.allowance.cap:
        return left, 0
    beyond = min(left, max(0, walk.allowance.share - walk.allowance.cap))
    return left - beyond, beyond


def count_letters(entries: Iterable[str], language: str) -> tuple[int, int]:
    """Count the letters of some entries, and those of the script that their language is mainly written in.

    Args:
        entries: of one language's list.
        language: metadata language.

    Returns:
        (letters, letters of the script). Marks are not letters, so signs of Indic vowels do not count.
    """
    points, counts = np.unique(np.frombuffer("".join(entries).encode("utf-32-le"), np.uint32), return_counts=True)
    names = _LETTERS.get(script(language), (script(language).upper(),))
    letters = np.array([_letter(point) != "" for point in points.tolist()], bool)
    own = np.array([_letter(point) in names for point in points.tolist()], bool)
    return int(counts[letters].sum()), int(counts[own].sum())


@cache
def _letter(point: int) -> str:
    """The first word of a letter's name, which is its script; empty if the character is not a letter of a script."""
    character = chr(point)
    if not unicodedata.category(character).startswith("L") or unicodedata.category(character) == "Lm":
        return ""
    words = unicodedata.name(character, "").split()
    return "" if not words else words[1] if words[0] in ("FULLWIDTH", "HALFWIDTH") else words[0]


def summarise_cuts(card: pd.DataFrame) -> pd.DataFrame:
    """Summarise what became of the candidates of each source, over all languages.

    Args:
        card: see `make_card`; rows of `other`, which repeat those of other languages, are left out.

    Returns:
        One row per source: how many `languages` have it, and how many of their lists the cap cut (`capped`);
        `candidates`, which are the sum of those below the share, beyond the cap, `elsewhere` (in an earlier source, too
        long or all punctuation), and the `entries`.
    """
    present = card[(card["candidates"] > 0) & (card["language"] != OTHER)].groupby("source")
    columns = ["candidates", "below_share", "beyond_cap", "elsewhere", "entries"]
    counts = present.agg(languages=("language", "size"), capped=("cut_by_cap", "sum")).join(present[columns].sum())
    return counts.loc[[source for source in SOURCES if source in counts.index]]


def cover_labels(labels: Sequence[str], languages: Sequence[str]) -> pd.DataFrame:
    """Find out which labels of a language-identification model have a list, and which lists have no label.

    Args:
        labels: as the model spells them (`__label__en`, `__label__eng_Latn`).
        languages: metadata languages that have a list.

    Returns:
        One row per metadata language that has a list or a label, `other` last: `list`, whether it has one, and
        `labels`, those that map to it, without `__label__`. Texts of a language with labels but no list are `other`; a
        list without labels is part of the list of `other`, and is used on its own only for texts that a pool declares
        to be in its language.

    Source: MetaCLIP 2, §3.2.
    """
    found: dict[str, list[str]] = {language: [] for language in languages if language != OTHER}
    lists = list(found)
    if OTHER in languages:
        found[OTHER] = []
    for label in labels:
        found.setdefault(metadata_language(label), []).append(label.removeprefix("__label__"))
    names = [*lists, *sorted(found.keys() - set(lists) - {OTHER}), *([OTHER] if OTHER in found else [])]
    rows = {name: {"list": name in languages, "labels": " ".join(sorted(found[name]))} for name in names}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["list", "labels"]).rename_axis("language")


def summarise_coverage(coverage: pd.DataFrame) -> pd.DataFrame:
    """Summarise the coverage of labels in four rows: list and label, list only, label only, no metadata language.

    Args:
        coverage: see `cover_labels`.

    Returns:
        How many `languages` and `labels`, and `which` languages; in the last row, which labels.
    """
    has_label, is_other = coverage["labels"] != "", coverage.index == OTHER
    parts = {
        "list and label": coverage[coverage["list"] & has_label & ~is_other],
        "list that no label finds": coverage[coverage["list"] & ~has_label & ~is_other],
        "label without a list": coverage[~coverage["list"] & ~is_other],
        "label of no metadata language": coverage[is_other],
    }
    return pd.DataFrame(
        {
            name: {
                "languages": 0 if name == "label of no metadata language" else len(rows),
                "labels": int(rows["labels"].str.split().str.len().sum()),
                "which": " ".join(rows["labels"] if name == "label of no metadata language" else rows.index),
            }
            for name, rows in parts.items()
        }
    ).T


#: Entries of English by source in the paper's list (MetaCLIP 1's), which are its caps. Source: MetaCLIP 2, §3.1.
PAPER_ENGLISH = {"wordnet": 86_654, "unigram": 251_465, "bigram": 100_646, "title": 61_235}


#: Columns of a card, see `make_card`.
CARD = (
    "language", "source", "origin", "candidates", "below_share", "beyond_cap", "cut_by_cap", "elsewhere", "entries",
    "letters", "letters_in_script",
)  # fmt: skip


#: Given as the script of `other`.
SEVERAL = "several"


def summarise_card(card: pd.DataFrame) -> pd.DataFrame:
    """Summarise the card with one row per language.

    Args:
        card: see `make_card`.

    Returns:
        By language: entries of each source and `total`; `cut_by_cap`, the sources that a cap cut and how many entries
        that cost; `missing`, the sources that had nothing; `script`, that the language is mainly written in (`other`:
        several); and `in_script`, the share of the letters of its entries that are of it.
    """
    card = card.assign(cut=card["source"] + card["beyond_cap"].map(" −{:,}".format))
    table = card.pivot(index="language", columns="source", values="entries").loc[card["language"].unique()]
    table = table[list(SOURCES)].rename_axis(columns=None)
    grouped = card.groupby("language", sort=False)
    return table.assign(
        total=table.sum(axis=1),
        cut_by_cap=grouped.apply(lambda rows: ", ".join(rows.loc[rows["cut_by_cap"], "cut"]), include_groups=False),
        missing=grouped.apply(
            lambda rows: ", ".join(rows.loc[rows["candidates"] == 0, "source"]), include_groups=False
        ),
        script=[SEVERAL if language == OTHER else script(language) for language in table.index],
        in_script=(grouped["letters_in_script"].sum() / grouped["letters"].sum()).round(3),
    )


def compare_english(card: pd.DataFrame) -> pd.DataFrame:
    """Compare the English entries of each source with the paper's list, whose sizes are the caps."""
    english = card[card["language"] == "en"].set_index("source")
    return pd.DataFrame(
        {
            "here": english.loc[list(PAPER_ENGLISH), "entries"],
            "paper": pd.Series(PAPER_ENGLISH),
            "origin here": english.loc[list(PAPER_ENGLISH), "origin"],
        }
    )


def make_card(merged: Merged, language: str, origins: Mapping[str, str]) -> pd.DataFrame:
    """Make the card of one language: what became of its sources.

    Args:
        merged: its list, and how far down each source the list goes.
        language: metadata language.
        origins: by source, where its entries are from; empty if it has none.

    Returns:
        One row per source of `SOURCES`: language, source, origin and `candidates`. These are the sum of those that were
        not reached, `below_share` and `beyond_cap` (`cut_by_cap`: whether there are any); of those `elsewhere`, which
        were skipped because an earlier source has them, or they are too long or all punctuation; and of the `entries`
        of the list. Then the `letters` of the entries, and how many of these are of the language's main script.
    """
    rows = []
    for source, walk in merged.walks.items():
        entries = merged.table.filter(pc.equal(merged.table["source"], source))["entry"].to_pylist()
        origin = "0..99" if source == "number" else origins.get(source, "")
        rows.append(card_row(language, source, origin, walk, count_letters(entries, language)))
    return pd.DataFrame(rows, columns=list(CARD))


def card_row(language: str, source: str, origin: str, walk: Walk, letters: tuple[int, int]) -> dict[str, Any]:
    """Make one row of a card.

    Args:
        language: metadata language.
        source: one of `SOURCES`.
        origin: where its entries are from; empty if it has none.
        walk: how far down the source the list goes.
        letters: of its entries, see `count_letters`.
    """
    below, beyond = count_cuts(walk)
    return {
        "language": language,
        "source": source,
        "origin": origin,
        "candidates": walk.candidates,
        "below_share": below,
        "beyond_cap": beyond,
        "cut_by_cap": beyond > 0,
        "elsewhere": walk.held + walk.unusable,
        "entries": walk.new,
        "letters": letters[0],
        "letters_in_script": letters[1],
    }
