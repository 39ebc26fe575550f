"""Algorithm 1 word for word, slowly: an Aho-Corasick automaton over characters, and loops.

Written from the recipe alone; it shares no code, and no argument but `kana`, with what it checks. It knows no
languages: whether an end of an entry needs a border is said by that end's character alone.
"""

from __future__ import annotations

import unicodedata

import ahocorasick

#: How Unicode's names of the characters begin that are written without spaces between words.
UNSPACED = (
    "CJK ",
    "KANGXI RADICAL",
    "IDEOGRAPHIC ",
    "HANGZHOU NUMERAL",
    "BOPOMOFO ",
    "THAI ",
    "LAO ",
    "MYANMAR ",
    "KHMER ",
    "TIBETAN ",
)
KANA = ("HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA", "VERTICAL KANA")
ASCII_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def needs_border(character: str, kana: bool) -> bool:
    """`kana`: whether kana need a border, as in the paper."""
    if character in ASCII_PUNCTUATION or unicodedata.category(character)[0] == "P":
        return False
    name = unicodedata.name(character, "")
    if name.startswith(KANA):
        return kana
    return not name.startswith(UNSPACED)


def set_off(text: str) -> str:
    for blank in ("\t", "\n", "\r"):
        text = text.replace(blank, " ")
    for mark in (",", ".", ";", ":", "?", "!", "`"):
        text = text.replace(mark, f" {mark} ")
    return text


def find_entries(texts: list[str], entries: list[str], kana: bool = False) -> list[list[int]]:
    """The distinct entries in each text, ascending."""
    needles: dict[str, list[int]] = {}
    for number, entry in enumerate(entries):
        before = " " if needs_border(entry[0], kana) else ""
        after = " " if needs_border(entry[-1], kana) else ""
        needles.setdefault(before + set_off(entry) + after, []).append(number)
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
