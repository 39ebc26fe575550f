"""Building the metadata lists from the packaged sources.

What stands in for Wikipedia, and what that changes:

- Unigrams are `wordfreq`'s, which counted Wikipedia among other texts; it keeps the commonest
  15,000 to 700,000 words of a language in lower case. The recipe's share is taken of that, and
  capitals are restored (`restore_case`).
- Where `wordfreq` lacks a language, words are counted in its UDHR text. Those few hundred are
  among the commonest of the language and would all stand in the top tenth of its Wikipedia, so
  all of them are kept: a tenth of them would be useless.
- Bigrams come from the UDHR text, a few hundred a language.
- Titles are CLDR's names of emoji, territories and languages; the frequency of a name's rarest
  word stands in for page views.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import wordfreq

from mc2lib.engine.machine import processes
from mc2lib.engine.tasks import process_pool
from mc2lib.errors import InputError
from mc2lib.io.files import read_json, read_table, write_table
from mc2lib.io.label_coverage import find_unreached
from mc2lib.io.udhr import read_udhr
from mc2lib.languages import (
    MERGED,
    OTHER,
    UDHR_CHOSEN,
    UDHR_ONLY,
    WIKIPEDIAS,
    cldr_locale,
    script,
    udhr_code,
    wordfreq_code,
)
from mc2lib.params import Metadata, Params
from mc2lib.recipe.metadata.card import count_cuts, count_letters
from mc2lib.recipe.metadata.count import Counts, count_texts
from mc2lib.recipe.metadata.merge import SOURCES, Merged, Source, Walk, merge_sources
from mc2lib.recipe.metadata.other import unite_lists
from mc2lib.recipe.metadata.pmi import pair_source, rank_words
from mc2lib.recipe.metadata.rank import rank_titles, rank_unigrams, restore_case
from mc2lib.recipe.metadata.segment import joiner, make_segmenter
from mc2lib.recipe.metadata.wordnet import parse_lemmas
from mc2lib.schemas import METADATA
from mc2lib.study.paths import Paths

#: Codes of the UDHR texts by language.
UDHR = UDHR_ONLY | UDHR_CHOSEN

#: Entries of English by source in the paper's list (MetaCLIP 1's), which are its caps. Source: MetaCLIP 2, §3.1.
PAPER_ENGLISH = {"wordnet": 86_654, "unigram": 251_465, "bigram": 100_646, "title": 61_235}

#: Columns of a card, see `make_card`.
CARD = (
    "language", "source", "origin", "candidates", "below_share", "beyond_cap", "cut_by_cap", "elsewhere", "entries",
    "letters", "letters_in_script",
)  # fmt: skip

#: What stands for the script of `other`.
SEVERAL = "several"

#: Languages with a packaged WordNet. The Open Multilingual Wordnet's others are in no package of ours.
WORDNET_LANGUAGES = ("en",)


def metadata_languages(root: Path, params: Params) -> tuple[str, ...]:
    """The languages to build lists for: the study's, then, if `metadata.languages` is `packaged`, all others that
    the sources cover, which takes CLDR's names and a UDHR text or a word list. `other` is made of these lists.
    """
    if params.metadata.languages == "study":
        return params.languages
    sources = Paths(root).sources
    counted = frozenset(wordfreq.available_languages("best"))
    covered = {
        language
        for language in WIKIPEDIAS
        if language not in MERGED
        and all((sources / kind / f"{cldr_locale(language)}.json").exists() for kind in ("annotations", "localenames"))
        and (has_udhr(sources, language) or wordfreq_code(language) in counted)
    }
    return (*params.languages, *sorted(covered - set(params.languages)))


def has_udhr(sources: Path, language: str) -> bool:
    """Whether there is a UDHR text in `language` among the sources."""
    return language in UDHR and (sources / "udhr" / f"{UDHR[language]}.html").exists()


def build_metadata(root: Path, params: Params) -> pd.DataFrame:
    """Write every language's list to data/metadata/<language>.parquet (METADATA).

    Args:
        root: the study's folder; data/sources must be there.
        params: languages, shares and caps.

    Returns:
        a row a (language, source), see `make_card`; the last language is `other`, whose list unites those that no label
        of lid.176 reaches, see `write_other`.

    Raises:
        InputError: a source lacks a language of the study or is broken.
    """
    languages = metadata_languages(root, params)
    with process_pool(min(processes(params), len(languages)), __name__) as workers:
        cards = list(workers.map(_build_language, repeat(root), repeat(params.metadata), languages))
    lists = {language: Paths(root).metadata(language) for language in find_unreached(languages)}
    cards.append(write_other(lists, Paths(root).metadata(OTHER)))
    return pd.concat(cards, ignore_index=True)


def write_other(lists: Mapping[str, Path], target: Path) -> pd.DataFrame:
    """Write the list of `other`: the union of some lists, in the order of their languages' codes.

    Args:
        lists: by metadata language, see `mc2lib.io.label_coverage.find_unreached`.
        target: where the list goes (METADATA).

    Returns:
        its rows of the card, see `make_card`: `elsewhere` are entries that the list of an earlier language has, and the
        letters of a language's entries are held against that language's script.
    """
    united = unite_lists({language: read_table(path, METADATA) for language, path in lists.items()})
    write_table(united.table, target, METADATA)
    sources = united.table["source"].to_numpy(zero_copy_only=False)
    rows = []
    for source in SOURCES:
        letters = np.zeros(2, np.int64)
        for place, language in enumerate(united.languages):
            entries = united.table["entry"].filter(pa.array((sources == source) & (united.origin == place)))
            letters += count_letters(entries.to_pylist(), language)
        size, candidates = int((sources == source).sum()), united.candidates.get(source, 0)
        origin = f"lists of {len(lists)} languages" if candidates else ""
        walk = Walk(candidates, None, size, candidates - size, 0)
        rows.append(_card_row(OTHER, source, origin, walk, (int(letters[0]), int(letters[1]))))
    return pd.DataFrame(rows, columns=list(CARD))


def load_metadata(root: Path, language: str) -> pa.Table:
    """One language's list (METADATA); InputError if it has not been built."""
    return read_table(Paths(root).metadata(language), METADATA)


