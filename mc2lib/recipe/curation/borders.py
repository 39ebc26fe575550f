"""Where an entry may begin and end in a text: how both are spelled, set off and bordered.

Every end of every entry is judged by its own character, whatever the language of the list: beside punctuation and
the characters of scripts that leave no space between words it needs no border, beside all others it needs a space.
So in Chinese metadata `猫` matches anywhere, and `cat`, `a` or `42` match only between spaces.
"""

from __future__ import annotations

from functools import cache
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from mc2lib.languages import is_punctuation
from mc2lib.params import MatchRules

#: Punctuation that spaces set off, in entries and texts alike.
SET_OFF = ",.;:?!`"
#: What becomes a space.
BLANKS = "\t\n\r"

_SPACING = str.maketrans({mark: f" {mark} " for mark in SET_OFF} | dict.fromkeys(BLANKS, " "))

#: Blocks of the recipe's scripts without spaces: Thai, Lao, Tibetan, Burmese, Khmer, and CJK characters.
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

#: By choice of `borders`, the blocks whose characters need no border.
BLOCKS = {
    "paper": UNSPACED_BLOCKS,
    "kana": UNSPACED_BLOCKS + KANA_BLOCKS,
    "kana_hangul": UNSPACED_BLOCKS + KANA_BLOCKS + HANGUL_BLOCKS,
}


@cache
def needs_no_border(character: str, borders: str = "kana") -> bool:
    """Whether an entry that begins or ends with this character needs no border there.

    Args:
        character: one character.
        borders: see `MatchRules`.

    Source: MetaCLIP 2, §3.2; kana are our addition (docs/deviations.md).
    """
    point = ord(character)
    return is_punctuation(character) or any(first <= point <= last for first, last in BLOCKS[borders])


def space_out(text: str) -> str:
    """`text` with `,.;:?!` and the backtick set off by spaces, and tabs and newlines as spaces."""
    return text.translate(_SPACING)


def make_needles(entries: pa.Array, rules: MatchRules) -> pa.Array:
    """What to look for in spelled, spaced-out and padded texts to find each entry.

    Args:
        entries: large_string [n], none empty.
        rules: how texts will be spelled and where borders are.

    Returns:
        large_string [n]: an entry spelled and spaced out, with a space at each end that needs a border.
    """
    parted = part_scripts(spell(entries, rules.normalise), rules)  # which changes no end
    return pa.array([_make_needle(entry, rules.borders) for entry in parted.to_pylist()], pa.large_string())


def _make_needle(entry: str, borders: str) -> str:
    """An end is that of the entry itself: the spaces that setting off adds are no border."""
    before = "" if needs_no_border(entry[0], borders) else " "
    after = "" if needs_no_border(entry[-1], borders) else " "
    return f"{before}{space_out(entry)}{after}"


def prepare_texts(texts: pa.Array, rules: MatchRules) -> pa.Array:
    """Texts as the rules spell them; the matcher itself spaces them out and pads them.

    Args:
        texts: string or binary of any width [n]. Bytes that are no UTF-8 become U+FFFD where the rules change
            anything, and stay as they are where they do not.
    """
    if rules.normalise == "none" and not rules.script_borders:
        return texts
    return part_scripts(spell(_as_strings(texts), rules.normalise), rules)


def spell(texts: pa.Array, form: str) -> pa.Array:
    """Texts in a Unicode normal form: `none` leaves them, `nfc`, or `nfkc`."""
    return texts if form == "none" else pc.utf8_normalize(texts, form=form.upper())


def part_scripts(texts: pa.Array, rules: MatchRules) -> pa.Array:
    """Texts with a space wherever a script that needs borders meets one that needs none, if the rules say so."""
    if not rules.script_borders:
        return texts
    unspaced, other = _classes(rules.borders)
    texts = pc.replace_substring_regex(texts, f"({unspaced})({other})", r"\1 \2")
    return pc.replace_substring_regex(texts, f"({other})({unspaced})", r"\1 \2")


@cache
def _classes(borders: str) -> tuple[str, str]:
    """RE2's classes of characters that need no border, and of letters and digits of all other scripts."""
    blocks = "".join(rf"\x{{{first:X}}}-\x{{{last:X}}}" for first, last in _without_marks(borders))
    return f"[{blocks}]", rf"[^{blocks}\s\pZ\pP\pS\pM\pC]"


def _without_marks(borders: str) -> list[tuple[int, int]]:
    """The blocks of `borders`; CJK's own punctuation parts nothing, as spaces of any kind part already."""
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
