"""The notebooks of notebooks/explore/ run from top to bottom, and say in one line what is missing."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import papermill
import pyarrow as pa
import pytest
from IPython.core.interactiveshell import InteractiveShell
from papermill.exceptions import PapermillExecutionError

from mc2lib.io.files import write_table
from mc2lib.pipeline.evaluate.measuring import Measured
from mc2lib.pipeline.evaluate.results import tabulate, write_language
from mc2lib.pipeline.evaluate.results import write_table as write_results
from mc2lib.recipe.evaluation.bootstrap import Sample
from mc2lib.schemas import DRAWINGS, EVALUATION_IMAGES, EVALUATION_TEXTS
from tests.conftest import ROOT
from tests.pipeline.test_search import COLOURS, png
from tests.tiny_clip import write_tiny_clip

EXPLORE = ROOT / "notebooks" / "explore"
NAMES = ["red", "green", "blue"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study's folder with a curated pool, drawings, and two arms that are tiny models of random weights."""
    root = tmp_path_factory.mktemp("study")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root)
    shutil.copytree(ROOT / "scales", root / "scales")
    shutil.copytree(EXPLORE, root / "notebooks" / "explore", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    runpy.run_path(str(ROOT / "examples" / "curate_tiny_pool.py"))["curate_tiny_pool"](root / "data" / "tiny")
    images = [{"image": f"s/{n}", "concept": n, "style": "s", "png": png(COLOURS[n])} for n in NAMES]
    drawings = [row | {"family": "f"} for row in images]
    write_table(pa.Table.from_pylist(drawings, schema=DRAWINGS), root / "data" / "drawings.parquet", DRAWINGS)
    tested = [row | {"seen": True} for row in images]
    texts = [{"concept": n, "language": "en", "name": n, "caption": n, "seen": True, "pool_pairs": 1} for n in NAMES]
    for name, rows, schema in (("images", tested, EVALUATION_IMAGES), ("texts", texts, EVALUATION_TEXTS)):
        path = root / "data" / "evaluation" / "0" / f"{name}.parquet"
        write_table(pa.Table.from_pylist(rows, schema=schema), path, schema)
    (root / "results" / "evaluation").mkdir(parents=True)
    for number, arm in enumerate(("small-worldwide", "small-english")):
        write_tiny_clip(root / "runs" / arm / "0", seed=number)
        rows = [{"arm": arm, "seed": 0, "measure": "top1", "language": code, "value": 0.5} for code in ("en", "ru")]
        pd.DataFrame(rows).to_csv(root / "results" / "evaluation" / f"{arm}.csv", index=False)
    for number, name in enumerate(("first", "second")):
        write_measured(root / "data" / "measured" / name, 0.5 + number / 4)
    return root


def write_measured(out: Path, value: float) -> None:
    """What `mc2lib evaluate` writes of one benchmark of four images in two languages."""
    sample = Sample(np.arange(4), np.full(4, value, np.float32), np.ones(4, np.float32))
    measured = {language: [Measured("top1", "", value, 4, sample)] for language in ("en", "ru")}
    for language, found in measured.items():
        write_language(out, "set", language, "made", 4, found)
    write_results(tabulate(out.name, "set", measured, 4), out / "report.csv")


def execute(study: Path, name: str, monkeypatch: pytest.MonkeyPatch, **parameters: Any) -> dict[str, Any]:
    """Run a notebook as papermill does, from the notebooks' folder as JupyterLab does; returns it executed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    source, target = study / "notebooks" / "explore" / f"{name}.ipynb", study / f"{name}.done.ipynb"
    papermill.execute_notebook(
        str(source), str(target), parameters, kernel_name="python3", progress_bar=False, cwd=str(source.parent)
    )
    content: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return content


def shown(notebook: dict[str, Any]) -> str:
    """All that a notebook's cells show, the state of its widgets included."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return json.dumps([outputs, notebook["metadata"].get("widgets", {})], ensure_ascii=False)


WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.mark.parametrize(
    ("name", "parameters", "seen"),
    [
        ("curation_playground", {"out": "data/tiny/out"}, WIDGET),
        ("image_search", {"run": "runs/small-english/0"}, WIDGET),
        ("pool_explorer", {"pool": "data/tiny/pool", "word": "photo"}, WIDGET),
        ("compare_arms", {}, "Cyrillic"),
        ("compare_models", {}, "Cyrillic"),
    ],
)
def test_it_runs_from_top_to_bottom(
    study: Path, name: str, parameters: dict[str, str], seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seen in shown(execute(study, name, monkeypatch, **parameters))


def test_every_notebook_is_tested() -> None:
    tested = {"curation_playground", "image_search", "pool_explorer", "compare_arms", "compare_models"}
    assert {path.stem for path in EXPLORE.glob("*.ipynb")} == tested


def test_what_is_missing_is_said_in_one_line_with_what_to_run(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PapermillExecutionError) as caught:
        execute(study, "curation_playground", monkeypatch)
    assert caught.value.ename == "InputError" and "make curate" in caught.value.evalue
    assert len(caught.value.traceback) == 1 and "Traceback" not in caught.value.traceback[0]


def test_an_error_of_the_input_has_no_traceback_in_a_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    shell = InteractiveShell()
    shell.run_cell("from mc2lib.errors import InputError\nraise InputError('data/x', 'is missing', 'Run `make x`.')")
    assert capsys.readouterr().out.strip() == "data/x: is missing. Run `make x`."
    shell.run_cell("raise ValueError('a fault of ours')")
    assert "Traceback" in capsys.readouterr().out
