"""Where an entry may begin and end in a text: how both are spelled and spaced out, and where they need borders.

Each end of each entry is judged by its own character, whatever the language of the list: an end that is punctuation, or
a character of a script without spaces between words, needs no border; any other end needs a space there. So in Chinese
metadata `猫` matches anywhere, and `cat`, `a` or `42` match only between spaces.
"""

from __future__ import annotations

from functools import cache
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.languages import is_punctuation
from mc2lib.params import MatchRules

#: Punctuation that is set off by spaces, in entries and texts alike.
SET_OFF = ",.;:?!`"
#: What becomes a space.
BLANKS = "\t\n\r"

_SPACING = str.maketrans({mark: f" {mark} " for mark in SET_OFF} | dict.fromkeys(BLANKS, " "))

#: Blocks of the scripts that the recipe treats as written without spaces: Thai, Lao, Tibetan, Burmese, Khmer, CJK.
UNSPACED_BLOCKS = (
    (0x0E00, 0x0E7F),
    (0x0E80, 0x0EFF),
    (0x0F00, 0x0FFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x19E0, 0x19FF),
    (0x2E80, 0x2FDF),
    (0x3000, 0x303F),
    (0x3100, 0x312F),
    (0x31A0, 0x31EF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xA9E0, 0xA9FF),
    (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
#: Hiragana and katakana, their extensions and halfwidth forms.
KANA_BLOCKS = ((0x3040, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F), (0x1AFF0, 0x1B16F))
#: Hangul syllables, letters and halfwidth forms.
HANGUL_BLOCKS = ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xFFA0, 0xFFDC))

#: By the value of `borders`, the blocks whose characters need no border.
BLOCKS = {
    "paper": UNSPACED_BLOCKS,
    "kana": UNSPACED_BLOCKS + KANA_BLOCKS,
    "kana_hangul": UNSPACED_BLOCKS + KANA_BLOCKS + HANGUL_BLOCKS,
}


@cache
def needs_no_border(character: str, borders: str = "kana") -> bool:
    """Whether an entry that begins or ends with a character needs no border there.

    Args:
        character: one character.
        borders: see `MatchRules`.

    Source: MetaCLIP 2, §3.2; kana are our addition (docs/deviations.md).
    """
    point = ord(character)
    return is_punctuation(character) or any(first <= point <= last for first, last in BLOCKS[borders])


def space_out(text: str) -> str:
    """Set off `,.;:?!` and the backtick by spaces, and turn tabs and newlines into spaces."""
    return text.translate(_SPACING)


def make_needles(entries: pa.Array, rules: MatchRules) -> pa.Array:
    """Make the strings that spelled, spaced-out and padded texts are searched for.

    Args:
        entries: large_string [n], none empty.
        rules: how texts will be spelled and where borders are.

    Returns:
        large_string [n]: each entry spelled and spaced out, with a space at each end that needs a border.
    """
    parted = part_scripts(spell(entries, rules.normalise), rules)  # this changes no end
    return pa.array([_make_needle(entry, rules.borders) for entry in parted.to_pylist()], pa.large_string())


def _make_needle(entry: str, borders: str) -> str:
    """The needle of one entry; the spaces that setting off adds are not borders."""
    before = "" if needs_no_border(entry[0], borders) else " "
    after = "" if needs_no_border(entry[-1], borders) else " "
    return f"{before}{space_out(entry)}{after}"


def prepare_texts(texts: pa.Array, rules: MatchRules) -> pa.Array:
    """Spell texts by the rules; the matcher itself spaces them out and pads them.

    Args:
        texts: string or binary of any width [n]. Bytes that are not UTF-8 become U+FFFD if the rules change
            anything, and stay as they are otherwise.
        rules: the normal form, and whether a change of script is a border.
    """
    if rules.normalise == "none" and not rules.script_borders:
        return texts
    return part_scripts(spell(_as_strings(texts), rules.normalise), rules)


def spell(texts: pa.Array, form: str) -> pa.Array:
    """Bring texts into a Unicode normal form.

    Args:
        texts: string of any width [n].
        form: `nfc` or `nfkc`; `none` leaves texts as they are.
    """
    return texts if form == "none" else pc.utf8_normalize(texts, form=form.upper())


def part_scripts(texts: pa.Array, rules: MatchRules) -> pa.Array:
    """Put a space wherever a script that needs borders meets one that needs none, if the rules say so.

    Args:
        texts: string of any width [n].
        rules: `script_borders`, and which scripts need no border.
    """
    if not rules.script_borders:
        return texts
    unspaced, other = _classes(rules.borders)
    texts = pc.replace_substring_regex(texts, f"({unspaced})({other})", r"\1 \2")
    return pc.replace_substring_regex(texts, f"({other})({unspaced})", r"\1 \2")


@cache
def _classes(borders: str) -> tuple[str, str]:
    """RE2 classes of the characters that need no border, and of the letters and digits of all other scripts."""
    blocks = "".join(rf"\x{{{first:X}}}-\x{{{last:X}}}" for first, last in _without_marks(borders))
    return f"[{blocks}]", rf"[^{blocks}\s\pZ\pP\pS\pM\pC]"


def _without_marks(borders: str) -> list[tuple[int, int]]:
    """The blocks of `borders` without CJK's own punctuation, next to which no space is put."""
    cut = {(0x3000, 0x303F): ((0x3005, 0x3007), (0x3021, 0x3029), (0x3031, 0x3035), (0x3038, 0x303C))}
    return list(chain.from_iterable(cut.get(block, (block,)) for block in BLOCKS[borders]))


def _as_strings(texts: pa.Array) -> pa.Array:
    if pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type):
        return texts
    try:
        return texts.cast(pa.large_string())
    except pa.ArrowInvalid:
        rows = [bytes(row).decode("utf-8", "replace") for row in texts.to_pylist()]
        return pa.array(rows, pa.large_string())
