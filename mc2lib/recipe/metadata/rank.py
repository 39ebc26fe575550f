"""Ranking each source's entries, and how many of them the recipe's shares and caps allow."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mc2lib.params import Metadata
from mc2lib.recipe.metadata.words import Clause, count_words, join_words, phrase_frequency

#: Frequency lists stand in for all numbers of a length by zeros ("0000"): those are no words.
NUMBER_CLASS = re.compile(r"\d\d")


def rank_unigrams(frequencies: Mapping[str, float]) -> list[str]:
    """Words by falling frequency; equals in the order given. Classes of numbers are left out.

    Examples:
        >>> rank_unigrams({"cat": 3e-5, "the": 5e-2, "0000": 1e-3, "dog": 3e-5})
        ['the', 'cat', 'dog']
    """
    words = [word for word in frequencies if not NUMBER_CLASS.search(word)]
    return sorted(words, key=lambda word: -frequencies[word])


def restore_case(words: Iterable[str], language: str) -> list[str]:
    """Each word, and next to it the word as it begins a sentence (or as German writes its nouns).

    Matching is case-sensitive and Wikipedia's words come as they are written; the packaged
    frequency lists are all lower case. Words of scripts without case stand once.

    Examples:
        >>> restore_case(["hund", "猫"], "de")
        ['hund', 'Hund', '猫']
    """
    return list(dict.fromkeys(form for word in words for form in (word, capitalise(word, language))))


def capitalise(word: str, language: str) -> str:
    """`word` with its first letter in upper case; Turkish and Azerbaijani dot theirs."""
    if language in ("tr", "az") and word.startswith("i"):
        return "İ" + word[1:]
    return word[:1].upper() + word[1:]


def rank_bigrams(clauses: Sequence[Clause], language: str) -> list[tuple[str, float]]:
    """Pairs of neighbouring words by falling pointwise mutual information.

    PMI is log2(c(xy) * N / (c(x) * c(y))), N the number of words. Equals stand by falling count,
    then in code point order, so that the order of the text does not matter.

    Args:
        clauses: running text, see `split_clauses`.
        language: metadata language; says whether a space joins the words.

    Returns:
        (bigram, PMI in bits).

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
    """Distinct names by the falling frequency of their rarest word; equals in the order given."""
    distinct = list(dict.fromkeys(names))
    return sorted(distinct, key=lambda name: -phrase_frequency(name, frequencies, language))


@dataclass(frozen=True)
class Allowance:
    """How many new entries of a source the recipe allows: the lesser of its share and its cap."""

    share: int
    cap: int


def allow_unigrams(candidates: int, rules: Metadata) -> Allowance:
    """`unigram_share` of the candidates, at most `unigram_cap`."""
    return Allowance(math.ceil(rules.unigram_share * candidates), rules.unigram_cap)


def allow_bigrams(candidates: int, unigrams: int, rules: Metadata) -> Allowance:
    """As many bigrams as `bigram_rule` says, at most `bigram_cap`.

    Args:
        candidates: bigrams offered.
        unigrams: how many unigrams were kept.
        rules: `share` allows `bigram_share` as many as unigrams, `pmi` any number (see `admit_bigrams`).
    """
    by_share = rules.bigram_rule == "share"
    return Allowance(math.ceil(rules.bigram_share * unigrams) if by_share else candidates, rules.bigram_cap)


def allow_titles(candidates: int, rules: Metadata) -> Allowance:
    """`title_share` of the candidates, at most `title_cap`."""
    return Allowance(math.ceil(rules.title_share * candidates), rules.title_cap)


def admit_bigrams(ranked: Iterable[tuple[str, float]], rules: Metadata) -> list[str]:
    """The bigrams of `ranked` (bigram, PMI) that `bigram_rule` admits: by `pmi` those above `bigram_pmi`, or all."""
    return [bigram for bigram, pmi in ranked if rules.bigram_rule == "share" or pmi > rules.bigram_pmi]
