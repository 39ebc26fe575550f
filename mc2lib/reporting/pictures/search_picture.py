"""The picture of a search: one concept in many languages, and the drawings that a model finds."""

from __future__ import annotations

import base64
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

#: Sizes in pixels. README's column is about 850 wide.
WIDTH = 850
MARGIN = 14
LABELS = 78  # the column of the languages' names
DRAWING = 44
GAP = 5
QUERY = 19  # height of a query's line
BETWEEN = 9  # between two rows
LINE = 15  # height of a line of the caption
CAPTION_CHARACTERS = 136
QUERY_CHARACTERS = 30

#: Colour-blind safe, and never alone: a right drawing also has a tick.
RIGHT = "#0173b2"
INK, QUIET, RULE = "#1b1b1b", "#5f5f5f", "#d5d5d5"
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Found:
    """One drawing that a query found."""

    image: str  # its key among the pictures
    concept: str  # what it shows, in English
    right: bool


@dataclass(frozen=True)
class Search:
    """One query in one language and what it found, the nearest first."""

    language: str  # code, such as th
    query: str
    found: tuple[Found, ...]


@dataclass(frozen=True)
class Column:
    """One concept, asked for in every language."""

    heading: str
    searches: tuple[Search, ...]


def draw_search_picture(
    title: str,
    columns: Sequence[Column],
    names: Mapping[str, str],
    pngs: Mapping[str, bytes],
    caption: str,
) -> str:
    """An SVG with one row per language and one column per concept.

    Args:
        title: the finding, one line.
        columns: each with the same languages in the same order.
        names: language code to its name in English.
        pngs: image to PNG; each one that is drawn is embedded once.
        caption: what it is and how it was chosen; wrapped.

    Returns:
        the SVG's text, the same for the same arguments. It names no font file, runs no script and loads nothing.
    """
    languages = [search.language for search in columns[0].searches]
    step = (WIDTH - MARGIN - LABELS - MARGIN) / len(columns)
    row_height = QUERY + DRAWING + BETWEEN
    top = 66
    bottom = top + row_height * len(languages)
    lines = textwrap.wrap(caption, CAPTION_CHARACTERS)
    height = bottom + 12 + LINE * (len(lines) + 1)
    parts = [_open(height, title), _embed(columns, pngs), _text(MARGIN, 27, title, 15, INK, weight=600)]
    for number, column in enumerate(columns):
        left = MARGIN + LABELS + number * step
        parts.append(_text(left, 51, shorten(column.heading, 36), 12, QUIET, weight=600))
        for row, search in enumerate(column.searches):
            parts.append(_draw_row(left, top + row * row_height, search))
    for row, language in enumerate(languages):
        y = top + row * row_height
        parts.append(_text(MARGIN, y + QUERY + DRAWING / 2 + 4, names[language], 12.5, INK))
        parts.append(f'<path d="M{MARGIN} {y - BETWEEN / 2:g}H{WIDTH - MARGIN}" stroke="{RULE}"/>')
    for number, line in enumerate(lines):
        parts.append(_text(MARGIN, bottom + 14 + LINE * number, line, 11, QUIET))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _open(height: float, title: str) -> str:
    """The card: white whatever the page's colour, with a thin border that shows on a white page."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
        f'height="{height:g}" font-family="{FONTS}" role="img">\n<title>{escape(title)}</title>\n'
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:g}" rx="8" fill="#ffffff" stroke="{RULE}"/>'
    )


def _embed(columns: Sequence[Column], pngs: Mapping[str, bytes]) -> str:
    """Every drawing that is used, once, in the order of its name."""
    used = sorted({found.image for column in columns for search in column.searches for found in search.found})
    images = [
        f'<image id="{_id(image)}" width="{DRAWING}" height="{DRAWING}" '
        f'href="data:image/png;base64,{base64.b64encode(pngs[image]).decode()}"/>'
        for image in used
    ]
    return "\n".join(["<defs>", *images, "</defs>"])


def _id(image: str) -> str:
    return "d-" + "".join(c if c.isalnum() and c.isascii() else "-" for c in image)


def _draw_row(left: float, top: float, search: Search) -> str:
    """A query over the drawings that it found."""
    query = shorten(search.query, QUERY_CHARACTERS)
    parts = [_text(left, top + 13, query, 13, INK, language=search.language)]
    for place, found in enumerate(search.found):
        x, y = left + place * (DRAWING + GAP), top + QUERY
        verdict = "right" if found.right else "wrong"
        parts.append(f"<g><title>{escape(found.concept)} ({verdict})</title>")
        parts.append(f'<use href="#{_id(found.image)}" x="{x:g}" y="{y:g}"/>')
        if found.right:
            parts.append(_mark_right(x, y))
        parts.append("</g>")
    return "\n".join(parts)


def _mark_right(x: float, y: float) -> str:
    """A frame, and a tick in its corner."""
    cx, cy = x + DRAWING - 3, y + 4
    return (
        f'<rect x="{x - 1:g}" y="{y - 1:g}" width="{DRAWING + 2}" height="{DRAWING + 2}" rx="5" fill="none" '
        f'stroke="{RIGHT}" stroke-width="2.5"/><circle cx="{cx:g}" cy="{cy:g}" r="7" fill="{RIGHT}"/>'
        f'<path d="M{cx - 3.4:g} {cy + 0.2:g}l2.4 2.6l4.4 -5.2" fill="none" stroke="#ffffff" stroke-width="1.9"/>'
    )


def _text(x: float, y: float, text: str, size: float, fill: str, weight: int = 400, language: str = "en") -> str:
    """A line of text; its language chooses the glyphs of Han characters."""
    tag = language.replace("_", "-")
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{fill}" font-weight="{weight}" '
        f'xml:lang="{tag}">{escape(text)}</text>'
    )


def shorten(text: str, width: int) -> str:
    """A text cut to so many columns, with an ellipsis where it was longer; East Asian characters take two.

    Args:
        text: one line.
        width: the most columns.

    >>> shorten("slice of pizza", 8), shorten("猫の顔", 6), shorten("猫の顔", 5)
    ('slice o…', '猫の顔', '猫の…')
    """
    if _columns(text) <= width:
        return text
    while _columns(text) > width - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def _columns(text: str) -> int:
    """Columns that a text takes: combining marks none, East Asian characters two."""
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
