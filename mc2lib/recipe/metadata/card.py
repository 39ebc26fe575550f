"""The metadata card: what shares and caps cut of each source, scripts, and which labels of language id find a list."""

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

#: First words of Unicode's names of the letters of a script, where they are not the script's name.
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
    """How many candidates of a source were not reached because of its share, and how many more because of its cap.

    Args:
        walk: how far down the source its list goes.

    Returns:
        (below the share, beyond the cap); with the entries that are new, held already or unusable they add up to the
        candidates. Where the cap was reached, as many count as beyond it as the share would have allowed more.

    Source: MetaCLIP 2, §3.1.
    """
    left = walk.candidates - walk.new - walk.held - walk.unusable
    if walk.allowance is None or walk.new < walk.allowance.cap:
        return left, 0
    beyond = min(left, max(0, walk.allowance.share - walk.allowance.cap))
    return left - beyond, beyond


def count_letters(entries: Iterable[str], language: str) -> tuple[int, int]:
    """The letters of some entries, and those that are of the script their language is mainly written in.

    Args:
        entries: of one language's list.
        language: metadata language.

    Returns:
        (letters, letters of the script). Marks are no letters: those of Indic vowels do not count.
    """
    points, counts = np.unique(np.frombuffer("".join(entries).encode("utf-32-le"), np.uint32), return_counts=True)
    names = _LETTERS.get(script(language), (script(language).upper(),))
    letters = np.array([_letter(point) != "" for point in points.tolist()], bool)
    own = np.array([_letter(point) in names for point in points.tolist()], bool)
    return int(counts[letters].sum()), int(counts[own].sum())


@cache
def _letter(point: int) -> str:
    """The first word of a letter's name, which is its script; empty if the character is no letter of any."""
    character = chr(point)
    if not unicodedata.category(character).startswith("L") or unicodedata.category(character) == "Lm":
        return ""
    words = unicodedata.name(character, "").split()
    return "" if not words else words[1] if words[0] in ("FULLWIDTH", "HALFWIDTH") else words[0]


def summarise_cuts(card: pd.DataFrame) -> pd.DataFrame:
    """What became of the candidates of each source, over all languages.

    Args:
        card: see `mc2lib.recipe.metadata.card.make_card`; rows of `other`, which repeat those of others, are left out.

    Returns:
        index source; `languages` that have it, and how many of their lists the cap cut (`capped`); `candidates`, which
        are the sum of those below the share, beyond the cap, `elsewhere` (of an earlier source, too long or
        nothing but punctuation) and of the `entries`.
    """
    present = card[(card["candidates"] > 0) & (card["language"] != OTHER)].groupby("source")
    columns = ["candidates", "below_share", "beyond_cap", "elsewhere", "entries"]
    counts = present.agg(languages=("language", "size"), capped=("cut_by_cap", "sum")).join(present[columns].sum())
    return counts.loc[[source for source in SOURCES if source in counts.index]]


def cover_labels(labels: Sequence[str], languages: Sequence[str]) -> pd.DataFrame:
    """Which labels of a language-id model find a list, and which lists no label finds.

    Args:
        labels: as the model spells them (`__label__en`, `__label__eng_Latn`).
        languages: metadata languages that have a list.

    Returns:
        a row a metadata language that has a list or a label, `other` last: `list`, whether it has one, and
        `labels`, those that mean it, without `__label__`. Texts of a language with labels and no list are `other`;
        a list without labels is part of the list of `other`, and is used by itself only for texts that a pool
        declares to be of its language.

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
    """The coverage of labels in four rows: with list and label, list only, label only, and no metadata language.

    Args:
        coverage: see `cover_labels`.

    Returns:
        `languages` and `labels`, how many, and `which` languages; of `other`, which labels.
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


#: What stands for the script of `other`.
SEVERAL = "several"


def summarise_card(card: pd.DataFrame) -> pd.DataFrame:
    """The card of `build_metadata` with a row a language.

    Returns:
        index language; entries of each source and `total`; `cut_by_cap`, the sources that a cap cut and how many
        entries it cost; `missing`, those that had nothing; `script` the language is mainly written in
        (`other`: several), and `in_script`, the share of its entries' letters that are of it.
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
    """English entries of each source beside the paper's list, which is what the caps are."""
    english = card[card["language"] == "en"].set_index("source")
    return pd.DataFrame(
        {
            "here": english.loc[list(PAPER_ENGLISH), "entries"],
            "paper": pd.Series(PAPER_ENGLISH),
            "origin here": english.loc[list(PAPER_ENGLISH), "origin"],
        }
    )


def make_card(merged: Merged, language: str, origins: Mapping[str, str]) -> pd.DataFrame:
    """What became of one language's sources.

    Args:
        merged: its list, and how far down each source it goes.
        language: metadata language.
        origins: by source, where its entries are from; empty if nowhere.

    Returns:
        a row a source of `SOURCES`: language, source, origin and candidates, which are the sum of those `below_share`
        and `beyond_cap` (`cut_by_cap`: whether there are such), not reached; of those passed by because they stand
        `elsewhere`, in an earlier source, or are too long or nothing but punctuation; and of the `entries` of the
        list. Then the `letters` of these, and those of them that are of the language's main script.
    """
    rows = []
    for source, walk in merged.walks.items():
        entries = merged.table.filter(pc.equal(merged.table["source"], source))["entry"].to_pylist()
        origin = "0..99" if source == "number" else origins.get(source, "")
        rows.append(_card_row(language, source, origin, walk, count_letters(entries, language)))
    return pd.DataFrame(rows, columns=list(CARD))


def _card_row(language: str, source: str, origin: str, walk: Walk, letters: tuple[int, int]) -> dict[str, Any]:
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
