"""Figures of matching and balancing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from mc2lib.languages import NAMES, language_name
from mc2lib.reporting.curation_summary import EQUAL, POOL, RECIPE, WAYS, name_way
from mc2lib.reporting.plots.style import axes

#: Colour, mark and line of each way to curate, told apart without colour too; the recipe's is the strongest.
_COLOURS = dict(zip(WAYS, [sns.color_palette("colorblind")[i] for i in (7, 1, 2, 3, 4, 0)], strict=True))
_MARKS = dict(zip(WAYS, "osD^vP", strict=True))
_LINES = dict(zip(WAYS, ("-", "--", "-.", ":", "--", "-"), strict=True))
_PERCENT = FuncFormatter(lambda share, _: f"{100 * share:g}%")


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
        ax.plot(
            rows["rank"],
            rows["count"],
            color=colour,
            label=f"{NAMES.get(group, group)} (t = {t})",
            drawstyle="steps-mid",
        )
        ax.axhline(t, color=colour, linestyle="--", linewidth=0.9)
    ax.set(xscale="log", yscale="log", xlabel="entry, by rank in its list", ylabel="pairs it matched")
    ax.legend(loc="upper right", frameon=False)
    return figure


def plot_thresholds(report: pd.DataFrame) -> Figure:
    """Threshold and tail share of each language, the language with the most pairs at the top.

    Args:
        report: columns language, matched (pairs), t, p (0..1), one row per language.
    """
    rows = report.sort_values("matched", ascending=False)
    figure, (left, right) = axes(8.5, 1.2 + 0.23 * len(rows), columns=2)
    colour = sns.color_palette("colorblind")[0]
    for ax, column in ((left, "t"), (right, "p")):
        ax.scatter(rows[column], range(len(rows)), s=34, color=colour, zorder=3)
        ax.set_yticks(range(len(rows)), [""] * len(rows))
        ax.invert_yaxis()
    left.set_yticklabels([language_name(language) for language in rows["language"]])
    left.set(xscale="log", xlabel="threshold t, matches of an entry")
    right.set(xlabel="share of the language's matches below t")
    right.xaxis.set_major_formatter(_PERCENT)
    ones = int((rows["t"] <= 1).sum())
    floor = f"it is 1 in {ones} of {len(rows)} languages" if ones else "it is above 1 in every language"
    figure.suptitle(f"t is {rows['t'].min()} to {rows['t'].max()}; {floor}", x=0.01, ha="left", fontsize=10)
    return figure


def plot_language_shares(report: pd.DataFrame) -> Figure:
    """Each language's share of the pool and of the curated pairs, by way to curate.

    Args:
        report: columns language, curation, pairs, kept; a way that leaves out a language has no row of it.
    """
    frame = report.copy()
    for column in ("pairs", "kept"):
        frame[column] = frame[column] / frame.groupby("curation")[column].transform("sum")
    # the ways that look at every pair give the pool's shares, and those are the lowest
    pool = frame.groupby("language")["pairs"].min().sort_values(ascending=False)
    place = {language: number for number, language in enumerate(pool.index)}
    figure, (ax,) = axes(8.0, 1.2 + 0.23 * len(pool))
    for way in _order_ways(frame["curation"]):
        rows = frame[(frame["curation"] == way) & (frame["kept"] > 0)]
        look = {"label": name_way(way), "color": _COLOURS[way], "marker": _MARKS[way]}
        ax.scatter(rows["kept"], rows["language"].map(place), s=34, zorder=3, **look)
    ax.scatter(pool, range(len(pool)), marker="|", s=120, color="black", label="pool", zorder=4)
    ax.set_yticks(range(len(pool)), [NAMES.get(language, language) for language in pool.index])
    ax.set(xscale="log", xlabel="share of pairs")
    ax.xaxis.set_major_formatter(_PERCENT)
    ax.invert_yaxis()
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    english = frame[(frame["language"] == "en") & (frame["curation"] != "english")].set_index("curation")["kept"]
    if RECIPE in english:
        title = (
            f"English has {pool['en']:.0%} of the pool, {english[RECIPE]:.0%} of the recipe's pairs, and "
            f"{english.min():.0%} to {english.max():.0%} by the ways that look at all languages"
        )
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def plot_noise(grades: pd.DataFrame) -> Figure:
    """Each kind of noise as a share of the pairs, before and after curation.

    Args:
        grades: columns curation (the pool's row is the first), clean_kept, and for each kind <kind>_share and
            <kind>_kept; means over the seeds are drawn.
    """
    means = _mean_by_way(grades)
    kinds = [name.removesuffix("_share") for name in means if f"{name.removesuffix('_share')}_kept" in means]
    kinds = [kind for kind in kinds if means.get(f"{kind}_share", pd.Series()).get(POOL, 0) > 0]
    ways = list(means.index.drop(POOL))
    figure, grid = axes(8.6, 1.5 + 0.24 * len(ways), columns=max(1, len(kinds)))
    for ax, kind in zip(grid, kinds, strict=False):
        before, after, at = means.loc[POOL, f"{kind}_share"], means.loc[ways, f"{kind}_share"], range(len(ways))
        ax.hlines(at, before, after, color="0.7")
        ax.axvline(before, color="black", linewidth=1.2, label="pool")
        ax.scatter(after, at, color=sns.color_palette("colorblind")[0], label="kept", zorder=3)
        ax.set_yticks(at, [name_way(way) for way in ways] if ax is grid[0] else [""] * len(ways))
        ax.set_xlim(0, 1.15 * max(before, after.max()))
        ax.xaxis.set_major_formatter(_PERCENT)
        ax.set_xlabel(kind.replace("_", " "))
        ax.invert_yaxis()
    grid[-1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    figure.suptitle(_say_noise(means, kinds), x=0.01, ha="left", fontsize=10)
    return figure


def _say_noise(means: pd.DataFrame, kinds: Sequence[str]) -> str:
    """What the recipe did to noise, in a line: the kind that it thinned out most and the one that it kept most."""
    if RECIPE not in means.index or not kinds:
        return ""
    kept = means.loc[RECIPE, [f"{kind}_kept" for kind in kinds]].astype(float)
    least, most = (name.removesuffix("_kept").replace("_", " ") for name in (kept.idxmin(), kept.idxmax()))
    right = means.loc[RECIPE, "clean_kept"]
    noise = f"{kept.min():.0%} of “{least}” noise and {kept.max():.0%} of “{most}” noise"
    return f"The recipe keeps {right:.0%} of the right texts, {noise}"


def plot_concept_ranks(ranks: pd.DataFrame) -> Figure:
    """Concepts from head to tail before and after curation: the share of the pairs that each has, by rank.

    Args:
        ranks: columns curation (the pool's rows are the first), rank (1 is the way's commonest concept), share.
    """
    figure, (ax,) = axes(8.0, 3.8)
    for way in [POOL, *_order_ways(ranks["curation"])]:
        rows = ranks[(ranks["curation"] == way) & (ranks["share"] > 0)]
        label, width = ("pool", 3.0) if way == POOL else (name_way(way), 2.4 if way == RECIPE else 1.4)
        colour, line = _COLOURS.get(way, "black"), _LINES.get(way, "-")
        ax.plot(rows["rank"], rows["share"], label=label, color=colour, linestyle=line, linewidth=width)
    ax.set(xscale="log", yscale="log", xlabel="concept, by rank (1 is the commonest)", ylabel="share of pairs")
    ax.yaxis.set_major_formatter(_PERCENT)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda rank, _: f"{rank:g}"))
    tail = {way: _tail_third(ranks, way) for way in (POOL, RECIPE)}
    if all(tail.values()):
        before, after = (f"{tail[way]:.0%}" for way in (POOL, RECIPE))
        title = f"The rarest third of the concepts has {before} of the pool's pairs and {after} of the recipe's"
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def _tail_third(ranks: pd.DataFrame, way: str) -> float:
    """The share of a way's pairs that its rarest third of the concepts has."""
    rows = ranks[ranks["curation"] == way]
    return float(rows.loc[rows["rank"] > len(rows) - len(rows) // 3, "share"].sum())


def _mean_by_way(grades: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, by way to curate, the pool first."""
    means = grades.drop(columns=["mix", "seed"], errors="ignore").groupby("curation").mean()
    return means.loc[[POOL, *_order_ways(grades["curation"])]]


def _order_ways(ways: Iterable[str]) -> list[str]:
    """Distinct ways to curate in the order of WAYS, the pool left out; one at equal shares follows its own way."""
    found = set(ways)
    return [name for way in WAYS for name in (way, f"{way}{EQUAL}") if name in found]
