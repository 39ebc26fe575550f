"""`dvc plots show` draws what results/plots holds, and `dvc metrics show` fits a screen."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from mc2lib.study.evaluate_stage import METRICS, summarise_metrics
from tests.conftest import ROOT, run

ARMS = ("zebra", "large-worldwide-scaled-long", "ant")  # not in the order of the alphabet
TABLES = {
    "arms": [("arm", "seed", "en_top1", "world_top1")]
    + [(arm, seed, 0.1 * i + 0.01 * seed, 0.02 * i) for i, arm in enumerate(ARMS, 1) for seed in (0, 1)],
    "effects": [("effect", "seed", "difference"), *[(e, s, d) for e in ("b", "a") for s, d in ((0, -0.1), (1, 0.2))]],
    "languages": [("arm", "language", "top1"), *[(arm, lang, 0.25) for arm in ARMS for lang in ("en", "ru", "de")]],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC project with the study's plots and templates, small tables and one arm's metrics."""
    folder = tmp_path_factory.mktemp("plots")
    shutil.copytree(ROOT / ".dvc" / "plots", folder / ".dvc" / "plots")
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n", encoding="utf-8")
    content = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    metrics = [f"results/evaluation/{arm}.json" for arm in ARMS]
    (folder / "dvc.yaml").write_text(json.dumps({"plots": content["plots"], "metrics": metrics}), encoding="utf-8")
    (folder / "results" / "plots").mkdir(parents=True)
    (folder / "results" / "evaluation").mkdir()
    for name, rows in TABLES.items():
        with (folder / "results" / "plots" / f"{name}.csv").open("w", encoding="utf-8", newline="") as lines:
            csv.writer(lines).writerows(rows)
    measured = [(seed, m, "", 1 / 3) for seed in (0, 1) for m in ("en_top1", "world_top1", "en_t2i_r1", "en_mrr")]
    found = summarise_metrics(pd.DataFrame(measured, columns=["seed", "measure", "language", "value"]))
    for path in metrics:
        (folder / path).write_text(json.dumps(found), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def plots(project: Path) -> dict[str, Any]:
    """Plot to its Vega-Lite specification, as DVC fills it."""
    shown = run("-m", "dvc", "plots", "show", "--json", cwd=project)
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)
    assert not found.get("errors")
    assert set(found["data"]) == {"english", "world", "effects", "languages"}
    return {name: drawn[0]["content"] for name, drawn in found["data"].items()}


def rows(name: str) -> list[dict[str, str]]:
    header, *lines = TABLES[name]
    return [dict(zip(map(str, header), map(str, line), strict=True)) for line in lines]


def channels(encoding: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {name: (channel["field"], channel["type"]) for name, channel in encoding.items() if "field" in channel}


def values(plot: dict[str, Any], columns: dict[str, str]) -> list[dict[str, str]]:
    return [{column: value[column] for column in columns} for value in plot["data"]["values"]]


@pytest.mark.parametrize(("name", "measure"), [("english", "en_top1"), ("world", "world_top1")])
def test_an_arm_is_a_bar_of_its_mean_and_a_seed_a_point(plots: dict[str, Any], name: str, measure: str) -> None:
    plot = plots[name]
    assert values(plot, rows("arms")[0]) == rows("arms")
    bars, points = plot["spec"]["layer"]
    assert (bars["mark"]["type"], points["mark"]["type"]) == ("bar", "point")
    wanted = {"x": (measure, "quantitative"), "y": ("arm", "nominal")}
    assert channels(bars["encoding"]) == channels(points["encoding"]) == wanted
    # the mean of an arm's seeds: a sum would be 310 % for 21 arms, or seeds times as long for one
    assert bars["encoding"]["x"]["aggregate"] == "mean" and "aggregate" not in points["encoding"]["x"]
    assert bars["encoding"]["y"]["sort"] is points["encoding"]["y"]["sort"] is None  # as given
    assert plot["data"]["format"]["parse"][measure] == "number"
    assert plot["facet"]["row"]["field"] == "rev"


def test_every_effect_and_seed_is_a_point(plots: dict[str, Any]) -> None:
    plot = plots["effects"]
    assert values(plot, rows("effects")[0]) == rows("effects")
    zero, points = plot["spec"]["layer"]
    # names on a quantitative axis would draw nothing
    assert channels(points["encoding"]) == {"x": ("difference", "quantitative"), "y": ("effect", "nominal")}
    assert points["encoding"]["y"]["sort"] is None and zero["encoding"]["x"]["datum"] == 0
    assert plot["data"]["format"]["parse"] == {"difference": "number"}


def test_every_arm_and_language_is_a_cell_of_its_own(plots: dict[str, Any]) -> None:
    plot = plots["languages"]
    assert values(plot, rows("languages")[0]) == rows("languages")
    wanted = {"x": ("language", "nominal"), "y": ("arm", "nominal"), "color": ("top1", "quantitative")}
    assert channels(plot["spec"]["encoding"]) == wanted
    assert plot["spec"]["mark"]["type"] == "rect" and plot["facet"]["row"]["field"] == "rev"
    assert "aggregate" not in json.dumps(plot) and "stack" not in json.dumps(plot)


def test_no_anchor_is_left_unfilled(plots: dict[str, Any]) -> None:
    assert "<DVC_METRIC" not in json.dumps(plots)


def test_metrics_fit_a_screen(project: Path) -> None:
    shown = run("-m", "dvc", "metrics", "show", cwd=project)
    lines = shown.stdout.splitlines()
    assert lines[0].split() == ["Path", "en_top1", "en_top1_spread", "world_top1", "world_top1_spread"], shown.stderr
    assert set(METRICS) < set(lines[0].split())
    assert max(map(len, lines)) <= 120 and len(lines) == 1 + len(ARMS)


def test_the_studys_own_tables_have_the_columns_that_are_drawn() -> None:
    """The tables that are drawn here are as the study writes them."""
    for name in ("effects", "languages"):
        with (ROOT / "results" / "plots" / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
            assert set(map(str, TABLES[name][0])) <= set(next(csv.reader(lines)))
