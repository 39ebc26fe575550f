"""The ablation tables: mean and spread over seeds, with the controls as rows of every table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from mc2lib.reporting.findings import mean_and_spread


class Column(NamedTuple):
    """A measure of the tables: its heading, whether it is a share (printed in percent), and whether tables print it."""

    measure: str
    heading: str
    is_share: bool
    printed: bool = False  # all are in the CSV and in the table of one arm


#: The tables' columns. The printed ones fit a page, with the arm's name.
COLUMNS = (
    Column("en_top1", "English top-1", True, printed=True),
    Column("world_top1", "Others top-1", True, printed=True),
    Column("en_mrr", "English MRR", False, printed=True),
    Column("world_mrr", "Others MRR", False, printed=True),
    Column("en_tail_top1", "English tail top-1", True, printed=True),
    Column("world_tail_top1", "Others tail top-1", True, printed=True),
    Column("en_loss", "English loss (nats)", False, printed=True),
    Column("world_loss", "Others loss (nats)", False, printed=True),
    Column("en_head_top1", "English head top-1", True),
    Column("world_head_top1", "Others head top-1", True),
    Column("en_top5", "English top-5", True),
    Column("world_top5", "Others top-5", True),
    Column("en_unseen_top1", "English, unseen concepts", True),
    Column("world_unseen_top1", "Others, unseen concepts", True),
    Column("en_t2i_r1", "English text→image R@1", True),
    Column("world_t2i_r1", "Others text→image R@1", True),
    Column("en_i2t_r1", "English image→text R@1", True),
    Column("world_i2t_r1", "Others image→text R@1", True),
    Column("en_alignment", "English alignment", False),
    Column("world_alignment", "Others alignment", False),
    Column("image_uniformity", "Image uniformity", False),
)
MEASURES = tuple(column.measure for column in COLUMNS)
CHANCE = "chance"
CONTROLS = (CHANCE, "pixel neighbour")


def order_arms(measures: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    """Those of `arms` that were measured, in the order given."""
    there = set(measures["arm"])
    return [arm for arm in arms if arm in there]


def tabulate(measures: pd.DataFrame, controls: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """One ablation table as numbers.

    Args:
        measures: tidy, columns arm, seed, measure, language, value.
        controls: likewise, with the controls as arms.
        arms: the rows; those that were not measured are left out.

    Returns:
        one row per control and per arm; columns arm, seeds (their number), and for each measure
        of COLUMNS its mean and `<measure>_spread`; shares in 0..1; missing where not defined.
    """
    both = pd.concat([controls, measures], ignore_index=True)
    rows = []
    for arm in [*order_arms(controls, CONTROLS), *order_arms(measures, arms)]:
        of_arm = both[(both["arm"] == arm) & (both["language"] == "")]
        row: dict[str, object] = {"arm": arm, "seeds": int(of_arm["seed"].nunique())}
        for measure in MEASURES:
            values = of_arm.loc[of_arm["measure"] == measure, "value"]
            row[measure], row[f"{measure}_spread"] = mean_and_spread(values) if len(values) else (None, None)
        rows.append(row)
    names = [name for measure in MEASURES for name in (measure, f"{measure}_spread")]
    return pd.DataFrame(rows, columns=["arm", "seeds", *names])


def format_table(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `tabulate` for reading: "mean ± spread", shares in percent, printed columns that are not empty.

    Args:
        table: as `tabulate` returns it.
    """
    shown = pd.DataFrame({"arm": table["arm"]})
    for measure, heading, is_share, printed in COLUMNS:
        if printed and table[measure].notna().any():
            rows = zip(table["arm"], table[measure], table[f"{measure}_spread"], strict=True)
            shown[heading] = [format_pair(mean, spread, is_share, decimals_of(arm)) for arm, mean, spread in rows]
    return shown


def format_seeds(measures: pd.DataFrame) -> pd.DataFrame:
    """One arm's headline measures for reading: one row per measure, one column per seed, mean ± spread.

    Args:
        measures: one arm's tidy table.
    """
    headline = measures[measures["language"] == ""]
    rows = []
    for measure, heading, is_share, _ in COLUMNS:
        values = headline[headline["measure"] == measure].sort_values("seed")
        if len(values):
            each = {f"seed {row.seed}": _format(row.value, is_share) for row in values.itertuples()}
            mean, spread = mean_and_spread(values["value"])
            rows.append({"measure": heading, **each, "mean ± spread": format_pair(mean, spread, is_share)})
    return pd.DataFrame(rows)


def decimals_of(arm: str) -> int:
    """Decimals of an arm's percentages: two for chance, which is exact, one for what is measured."""
    return 2 if arm == CHANCE else 1


def _format(value: float, is_share: bool, decimals: int = 1) -> str:
    """Rounded off the last bits first, so that 0.25 % reads the same however it was summed."""
    return f"{round(100 * value, 9):.{decimals}f}" if is_share else f"{value:.3f}"


def format_pair(mean: float | None, spread: float | None, is_share: bool, decimals: int = 1) -> str:
    """ "33.1 ± 0.8" in percent for shares, "1.234 ± 0.010" otherwise, nothing where there is no value.

    Args:
        mean, spread: of a measure; shares in 0..1.
        is_share: whether it is a share.
        decimals: of a share's percentage.
    """
    if mean is None or spread is None or pd.isna(mean):
        return ""
    return f"{_format(mean, is_share, decimals)} ± {_format(spread, is_share, decimals)}"


def format_markdown(table: pd.DataFrame) -> str:
    """A table of strings as Markdown, the first column left, the others right."""
    lines = ["| " + " | ".join(table.columns) + " |", "| --- |" + " ---: |" * (len(table.columns) - 1)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines) + "\n"
