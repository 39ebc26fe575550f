"""A model card: front matter that a hub reads, the funnel that adds up, results, and what was out of reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import yaml

from mc2lib.errors import InputError
from mc2lib.io.files import write_table
from mc2lib.pipeline.export_model.export_model import export_model
from mc2lib.pipeline.export_model.run_data import read_run_data
from mc2lib.trainer.recipe import CuratedFiles, DrawnPool
from tests.pipeline.export_model.runs import VIT, write_finished_run

STEPS = [("rows of the pool", 100, 100), ("no entry matched", -30, 70), ("sampled out", -20, 50), ("kept", 0, 50)]
KEPT = {"de": 30, "en": 15, "other": 5, "fr": 0}


def write_pool(folder: Path) -> Path:
    """What a finished curation leaves of its funnel, of two epochs."""
    steps = [{"epoch": e, "step": s, "change": c + e, "left": n + e} for e in (0, 1) for s, c, n in STEPS]
    languages = [{"epoch": e, "language": name, "kept": kept + e} for e in (0, 1) for name, kept in KEPT.items()]
    write_table(pa.Table.from_pylist(steps), folder / "steps.parquet")
    write_table(pa.Table.from_pylist(languages), folder / "languages.parquet")
    return folder


def export(run: Path, target: Path, results: Path | None = None) -> tuple[dict[str, Any], str]:
    """The front matter and the text of a run's card."""
    export_model(run, "open_clip", target, results=results)
    _, front, text = (target / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(front), text


def test_a_pools_funnel_and_languages_are_in_the_card(tmp_path: Path) -> None:
    write_pool(tmp_path / "out" / "isolated")
    data = DrawnPool("../../out/isolated", 0, "abc")
    run = write_finished_run(tmp_path / "runs" / "one", VIT, data=data, fingerprint="f00d")
    front, text = export(run, tmp_path / "model")
    assert front["language"] == ["de", "en"] and front["library_name"] == "open_clip"
    assert front["pipeline_tag"] == "zero-shot-image-classification" and "multilingual" in front["tags"]
    assert "license" not in front, "the licence is the user's to choose"
    for row in ("| no entry matched | -30 | 70 |", "| kept |  | 50 |", "| de | 30 | 60.0% |", "| other | 5 | 10.0% |"):
        assert row in text
    assert "| fr |" not in text and "`f00d`" in text and "| seen pairs | 160 |" in text


def test_a_run_on_english_alone_says_so(tmp_path: Path) -> None:
    write_pool(tmp_path / "out" / "isolated")
    data = DrawnPool("../../out/isolated", 0, "abc")
    run = write_finished_run(tmp_path / "runs" / "one", VIT, data=data, languages="english")
    assert read_run_data(run).pairs == {"en": 15}
    other = write_finished_run(tmp_path / "runs" / "two", VIT, data=data, languages="other")
    assert read_run_data(other).pairs == {"de": 30, "other": 5} and read_run_data(other).languages == ["de"]


def test_a_run_on_files_counts_their_languages(tmp_path: Path) -> None:
    folder = write_pool(tmp_path / "curation" / "isolated")
    for number, languages in enumerate((["en", "de"], ["de"])):
        write_table(pa.table({"language": languages}), folder / "curated" / "0" / f"{number}.parquet")
    pairs = tuple(f"../../curation/isolated/curated/0/{number}.parquet" for number in (0, 1))
    run = write_finished_run(tmp_path / "runs" / "one", VIT, data=CuratedFiles(pairs, ("../images.tar",)))
    data = read_run_data(run)
    assert data.pairs == {"de": 2, "en": 1} and data.steps == STEPS


def test_what_is_out_of_reach_is_said(tmp_path: Path) -> None:
    run = write_finished_run(tmp_path / "runs" / "arm" / "0", VIT)
    front, text = export(run, tmp_path / "model")
    assert "language" not in front
    assert "The data was out of reach" in text and "Nothing was measured" in text
    (run / "recipe.json").unlink()  # as of a run that only its weights are left of
    assert "learning rate" not in export(run, tmp_path / "model 2")[1]


def test_results_come_from_a_report_or_from_the_study(tmp_path: Path) -> None:
    run = write_finished_run(tmp_path / "runs" / "x" / "0", VIT)
    rows = [
        ("me", "xm3600", "de", "recall@1", "", 0.25, 40, 0.2, 0.3),
        ("me", "xm3600", "macro", "recall@1", "", 0.5, 80, 0.4, 0.6),
        ("me", "geode", "", "top-1", "", 0.75, 20, None, None),
        ("me", "geode", "", "top-1", "Africa", 0.7, 20, None, None),
    ]
    columns = ["model", "benchmark", "language", "metric", "group", "value", "n", "low", "high"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "report.csv", index=False)
    text = export(run, tmp_path / "one", tmp_path / "report.csv")[1]
    assert "| xm3600 | recall@1 | 0.5 | 0.4 to 0.6 |" in text and "| geode | top-1 | 0.75 |  |" in text
    assert "0.25" not in text and "0.7 " not in text
    study = [("x", 0, "en_top1", "", 0.21), ("x", 1, "en_top1", "", 0.33), ("x", 0, "top1", "de", 0.01)]
    (tmp_path / "results" / "evaluation").mkdir(parents=True)
    frame = pd.DataFrame(study, columns=["arm", "seed", "measure", "language", "value"])
    frame.to_csv(tmp_path / "results" / "evaluation" / "x.csv", index=False)
    text = export(run, tmp_path / "two")[1]
    assert "| en_top1 | 0.21 |" in text and "0.33" not in text and "0.01" not in text
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"other\.csv: has no columns benchmark"):
        export(run, tmp_path / "three", tmp_path / "other.csv")
    assert not (tmp_path / "three").exists()
