"""What curation did, in a table and sentences that claim no more than the grades say."""

from __future__ import annotations

import pandas as pd

from mc2lib.reporting.tables import format_markdown, format_pair

#: The ways to curate from none of the recipe to all of it, and what readers call them.
WAYS = {
    "raw": "raw",
    "english": "English only",
    "english_metadata": "English metadata",
    "merged": "merged lists",
    "isolated_t_en": "own lists, English's t",
    "isolated": "own lists and t: the recipe",
}
RECIPE = "isolated"
#: What grades call the pool before any curation.
POOL = "pool"
#: The end of a way's name where its pairs are subsampled to the recipe's language shares.
EQUAL = "-shares"

#: Balancing is said to spread pairs where the tail third's share grows by this factor.
SPREADS = 1.1
#: Noise is dropped, thinned out or kept: by the share of it that stays, in units of the right texts' share.
DROPS, KEEPS = 0.25, 0.75

COLUMNS = {
    "english_share": "English",
    "noise_share": "noise",
    "top_tenth_share": "commonest tenth of concepts",
    "tail_third_share": "rarest third of concepts",
}


def name_way(way: str) -> str:
    """What readers call a way to curate.

    Examples:
        >>> name_way("merged"), name_way("merged-shares")
        ('merged lists', 'merged lists, equal shares')
    """
    own = way.removesuffix(EQUAL)
    return WAYS.get(own, own) + (", equal shares" if own != way else "")


def describe_curation(grades: pd.DataFrame, mix: str) -> str:
    """The report's section on what curation did to the pool: a table of the ways, and what follows for balancing.

    Args:
        grades: results/curation.csv: columns mix, curation, seed, pairs, and shares in 0..1.
        mix: the study's own, which the table is of; the others get a sentence each.

    Returns:
        Markdown with its heading; empty where nothing was graded.
    """
    if grades.empty:
        return ""
    others = [_compare_noise(str(name), rows) for name, rows in grades.groupby("mix") if name != mix]
    grades = grades[grades["mix"] == mix]
    legend = (
        "Shares of the pairs that each way keeps, in percent, mean ± spread over seeds. Noise is every pair whose text "
        "is wrong. Concepts are ranked by their pairs in the pool, for all ways alike. Every figure is in "
        "`results/curation.csv`."
    )
    table = format_markdown(tabulate_curation(grades))
    parts = ["## What curation did", legend, table.rstrip(), _say_what_balancing_can_do(grades), *others]
    return "\n\n".join(part for part in parts if part)


def _compare_noise(mix: str, grades: pd.DataFrame) -> str:
    """How much of another mix, and of what the recipe keeps of it, is noise and is of rare concepts."""
    means = grades.groupby("curation")[["noise_share", "tail_third_share"]].mean()
    if RECIPE not in means.index or POOL not in means.index:
        return ""
    noise, tail = (f"from {100 * means.loc[POOL, c]:.1f} % to {100 * means.loc[RECIPE, c]:.1f} %" for c in means)
    return f"In the mix `{mix}`, the recipe moves noise {noise} of the pairs, and the rarest third of concepts {tail}."


def tabulate_curation(grades: pd.DataFrame) -> pd.DataFrame:
    """One row per way to curate, the pool first: pairs and shares as strings; argument as of `describe_curation`."""
    rows = []
    for way, found in grades.groupby("curation", sort=False):
        shares = {
            heading: format_pair(found[column].mean(), found[column].std(ddof=1) if len(found) > 1 else 0.0, True)
            for column, heading in COLUMNS.items()
        }
        name = "the pool" if way == POOL else name_way(str(way))
        rows.append({"way to curate": name, "pairs": f"{found['pairs'].mean():,.0f}", **shares})
    return pd.DataFrame(rows)


def _say_what_balancing_can_do(grades: pd.DataFrame) -> str:
    """Whether balancing could help here, from the recipe's grades and the pool's."""
    means = grades.drop(columns=["mix"], errors="ignore").groupby("curation").mean()
    if RECIPE not in means.index or POOL not in means.index:
        return ""
    before, after = means.loc[POOL], means.loc[RECIPE]
    spreads = after["tail_third_share"] >= SPREADS * before["tail_third_share"]
    tail = f"from {100 * before['tail_third_share']:.1f} % to {100 * after['tail_third_share']:.1f} %"
    return " ".join(
        [
            f"Balancing {'**can** help' if spreads else '**cannot** help'} the rare concepts of this pool: the recipe "
            f"moves the rarest third's share of the pairs {tail}.",
            f"It keeps {after['clean_kept']:.0%} of the right texts.",
            *_say_what_happens_to_noise(after),
        ]
    )


def _say_what_happens_to_noise(recipe: pd.Series) -> list[str]:
    """Which kinds of noise the recipe drops, thins out, and keeps as it keeps right texts."""
    right = recipe["clean_kept"]
    said: dict[str, list[str]] = {"Of the wrong ones it drops": [], "It thins out": [], "It cannot tell": []}
    drops, thins, keeps = said.values()
    for name, share in recipe.items():
        if str(name).endswith("_kept") and name != "clean_kept" and not pd.isna(share):
            group = drops if share < DROPS * right else thins if share < KEEPS * right else keeps
            group.append(f"{str(name).removesuffix('_kept').replace('_', ' ')} ({share:.0%} kept)")
    return [
        f"{verb} {_join(kinds)}{' from right texts' if kinds is keeps else ''}."
        for verb, kinds in said.items()
        if kinds
    ]


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
