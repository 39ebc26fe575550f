"""Texts looked at by a curated pool's recipe: language, entries, keep probability; and what another t would change."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import ipywidgets
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from mc2lib.errors import InputError
from mc2lib.io.curated_pool import AGAIN, CuratedPool, read_report
from mc2lib.pipeline.curate.explanation import explain
from mc2lib.recipe.curation.algorithm import ALL
from mc2lib.recipe.curation.balance import is_head, keep_probability

#: Colours of entries in a text: distinct for colour-blind readers too; the word head or tail follows in the table.
COLOURS = {"head": "#f6c89f", "tail": "#a8d5e5"}
#: Width of the longest bar, in pixels.
BAR = 260


def move_threshold(table: pd.DataFrame, t: int) -> pd.DataFrame:
    """What `explain` would say of a text at another threshold.

    Args:
        table: of `explain`.
        t: matches per entry.

    Returns:
        the same rows, with t, part, keep and the pair's decision as this threshold makes them.
    """
    if len(table) < 2:  # no entry matched, or the text is not looked at
        return table
    entries, pair = table[:-1].copy(), table[-1:].copy()
    counts = entries["count"].to_numpy(np.int64)
    entries["t"] = pair["t"] = t
    entries["part"] = np.where(is_head(counts, t), "head", "tail")
    entries["keep"] = keep_probability(counts, t)
    keep = float(1 - np.prod(1 - entries["keep"]))
    tail = bool((entries["part"] == "tail").any())
    pair["keep"] = keep
    pair["decision"] = "kept: it holds a tail entry" if tail else f"kept in {keep:.1%} of draws: all entries are common"
    return pd.concat([entries, pair], ignore_index=True)


def highlight(text: str, parts: dict[str, str]) -> str:
    """A text as HTML with its entries marked.

    Args:
        text: any.
        parts: by entry head or tail; where entries overlap, the one that begins first and is longest is marked.
    """
    names = sorted(parts, key=lambda name: (-len(name), name))
    if not names:
        return html.escape(text)
    # an entry that ends in a letter of a spaced script is a word of its own, so "art" is not marked in "heart"
    spots = [rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])" for name in names]
    told, end = [], 0
    for found in re.finditer("|".join(spots), text):
        told.append(html.escape(text[end : found.start()]))
        colour = COLOURS[parts[found[0]]]
        told.append(f'<mark style="background:{colour}" title="{parts[found[0]]}">{html.escape(found[0])}</mark>')
        end = found.end()
    return "".join([*told, html.escape(text[end:])])


def read_counts(pool: CuratedPool, group: str) -> npt.NDArray[np.int64]:
    """How often each entry of a language matched in the pool, int64 [entries].

    Raises:
        InputError: there is no table of entries.
    """
    if not pool.entries.exists():
        raise InputError(str(pool.entries), "no such file", AGAIN)
    found = pq.read_table(pool.entries, columns=["count"], filters=[("language", "==", group)])
    return np.asarray(found["count"].to_numpy(), np.int64)


def summarise_balance(counts: npt.NDArray[np.int64], t: int) -> pd.DataFrame:
    """Matches in the head and in the tail, before balancing and as expected after it.

    Args:
        counts: int64 [entries].
        t: matches per entry.

    Returns:
        head and tail, each with its entries, the matches before and after, and its share of them.
    """
    head = is_head(counts, t)
    kept = counts * keep_probability(counts, t)
    rows = []
    for mask in (head, ~head):
        before, after = float(counts[mask].sum()), float(kept[mask].sum())
        shares = (before / max(counts.sum(), 1), after / max(kept.sum(), 1.0))
        rows.append((int((mask & (counts > 0)).sum()), before, after, *shares))
    columns = ["entries", "before", "after", "share_before", "share_after"]
    return pd.DataFrame(rows, columns=columns, index=["head", "tail"])


def balance_html(counts: npt.NDArray[np.int64], t: int) -> str:
    """`summarise_balance` as two bars, before and after, each of head and tail."""
    table = summarise_balance(counts, t)
    told = []
    for when in ("before", "after"):
        parts = []
        for name in ("head", "tail"):
            share = float(table.loc[name, f"share_{when}"])
            width = round(BAR * share)
            box = f"display:inline-block;background:{COLOURS[name]};width:{width}px;height:16px"
            parts.append(f'<span style="{box}"></span> {name} {share:.1%} ')
        total = table[when].sum()
        told.append(f"<div>{when}: {total:,.0f} matches<br>{''.join(parts)}</div>")
    used = ", ".join(f"{int(table.loc[name, 'entries']):,} entries in the {name}" for name in ("head", "tail"))
    return f"<b>t = {t:,}</b>: {used}{''.join(told)}"


class CurationPlayground:
    """Widgets over `explain`: texts, a threshold, a language whose balance is shown.

    Args:
        pool: of `open_curated`.
        texts: to begin with, one per line.
    """

    def __init__(self, pool: CuratedPool, texts: Sequence[str] = ("a red heart", "ein rotes Herz", "IMG_0042.jpg")):
        self.pool = pool
        thresholds: dict[str, int] = {group: int(t) for group, t in read_report(pool)["t"].items()}
        groups = sorted(thresholds, key=lambda group: (group not in ("en", ALL), group))
        layout = ipywidgets.Layout(width="640px")
        self.texts = ipywidgets.Textarea(
            "\n".join(texts), description="texts", rows=5, layout=layout, continuous_update=False
        )
        self.language = ipywidgets.Dropdown(options=groups, description="balance of")
        self.own = ipywidgets.Checkbox(True, description="each language's own t")
        self.exponent = ipywidgets.FloatSlider(
            0.0, min=0.0, max=6.0, step=0.05, description="t = 10^", layout=layout, disabled=True
        )
        self.explained = ipywidgets.HTML()
        self.balance = ipywidgets.HTML()
        self._thresholds = thresholds
        self._counts: dict[str, npt.NDArray[np.int64]] = {}
        self._tables: dict[str, pd.DataFrame] = {}
        for widget in (self.texts, self.language, self.own, self.exponent):
            widget.observe(self._refresh, "value")
        self._refresh()

    @property
    def t(self) -> int | None:
        """The threshold that is asked for; None is each language's own."""
        return None if self.own.value else round(10**self.exponent.value)

    def show(self) -> ipywidgets.VBox:
        """The widgets, to be the last line of a cell."""
        controls = ipywidgets.HBox([self.language, self.own])
        return ipywidgets.VBox([self.texts, self.explained, controls, self.exponent, self.balance])

    def _refresh(self, _: object = None) -> None:
        self.exponent.disabled = self.own.value
        lines = [line for line in self.texts.value.splitlines() if line.strip()]
        self.explained.value = "".join(explanation_html(line, self._explain(line)) for line in lines)
        group = self.language.value
        if group not in self._counts:
            self._counts[group] = read_counts(self.pool, group)
        t = self._thresholds[group] if self.t is None else self.t
        self.balance.value = balance_html(self._counts[group], t)

    def _explain(self, text: str) -> pd.DataFrame:
        """The text explained, once: a slider asks for it many times."""
        if text not in self._tables:
            self._tables[text] = explain(self.pool, text)
        return self._tables[text] if self.t is None else move_threshold(self._tables[text], self.t)


def explanation_html(text: str, table: pd.DataFrame) -> str:
    """One text with its entries marked, its decision, and the table of its entries.

    Args:
        text: as it was explained.
        table: of `explain` or `move_threshold`.
    """
    entries, pair = table[:-1], table.iloc[-1]
    marked = highlight(text, dict(zip(entries["entry"], entries["part"], strict=True)))
    shown = entries[["entry", "source", "count", "t", "part", "keep"]].to_html(index=False, float_format="%.3f")
    head = f'<p dir="auto" style="font-size:16px">{marked}</p>'
    told = f"<p>language {html.escape(str(pair['language']))}; <b>{html.escape(str(pair['decision']))}</b></p>"
    return f"{head}{told}{shown if len(entries) else ''}<hr>"
