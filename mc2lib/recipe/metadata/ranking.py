"""Ranking the entries of each source, and how many of them the shares and caps of the recipe allow."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mc2lib.params import Metadata
from mc2lib.recipe.metadata.words import Clause, count_words, join_words, phrase_frequency

#: Frequency lists represent all numbers of a length by zeros ("0000"); those are not words.
NUMBER_CLASS = re.compile(r"\d\d")


def rank_unigrams(frequencies: Mapping[str, float]) -> list[str]:
    """Rank words by falling frequency, equals in the order given; classes of numbers are left out.

    Examples:
        >>> rank_unigrams({"cat": 3e-5, "the": 5e-2, "0000": 1e-3, "dog": 3e-5})
        ['the', 'cat', 'dog']
    """
    words = [word for word in frequencies if not NUMBER_CLASS.search(word)]
    return sorted(words, key=lambda word: -frequencies[word])


def restore_case(words: Iterable[str], language: str) -> list[str]:
    """Give each word, followed by the word as it begins a sentence (or as German writes its nouns).

    Matching is case-sensitive and Wikipedia's words come as they are written, but the packaged frequency lists are all
    lower case. Words of scripts without case are given once.

    Args:
        words: in lower case, best first.
        language: metadata language.

    Examples:
        >>> restore_case(["hund", "猫"], "de")
        ['hund', 'Hund', '猫']
    """
    return list(dict.fromkeys(form for word in words for form in (word, capitalise(word, language))))


def capitalise(word: str, language: str) -> str:
    """Put the first letter of a word in upper case; Turkish and Azerbaijani keep the dot on theirs.

    Args:
        word: not empty.
        language: metadata language.
    """
    if language in ("tr", "az") and word.startswith("i"):
        return "İ" + word[1:]
    return word[:1].upper() + word[1:]


def rank_bigrams(clauses: Sequence[Clause], language: str) -> list[tuple[str, float]]:
    """Rank pairs of neighbouring words by falling pointwise mutual information.

    PMI is log2(c(xy) * N / (c(x) * c(y))), where N is the number of words. Equals are ranked by falling count,
    then in code point order, so the order of the text does not matter.

    Args:
        clauses: running text, see `split_clauses`.
        language: metadata language; decides whether a space joins the words.

    Returns:
        (bigram, PMI in bits), best first.

    Source: MetaCLIP 2, §3.1.

    Examples:
        >>> rank_bigrams([("the", "cat"), ("the", "dog"), ("Sri", "Lanka"), ("New", "York")], "en")
        [('New York', 3.0), ('Sri Lanka', 3.0), ('the cat', 2.0), ('the dog', 2.0)]
    """
    words = count_words(clauses)
    total = words.total()
    pairs = Counter(pair for clause in clauses for pair in pairwise(clause))
    scored = [
        (-math.log2(count * total / (words[first] * words[second])), -count, join_words((first, second), language))
        for (first, second), count in pairs.items()
    ]
    return [(bigram, -score) for score, _, bigram in sorted(scored)]


def rank_titles(names: Iterable[str], frequencies: Mapping[str, float], language: str) -> list[str]:
    """Rank distinct names by the falling frequency of their rarest word, equals in the order given.

    Args:
        names: titles.
        frequencies: see `mc2lib.recipe.metadata.words.phrase_frequency`.
        language: metadata language.
    """
    distinct = list(dict.fromkeys(names))
    return sorted(distinct, key=lambda name: -phrase_frequency(name, frequencies, language))


@dataclass(frozen=True)
class Allowance:
    """How many new entries of a source the recipe allows: the lesser of its share and its cap."""

    share: int
    cap: int


def allow_unigrams(candidates: int, rules: Metadata) -> Allowance:
    """Allow `unigram_share` of the candidates, at most `unigram_cap`.

    Args:
        candidates: how many unigrams are offered.
        rules: share and cap.
    """
    return Allowance(math.ceil(rules.unigram_share * candidates), rules.unigram_cap)


def allow_bigrams(candidates: int, unigrams: int, rules: Metadata) -> Allowance:
    """Allow as many bigrams as `bigram_rule` says, at most `bigram_cap`.

    Args:
        candidates: how many bigrams are offered.
        unigrams: how many unigrams were kept.
        rules: the rule `share` allows `bigram_share` times the unigrams, `pmi` any number (see `admit_bigrams`).
    """
    by_share = rules.bigram_rule == "share"
    return Allowance(math.ceil(rules.bigram_share * unigrams) if by_share else candidates, rules.bigram_cap)


def allow_titles(candidates: int, rules: Metadata) -> Allowance:
    """Allow `title_share` of the candidates, at most `title_cap`.

    Args:
        candidates: how many titles are offered.
        rules: share and cap.
    """
    return Allowance(math.ceil(rules.title_share * candidates), rules.title_cap)


def admit_bigrams(ranked: Iterable[tuple[str, float]], rules: Metadata) -> list[str]:
    """The bigrams that `bigram_rule` admits: by `pmi` those above `bigram_pmi`, otherwise all.

    Args:
        ranked: (bigram, PMI in bits), best first.
        rules: the rule and its threshold.
    """
    return [bigram for bigram, pmi in ranked if rules.bigram_rule == "share" or pmi > rules.bigram_pmi]
