"""Algorithm 1 word for word, slowly: an Aho-Corasick automaton over characters, and loops.

Written from the recipe alone; it shares no code with what it checks.
"""

from __future__ import annotations

import unicodedata

import ahocorasick

NO_BORDER = (
    "CJK UNIFIED",
    "CJK COMPATIBILITY IDEOGRAPH",
    "HIRAGANA",
    "KATAKANA",
    "HALFWIDTH KATAKANA",
    "IDEOGRAPHIC",
    "THAI ",
    "LAO ",
    "MYANMAR ",
    "KHMER ",
    "TIBETAN ",
)
ASCII_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def needs_no_border(character: str) -> bool:
    punctuation = character in ASCII_PUNCTUATION or unicodedata.category(character)[0] == "P"
    return punctuation or unicodedata.name(character, "").startswith(NO_BORDER)


def set_off(text: str) -> str:
    for blank in ("\t", "\n", "\r"):
        text = text.replace(blank, " ")
    for mark in (",", ".", ";", ":", "?", "!", "`"):
        text = text.replace(mark, f" {mark} ")
    return text


def find_entries(texts: list[str], entries: list[str], bordered: bool) -> list[list[int]]:
    """The distinct entries in each text, ascending."""
    needles: dict[str, list[int]] = {}
    for number, entry in enumerate(entries):
        needle = set_off(entry)
        if bordered and not needs_no_border(entry[0]):
            needle = " " + needle
        if bordered and not needs_no_border(entry[-1]):
            needle = needle + " "
        needles.setdefault(needle, []).append(number)
    automaton = ahocorasick.Automaton()
    for needle, numbers in needles.items():
        automaton.add_word(needle, numbers)
    if not needles:
        return [[] for _ in texts]
    automaton.make_automaton()
    return [
        sorted({number for _, numbers in automaton.iter(f" {set_off(text)} ") for number in numbers}) for text in texts
    ]


def keep_probabilities(matched: list[list[int]], languages: list[str], t_en: int, own_threshold: bool) -> list[float]:
    """Each pair's keep probability when languages are kept apart."""
    counts: dict[str, dict[int, int]] = {}
    for entries, language in zip(matched, languages, strict=True):
        for entry in entries:
            counts.setdefault(language, {}).setdefault(entry, 0)
            counts[language][entry] += 1
    english = list(counts.get("en", {}).values())
    p = sum(c for c in english if c < t_en) / sum(english) if english else 0.0
    t = dict.fromkeys(counts, t_en)
    if own_threshold:
        for language in counts:
            if language != "en":
                t[language] = nearest_count(list(counts[language].values()), p)
    result = []
    for entries, language in zip(matched, languages, strict=True):
        lost = 1.0
        for entry in entries:
            lost *= 1.0 - min(1.0, t[language] / counts[language][entry])
        result.append(1.0 - lost)
    return result


def nearest_count(counts: list[int], p: float) -> int:
    """The count at which the cumulative share of the sorted counts is nearest to p."""
    best, distance, so_far = 0, float("inf"), 0
    for count in sorted(counts):
        so_far += count
        if abs(so_far / sum(counts) - p) < distance:
            best, distance = count, abs(so_far / sum(counts) - p)
    return best
