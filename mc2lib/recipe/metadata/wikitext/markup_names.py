"""What the names in wiki markup mean: the prefixes of links, the endings of files and HTML tags, looked up by hash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from mc2lib.languages import WIKIPEDIAS

Bytes: TypeAlias = npt.NDArray[np.uint8]
Hashes: TypeAlias = npt.NDArray[np.uint64]

#: What a link's prefix means, and what an HTML tag does.
VISIBLE, HIDDEN, INTERLANGUAGE = 0, 1, 2
INLINE, BLOCK, BREAK, OPAQUE, FORMULA, LITERAL, TABLE_TAG, LIST_TAG = range(8)

#: Extension tags whose content is not text, or not markup.
_OPAQUE = """ref references gallery timeline syntaxhighlight source score graph mapframe maplink templatedata
    templatestyles pre imagemap inputbox categorytree includeonly indicator script style"""
_BLOCK = """p div blockquote center h1 h2 h3 h4 h5 h6 li dd dt tr td th caption thead tbody tfoot hr poem section
    article dl noinclude onlyinclude"""
_INLINE = """b i u s em strong small big sub sup span font tt code kbd samp var cite q del ins strike abbr bdi bdo dfn
    mark a img ruby rb rp rt rtc time data wbr nobr langconvert translate tvar"""
_TAGS = {
    OPAQUE: _OPAQUE,
    BLOCK: _BLOCK,
    INLINE: _INLINE,
    FORMULA: "math chem ce hiero",  # a sentence continues after it
    BREAK: "br",
    LITERAL: "nowiki",
    TABLE_TAG: "table",
    LIST_TAG: "ul ol menu dir",
}

#: MediaWiki's own names of the namespaces -2, 6 and 14, which every wiki knows in addition to its own.
_CORE_HIDDEN = ("Media", "File", "Image", "Category")
_HIDDEN_NUMBERS = (-2, 6, 14)

#: File extensions: a link with a prefix and such an ending is a file, whatever the wiki's alias of `File` is.
_FILE_ENDINGS = "jpg jpeg png svg gif tif tiff webp ogg oga ogv webm mp3 wav flac pdf djvu mid stl xcf"


@dataclass(frozen=True)
class LinkNames:
    """What the prefixes of a wiki's links mean: sorted 64-bit hashes of the names, and each one's meaning."""

    hashes: Hashes
    meanings: Bytes


def link_names(namespaces: Mapping[int, str] | None = None, languages: Iterable[str] = WIKIPEDIAS) -> LinkNames:
    """Collect the link prefixes that hide a link: files, categories and other languages.

    Args:
        namespaces: namespace number to the wiki's own name for it, as the siteinfo of its dump lists them.
        languages: Wikipedia codes with underscores; links write them with hyphens.

    Returns:
        The names, for `plain_text`.
    """
    own = [name for number, name in (namespaces or {}).items() if number in _HIDDEN_NUMBERS]
    meanings: dict[int, int] = {}
    for code in languages:
        meanings[hash_name(code.replace("_", "-"))] = INTERLANGUAGE
    for name in (*_CORE_HIDDEN, *own):
        for written in (name, name.lower(), name[:1].lower() + name[1:], name.upper()):
            meanings[hash_name(written.replace("_", " "))] = HIDDEN
    hashes = np.array(sorted(meanings), np.uint64)
    return LinkNames(hashes, np.array([meanings[int(value)] for value in hashes], np.uint8))


def hash_name(name: str) -> int:
    """FNV-1a of a name with ASCII letters in lower case; `hash_name_bytes` gives the same for its bytes."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ (byte + 32 if 65 <= byte <= 90 else byte)) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


@njit(cache=True)
def hash_name_bytes(data: Bytes, start: int, stop: int) -> np.uint64:  # pragma: no cover (compiled)
    """Hash a name as it is written in markup, as `hash_name` hashes a string.

    Args:
        data: uint8 [bytes], the markup.
        start: first byte of the name.
        stop: byte after the name.
    """
    value = np.uint64(0xCBF29CE484222325)
    for i in range(start, stop):
        byte = data[i]
        if 65 <= byte <= 90:
            byte += 32
        elif byte == 95:  # links write a space or an underscore
            byte = np.uint8(32)
        value = (value ^ np.uint64(byte)) * np.uint64(0x100000001B3)
    return value


@njit(cache=True)
def meaning_of(hashes: Hashes, meanings: Bytes, value: np.uint64, unknown: int) -> int:  # pragma: no cover (compiled)
    """Look up the meaning of a hashed name.

    Args:
        hashes: uint64 [n], ascending.
        meanings: uint8 [n], the meaning of each hash.
        value: the hash to look up.
        unknown: what to return if it is not among `hashes`.
    """
    i = np.searchsorted(hashes, value)
    return int(meanings[i]) if i < len(hashes) and hashes[i] == value else unknown


CORE_NAMES = link_names()
_TAG_OF = {hash_name(name): meaning for meaning, words in _TAGS.items() for name in words.split()}
TAG_HASHES = np.array(sorted(_TAG_OF), np.uint64)
TAG_MEANINGS = np.array([_TAG_OF[int(value)] for value in TAG_HASHES], np.uint8)
ENDING_HASHES = np.array(sorted(hash_name(ending) for ending in _FILE_ENDINGS.split()), np.uint64)
