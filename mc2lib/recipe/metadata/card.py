"""The metadata card: what shares and caps cut of each source, scripts, and which labels of language id find a list."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import pandas as pd

from mc2lib.languages import OTHER, metadata_language, script
from mc2lib.recipe.metadata.merge import SOURCES, Walk

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
        card: see `mc2lib.study.metadata_stage.make_card`; rows of `other`, which repeat those of others, are left out.

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
