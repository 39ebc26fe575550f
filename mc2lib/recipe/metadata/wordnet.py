"""Lemmas of WordNet's database files (WNDB)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mc2lib.errors import InputError

#: The position that an adjective is limited to, written after it: galore(ip).
SYNTACTIC_MARKER = re.compile(r"\((?:p|a|ip)\)$")


def parse_lemmas(lines: Iterable[str], place: str) -> list[str]:
    """Parse the distinct lemmas of a `data.*` file, as they are written, with spaces for underscores.

    The data files are read instead of the index files because only they keep case: matching is
    case-sensitive, and the index has paris for Paris.

    Args:
        lines: of the file; those that start with a space are its licence.
        place: the file, for the error.

    Returns:
        The lemmas in the order of first appearance.

    Raises:
        InputError: a line is not a synset.

    Examples:
        >>> parse_lemmas(["02084071 05 n 02 dog 0 domestic_dog 0 000 | a pet\\n"], "data.noun")
        ['dog', 'domestic dog']
    """
    lemmas: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        if line.startswith(" ") or not line.strip():
            continue
        fields = line.split(" ")
        try:
            count = int(fields[3], 16)
            words = fields[4 : 4 + 2 * count : 2]
            if len(words) != count or not words or not all(words):
                raise ValueError(f"it announces {count} words and has {len(words)}")
        except (IndexError, ValueError) as error:
            raise InputError(f"{place}:{number}", f"not a synset ({error})", "Fetch the sources again.") from error
        lemmas.update((SYNTACTIC_MARKER.sub("", word).replace("_", " "), None) for word in words)
    lemmas.pop("", None)  # from a word that consists of a marker
    return list(lemmas)
