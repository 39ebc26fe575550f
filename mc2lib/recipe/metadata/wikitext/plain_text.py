"""The text of a page of wiki markup."""

from __future__ import annotations

import html.entities
import re

import numpy as np

from mc2lib.recipe.metadata.wikitext.lines import write_lines
from mc2lib.recipe.metadata.wikitext.markup_names import CORE_NAMES, ENDING_HASHES, TAG_HASHES, TAG_MEANINGS, LinkNames
from mc2lib.recipe.metadata.wikitext.nesting import SPECIAL, cut_nested

_ENTITY = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));")
_SPACES, _LINE_ENDS = re.compile(r"[ \t]{2,}|\t"), re.compile(r" ?\n[ \n]*")
_DOUBLED = re.compile(r"([\[\]{}])\1+")
#: Soft hyphen, direction marks and byte order mark: invisible, but they would turn a word into a different word.
_UNSEEN = ("\u00ad", "\u200e", "\u200f", "\ufeff")


def plain_text(markup: str, names: LinkNames | None = None, *, lists: bool = False) -> str:
    """Extract the text of a page of wiki markup.

    Templates, tables, references, comments, files, categories, interlanguage links, formulas, galleries, code,
    magic words and bare addresses are removed; labels of links, headings with text under them and everything else
    stay. Time and memory are linear in the length of the markup, whatever it contains.

    Args:
        markup: one page's wikitext; any string is accepted.
        names: what the wiki's link prefixes mean; None for those that every wiki knows.
        lists: whether to keep the items of bulleted and numbered lists. Without them the text is running prose, as
            wikiextractor gives it.

    Returns:
        One paragraph per line, with single spaces and no empty line. It never contains `[[`, `]]`, `{{` or `}}`.

    Source: MetaCLIP 2, §3.1 (text of the dumps).
    """
    names = CORE_NAMES if names is None else names
    data = np.frombuffer(markup.encode("utf-8", "replace"), np.uint8)
    cut = np.empty(len(data) + 1, np.uint8)
    n = cut_nested(data, cut, SPECIAL, TAG_HASHES, TAG_MEANINGS, names.hashes, names.meanings, ENDING_HASHES, lists)
    out = np.empty(2 * n + 1, np.uint8)
    n = write_lines(cut[:n], out, lists)
    return _decode_entities(out[:n].tobytes().decode("utf-8", "replace"))


def _decode_entities(text: str) -> str:
    before = text
    if "&" in text:
        text = _ENTITY.sub(_entity, text)
    if not text.isascii():
        text = text.replace("\u00a0", " ")
        for mark in _UNSEEN:
            if mark in text:
                text = text.replace(mark, "")
    if text is before or text == before:
        return text
    if any(pair in text for pair in ("[[", "]]", "{{", "}}")):
        text = _DOUBLED.sub(r"\1", text)
    text = _SPACES.sub(" ", text) if "  " in text or "\t" in text else text
    if "\n " in text or " \n" in text or "\n\n" in text:
        text = _LINE_ENDS.sub("\n", text)
    return text.strip(" \n")


def _entity(match: re.Match[str]) -> str:
    decimal, hexadecimal, name = match.groups()
    if name:
        return html.entities.html5.get(f"{name};", match[0])
    point = int(decimal) if decimal else int(hexadecimal, 16)
    if point < 32 or 127 <= point < 160:
        return " "
    return "\ufffd" if point > 0x10FFFF or 0xD800 <= point < 0xE000 else chr(point)