def describe_metadata(root: Path, languages: Sequence[str], rows: int = 3) -> pd.DataFrame:
    """The first entries of each source, a row a language, a column a source: to look at."""
    tables = {language: load_metadata(root, language).to_pandas() for language in languages}
    return pd.DataFrame(
        {
            language: {
                source: " · ".join(table.loc[table["source"] == source, "entry"].head(rows)) for source in SOURCES
            }
            for language, table in tables.items()
        }
    ).T.rename_axis("language")


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


def _build_language(root: Path, rules: Metadata, language: str) -> pd.DataFrame:
    sources = Paths(root).sources
    text = read_udhr(sources / "udhr" / f"{udhr_code(language)}.html") if language in UDHR else []
    counted = count_texts(pa.array(text, pa.string()), make_segmenter(language))
    frequencies, listed = load_frequencies(language, counted)
    unigrams = rank_unigrams(frequencies)
    titles = rank_titles(read_names(sources, language), frequencies, language)
    if listed:
        unigrams = restore_case(unigrams, language)
    else:
        rules = dataclasses.replace(rules, unigram_share=1.0)
    lemmas = read_wordnet(sources) if language in WORDNET_LANGUAGES else []
    merged = merge_sources(
        {
            "wordnet": Source.listed(lemmas),
            "unigram": Source.listed(unigrams),
            "bigram": pair_source(counted, joiner(language), rules),
            "title": Source.listed(titles),
        },
        rules,
    )
    write_table(merged.table, Paths(root).metadata(language), METADATA)
    origins = {
        "wordnet": "WordNet 3.1" if lemmas else "",
        "unigram": "wordfreq" if listed else "UDHR",
        "bigram": "UDHR" if text else "",
        "title": "CLDR",
    }
    return make_card(merged, language, origins)


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


def load_frequencies(language: str, counted: Counts) -> tuple[Mapping[str, float], bool]:
    """Word frequencies of `wordfreq`, or counts of a text, best first, where it lacks the language; and which."""
    code = wordfreq_code(language)
    if code in wordfreq.available_languages("best"):
        return wordfreq.get_frequency_dict(code, "best"), True
    return dict(zip(rank_words(counted), np.sort(counted.word_counts)[::-1].tolist(), strict=True)), False


def read_names(sources: Path, language: str) -> list[str]:
    """CLDR's short names of emoji, then of territories, then of languages."""
    locale = cldr_locale(language)
    annotations = read_json(sources / "annotations" / f"{locale}.json")
    names = read_json(sources / "localenames" / f"{locale}.json")
    emoji = [name for annotation in annotations.values() for name in annotation.get("tts", ())]
    # a name that is only its own code ("XK") was never written by a speaker
    others = [name for part in ("territories", "languages") for code, name in names[part].items() if name != code]
    return [" ".join(name.split()) for name in emoji + others]


def read_wordnet(sources: Path) -> list[str]:
    """All lemmas of the packaged English WordNet: nouns, verbs, adjectives, adverbs."""
    lemmas: dict[str, None] = {}
    for part in ("noun", "verb", "adj", "adv"):
        path = sources / "wordnet" / f"data.{part}"
        if not path.exists():
            raise InputError(str(path), "no such file", "Run `dvc repro` to fetch the sources.")
        with path.open(encoding="utf-8") as lines:
            lemmas.update(dict.fromkeys(parse_lemmas(lines, str(path))))
    return list(lemmas)
