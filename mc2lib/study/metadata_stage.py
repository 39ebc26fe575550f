"""Building the metadata lists from the packaged sources.

What replaces Wikipedia, and what that changes:

- Unigrams are those of `wordfreq`, which counted Wikipedia among other texts; it keeps the
  15,000 to 700,000 most common words of a language in lower case. The recipe's share is taken
  of these, and capitals are restored (`restore_case`).
- For languages that `wordfreq` lacks, words are counted in the UDHR text. Those few hundred are
  among the most common of the language and would all be in the top tenth of its Wikipedia, so
  all of them are kept: a tenth of them would be useless.
- Bigrams come from the UDHR text, a few hundred per language.
- Titles are CLDR's names of emoji, territories and languages; the frequency of a name's rarest
  word replaces page views.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import wordfreq

from mc2lib.engine.shard_runs import map_tasks
from mc2lib.errors import InputError
from mc2lib.io.files import read_json, read_table, write_table
from mc2lib.io.metadata.label_coverage import find_unreached
from mc2lib.io.metadata.metadata_lists import write_other
from mc2lib.io.study_paths import Paths
from mc2lib.io.udhr import read_udhr
from mc2lib.languages import (
    MERGED,
    OTHER,
    UDHR_CHOSEN,
    UDHR_ONLY,
    WIKIPEDIAS,
    cldr_locale,
    udhr_code,
    wordfreq_code,
)
from mc2lib.params import Metadata, Params
from mc2lib.recipe.metadata.card import make_card
from mc2lib.recipe.metadata.counting.count_table import count_texts
from mc2lib.recipe.metadata.counting.counts import Counts
from mc2lib.recipe.metadata.merge import SOURCES, Source, merge_sources
from mc2lib.recipe.metadata.pmi import pair_source, rank_words
from mc2lib.recipe.metadata.ranking import rank_titles, rank_unigrams, restore_case
from mc2lib.recipe.metadata.segment import joiner, make_segmenter
from mc2lib.recipe.metadata.wordnet import parse_lemmas
from mc2lib.schemas import METADATA

#: Codes of the UDHR texts by language.
UDHR = UDHR_ONLY | UDHR_CHOSEN


#: Languages with a packaged WordNet. No package that we lock has the others of the Open Multilingual Wordnet.
WORDNET_LANGUAGES = ("en",)


def metadata_languages(root: Path, params: Params) -> tuple[str, ...]:
    """The languages to build lists for.

    Args:
        root: the study's folder; data/sources must be there.
        params: `languages`, and `metadata.languages`.

    Returns:
        The study's languages; then, if `metadata.languages` is `packaged`, all others that have CLDR names and either
        a UDHR text or a word list. `other` is made from these lists.
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
    """Whether the sources include a UDHR text in a language.

    Args:
        sources: the folder data/sources.
        language: metadata language.
    """
    return language in UDHR and (sources / "udhr" / f"{UDHR[language]}.html").exists()


def build_metadata(root: Path, params: Params) -> pd.DataFrame:
    """Write the list of every language to data/metadata/<language>.parquet (METADATA).

    Args:
        root: the study's folder; data/sources must be there.
        params: languages, shares and caps.

    Returns:
        One row per language and source, see `make_card`; the last language is `other`, whose list unites those that no
        label of lid.176 reaches, see `write_other`.

    Raises:
        InputError: a source lacks a language of the study or is broken.
    """
    languages = metadata_languages(root, params)
    cards = map_tasks(partial(_build_language, root, params.metadata), languages, params.machine)
    lists = {language: Paths(root).metadata(language) for language in find_unreached(languages)}
    cards.append(write_other(lists, Paths(root).metadata(OTHER)))
    return pd.concat(cards, ignore_index=True)


def load_metadata(root: Path, language: str) -> pa.Table:
    """Read the list of one language (METADATA).

    Args:
        root: the study's folder.
        language: metadata language.

    Raises:
        InputError: it has not been built.
    """
    return read_table(Paths(root).metadata(language), METADATA)


def describe_metadata(root: Path, languages: Sequence[str], rows: int = 3) -> pd.DataFrame:
    """Show the first entries of each source.

    Args:
        root: the study's folder.
        languages: metadata languages.
        rows: how many entries of each source.

    Returns:
        One row per language, one column per source.
    """
    tables = {language: load_metadata(root, language).to_pandas() for language in languages}
    return pd.DataFrame(
        {
            language: {
                source: " · ".join(table.loc[table["source"] == source, "entry"].head(rows)) for source in SOURCES
            }
            for language, table in tables.items()
        }
    ).T.rename_axis("language")


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


def load_frequencies(language: str, counted: Counts) -> tuple[Mapping[str, float], bool]:
    """Load the word frequencies of a language.

    Args:
        language: metadata language.
        counted: counts of its UDHR text.

    Returns:
        The frequencies of `wordfreq` and True; or, if `wordfreq` lacks the language, the counts, largest first, and
        False.
    """
    code = wordfreq_code(language)
    if code in wordfreq.available_languages("best"):
        return wordfreq.get_frequency_dict(code, "best"), True
    return dict(zip(rank_words(counted), np.sort(counted.word_counts)[::-1].tolist(), strict=True)), False


def read_names(sources: Path, language: str) -> list[str]:
    """Read CLDR's short names of emoji, then of territories, then of languages.

    Args:
        sources: the folder data/sources.
        language: metadata language.
    """
    locale = cldr_locale(language)
    annotations = read_json(sources / "annotations" / f"{locale}.json")
    names = read_json(sources / "localenames" / f"{locale}.json")
    emoji = [name for annotation in annotations.values() for name in annotation.get("tts", ())]
    # a name that equals its code ("XK") was never written by a speaker
    others = [name for part in ("territories", "languages") for code, name in names[part].items() if name != code]
    return [" ".join(name.split()) for name in emoji + others]


def read_wordnet(sources: Path) -> list[str]:
    """Read all lemmas of the packaged English WordNet: nouns, verbs, adjectives, adverbs."""
    lemmas: dict[str, None] = {}
    for part in ("noun", "verb", "adj", "adv"):
        path = sources / "wordnet" / f"data.{part}"
        if not path.exists():
            raise InputError(str(path), "no such file", "Run `dvc repro` to fetch the sources.")
        with path.open(encoding="utf-8") as lines:
            lemmas.update(dict.fromkeys(parse_lemmas(lines, str(path))))
    return list(lemmas)
