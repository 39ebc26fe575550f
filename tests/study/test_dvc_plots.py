"""`dvc plots show` draws what results/plots holds: points for the effects, and every arm apart for the languages."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest

from tests.conftest import ROOT, run


@pytest.fixture(scope="module")
def plots() -> dict[str, Any]:
    """Plot to its Vega-Lite specification, as DVC fills it."""
    found = {}
    for name in ("effects", "languages"):
        shown = run("-m", "dvc", "plots", "show", name, "--show-vega")
        assert shown.returncode == 0, shown.stderr
        found[name] = json.loads(shown.stdout)
    return found


def rows(name: str) -> list[dict[str, str]]:
    with (ROOT / "results" / "plots" / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_every_effect_and_seed_is_a_point(plots: dict[str, Any]) -> None:
    data = plots["effects"]["data"]
    wanted = rows("effects")
    assert [{key: point[key] for key in wanted[0]} for point in data["values"]] == wanted
    encoding = plots["effects"]["layer"][0]["encoding"]
    # names on a quantitative axis would draw nothing
    assert (encoding["x"]["field"], encoding["x"]["type"]) == ("difference", "quantitative")
    assert (encoding["y"]["field"], encoding["y"]["type"]) == ("effect", "nominal")
    assert data["format"]["parse"] == {"difference": "number"}
    assert all(abs(float(point["difference"])) < 1 or point["effect"] == "uniformity" for point in data["values"])


def test_every_arm_and_language_is_a_cell_of_its_own(plots: dict[str, Any]) -> None:
    data = plots["languages"]["data"]
    wanted = rows("languages")
    assert [{key: cell[key] for key in wanted[0]} for cell in data["values"]] == wanted
    spec = plots["languages"]["spec"]
    channels = {channel: spec["encoding"][channel]["field"] for channel in ("x", "y", "color")}
    assert channels == {"x": "language", "y": "arm", "color": "top1"}
    # a mark holds one value, so that nothing is summed up: shares are of one arm
    cells = [(cell["arm"], cell["language"], cell["rev"]) for cell in data["values"]]
    assert len(set(cells)) == len(cells) and spec["mark"]["type"] == "rect"
    assert "aggregate" not in json.dumps(spec) and "stack" not in json.dumps(spec)
    assert plots["languages"]["facet"]["row"]["field"] == "rev"
    assert all(0 <= float(cell["top1"]) <= 1 for cell in data["values"])
