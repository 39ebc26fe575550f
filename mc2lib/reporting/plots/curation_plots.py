"""Figures of matching and balancing."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from mc2lib.reporting.plots.style import axes


def plot_match_rates(rates: pd.DataFrame) -> Figure:
    """Share of each language's pairs that match at least one entry, by the metadata they are matched with.

    Args:
        rates: columns language, list, matched (0..1).
    """
    figure, (ax,) = axes(8.0, 3.0)
    sns.stripplot(rates, x="language", y="matched", hue="list", jitter=False, size=6, alpha=0.85, ax=ax)
    ax.set(xlabel="", ylabel="share of pairs that match", ylim=(0, 1.02))
    ax.tick_params(axis="x", labelsize=8)
    sns.move_legend(ax, "upper left", bbox_to_anchor=(1, 1), title="metadata", frameon=False)
    return figure


def plot_language_id(agreement: pd.DataFrame) -> Figure:
    """How often language id gives the declared language, something else, or nothing that has metadata.

    Args:
        agreement: columns language, agree, other (0..1).
    """
    figure, (ax,) = axes(8.0, 2.8)
    shares = agreement.assign(another=1 - agreement["agree"] - agreement["other"])
    bottom = pd.Series(0.0, index=shares.index)
    colours = sns.color_palette("colorblind", 3)
    labels = {"agree": "as declared", "another": "another language", "other": "none of the study's"}
    for (column, label), colour in zip(labels.items(), colours, strict=True):
        ax.bar(shares["language"], shares[column], bottom=bottom, color=colour, label=label, width=0.8)
        bottom = bottom + shares[column]
    ax.set(ylabel="share of texts", ylim=(0, 1))
    ax.tick_params(axis="x", labelsize=8)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), title="language id", frameon=False)
    ax.grid(axis="x", visible=False)
    return figure


def plot_head_and_tail(counts: pd.DataFrame, groups: Sequence[str]) -> Figure:
    """How often each entry matched, the commonest first, and the threshold between head and tail.

    Args:
        counts: columns group, rank (from 1), count, t.
        groups: those to show, each with its own curve; a dashed line of its colour is its t.
    """
    figure, (ax,) = axes(6.5, 3.6)
    for group, colour in zip(groups, sns.color_palette("colorblind", len(groups)), strict=True):
        rows = counts[counts["group"] == group]
        if rows.empty:
            continue
        t = rows["t"].iloc[0]
        ax.plot(rows["rank"], rows["count"], color=colour, label=f"{group} (t = {t})", drawstyle="steps-mid")
        ax.axhline(t, color=colour, linestyle="--", linewidth=0.9)
    ax.set(xscale="log", yscale="log", xlabel="entry, by rank in its list", ylabel="pairs it matched")
    ax.legend(frameon=False)
    return figure


def plot_thresholds(report: pd.DataFrame) -> Figure:
    """Thresholds and tail shares of the languages, named where `t` is above 1: below, all is head and names overlap.

    Args:
        report: columns language, matched (pairs), t, p (0..1), one row a language.
    """
    figure, (left, right) = axes(8.5, 3.4, columns=2)
    for ax, column in ((left, "t"), (right, "p")):
        sns.scatterplot(report, x="matched", y=column, hue="language", legend=False, ax=ax)
        for row in report[report["t"] > 1].itertuples():
            ax.annotate(
                row.language, (row.matched, getattr(row, column)), (3, 3), textcoords="offset points", fontsize=7
            )
        ax.set(xscale="log", xlabel="pairs that match")
    left.set(yscale="log", ylabel="threshold t, matches")
    left.set_title(f"{int((report['t'] <= 1).sum())} of {len(report)} languages have t = 1", fontsize=9)
    right.set(ylabel="share of matches under t")
    return figure


def plot_language_shares(report: pd.DataFrame) -> Figure:
    """Each language's share of the pool and of the curated pairs, by way to curate.

    Args:
        report: columns language, curation, pairs, kept; a way that leaves out a language has no row of it.
    """
    frame = report.copy()
    for column in ("pairs", "kept"):
        frame[column] = frame[column] / frame.groupby("curation")[column].transform("sum")
    figure, (ax,) = axes(8.0, 3.4)
    frame = frame[frame["kept"] > 0]
    sns.stripplot(frame, x="language", y="kept", hue="curation", jitter=False, size=5, alpha=0.85, ax=ax)
    # the ways that look at every pair give the pool's shares, and those are the lowest
    pool = frame.loc[frame.groupby("language")["pairs"].idxmin()]
    ax.scatter(pool["language"], pool["pairs"], marker="_", s=90, color="black", label="pool", zorder=5)
    ax.set(yscale="log", xlabel="", ylabel="share of pairs")
    ax.tick_params(axis="x", labelsize=8)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def plot_noise(grades: pd.DataFrame) -> Figure:
    """Each noise kind's share of the pairs before and after curation.

    Args:
        grades: columns curation, noise, before, after (0..1).
    """
    kinds = sorted(set(grades["noise"]) - {"none"})
    ways = list(dict.fromkeys(grades["curation"]))
    figure, grid = axes(2.2 * len(kinds), 3.2, columns=max(1, len(kinds)))
    for ax, kind in zip(grid, kinds, strict=False):
        rows = grades[grades["noise"] == kind].set_index("curation").reindex(ways)
        at = range(len(ways))
        ax.hlines(at, rows["before"], rows["after"], color="0.7")
        ax.scatter(rows["before"], at, color="0.5", label="before")
        ax.scatter(rows["after"], at, color=sns.color_palette("colorblind")[0], label="after")
        ax.set_yticks(at, ways if ax is grid[0] else [""] * len(ways))
        ax.set(title=kind.replace("_", " "), xlabel="share of pairs")
        ax.set_xlim(0, 1.1 * float(rows[["before", "after"]].max(axis=None)))
        ax.invert_yaxis()
    grid[-1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure
