"""The six ways to curate, step by step over Python lists: thresholds and keep probabilities, written from the recipe.

It shares no code with what it checks; strategies are spelled out here by name. Drawing is left to the caller.
"""

from __future__ import annotations

import math

#: By name: does it look at English pairs only; are languages kept apart; has each language a threshold of its own.
ENGLISH_ONLY = {"english"}
APART = {"isolated_t_en", "isolated"}
OWN_THRESHOLD = {"isolated"}


def nearest_count(counts: list[int], p: float) -> int:
    """The count at which the cumulative share of the sorted counts is nearest to p; 0 without any."""
    best, distance, so_far = 0, float("inf"), 0
    for count in sorted(counts):
        so_far += count
        if abs(so_far / sum(counts) - p) < distance:
            best, distance = count, abs(so_far / sum(counts) - p)
    return best


def count(matched: list[list[int]]) -> dict[int, int]:
    """In how many pairs each entry is."""
    found: dict[int, int] = {}
    for entries in matched:
        for entry in entries:
            found[entry] = found.get(entry, 0) + 1
    return found


def curate(
    strategy: str, matched: list[list[int]], languages: list[str], t_en: int | None, p: float = 0.06
) -> tuple[dict[str, int], list[float]]:
    """Thresholds by group, and each pair's keep probability: 0 for a pair that is not looked at, or matches nothing.

    Args:
        strategy: of the six.
        matched: each pair's entries of the list that the strategy matches it with.
        languages: each pair's.
        t_en: English's threshold; None is the count that gives English the tail share p.
        p: used where t_en is None.
    """
    if strategy == "raw":
        return {}, [1.0] * len(matched)
    used = [
        entries if strategy not in ENGLISH_ONLY or name == "en" else []
        for entries, name in zip(matched, languages, strict=True)
    ]
    english = list(count([entries for entries, name in zip(matched, languages, strict=True) if name == "en"]).values())
    if t_en is None:
        t_en = nearest_count(english, p)
    elif english:
        p = sum(number for number in english if number < t_en) / sum(english)
    group_of = languages if strategy in APART else ["all"] * len(languages)
    counts = {
        group: count([entries for entries, other in zip(used, group_of, strict=True) if other == group])
        for group in set(group_of)
    }
    t = dict.fromkeys(counts, t_en)
    if strategy in OWN_THRESHOLD:
        t |= {group: nearest_count(list(found.values()), p) for group, found in counts.items() if group != "en"}
    keep = [
        1 - math.prod(1 - min(1.0, t[group] / counts[group][entry]) for entry in entries)
        for entries, group in zip(used, group_of, strict=True)
    ]
    return t, keep
