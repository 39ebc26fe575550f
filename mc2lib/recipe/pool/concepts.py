"""Concepts: which drawings and names belong together, and which are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mc2lib.hashing import key, uniform

#: Sizes of a held-out family, which is all concepts that share one English keyword: neither a pair of near-twins nor
#: half of the emoji.
FAMILY_SIZES = range(4, 26)


@dataclass(frozen=True)
class Caption:
    """What native speakers call a concept in one language (CLDR).

    Args:
        name: short name.
        keywords: other words for it, without the name.
    """

    name: str
    keywords: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """The concepts of one pool draw, in a fixed order, and which of them are held out.

    Args:
        trained: concepts that pairs are drawn from.
        held_out: concepts that only the evaluation shows.
        families: the English keywords whose concepts are held out.
    """

    trained: tuple[str, ...]
    held_out: tuple[str, ...]
    families: tuple[str, ...]

    @property
    def concepts(self) -> tuple[str, ...]:
        """All concepts of the draw, sorted by name."""
        return tuple(sorted(self.trained + self.held_out))


def find_captions(
    chars: Mapping[str, str], annotations: Mapping[str, Mapping[str, Mapping[str, Sequence[str]]]]
) -> dict[str, dict[str, Caption]]:
    """Find the captions of every concept that all languages name, each concept by a name of its own.

    Args:
        chars: by concept (icon name), its emoji characters.
        annotations: by language, CLDR's annotations: by characters, {"tts": [name], "default": [keywords]}.

    Returns:
        By concept, sorted, and by language, the caption.
    """
    captions: dict[str, dict[str, Caption]] = {}
    taken: set[tuple[str, str]] = set()
    for concept in sorted(chars):
        found: dict[str, Caption] = {}
        for language, table in annotations.items():
            entry = _annotation(table, chars[concept])
            if entry is None or (language, entry["tts"][0]) in taken:
                break
            name = entry["tts"][0]
            keywords = tuple(word for word in entry.get("default", ()) if word != name)
            found[language] = Caption(name, keywords)
        if len(found) == len(annotations):
            captions[concept] = found
            taken |= {(language, caption.name) for language, caption in found.items()}
    return captions


def _annotation(
    table: Mapping[str, Mapping[str, Sequence[str]]], characters: str
) -> Mapping[str, Sequence[str]] | None:
    """The annotation of some characters; CLDR omits the emoji presentation selector from its keys."""
    for spelling in (characters, characters.replace("\ufe0f", "")):
        if spelling in table and table[spelling].get("tts"):
            return table[spelling]
    return None


def split_concepts(captions: Mapping[str, Mapping[str, Caption]], count: int, share: float, seed: int) -> Split:
    """Draw the concepts of a pool and hold out whole families of them.

    Args:
        captions: see `find_captions`; the keywords of the first language define families.
        count: how many concepts to draw; all if there are fewer.
        share: of the drawn concepts, the least share to hold out (families are held out whole).
        seed: of the draw.
    """
    names = np.array(sorted(captions))
    order = np.argsort(uniform([key(name) for name in names], key("concepts", seed)), kind="stable")
    drawn = sorted(names[order[:count]].tolist())
    families = _families(captions, drawn)
    held_out: set[str] = set()
    chosen: list[str] = []
    for word in sorted(families, key=lambda word: key("family", seed, word)):
        if len(held_out) >= share * len(drawn):
            break
        chosen.append(word)
        held_out |= families[word]
    trained = tuple(name for name in drawn if name not in held_out)
    return Split(trained, tuple(sorted(held_out)), tuple(chosen))


def _families(captions: Mapping[str, Mapping[str, Caption]], concepts: Sequence[str]) -> dict[str, set[str]]:
    families: dict[str, set[str]] = {}
    for concept in concepts:
        first = next(iter(captions[concept].values()))
        for word in first.keywords:
            families.setdefault(word, set()).add(concept)
    return {word: members for word, members in families.items() if len(members) in FAMILY_SIZES}
