"""The report: from measures on disk to tables, figures, sentences and the summary."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.recipe.evaluation.measures import summarise
from mc2lib.schemas import CONCEPT_MEASURES
from mc2lib.study.report import (
    COLUMNS,
    headline_text,
    read_concepts,
    read_curation,
    read_evaluation,
    read_measures,
    read_thresholds,
    write_report,
)

STUDY = Path(__file__).parents[2]
SCRIPTS = {"en": "Latin", "de": "Latin", "ru": "Cyrillic"}


@pytest.fixture(scope="module")
def params():
    return dataclasses.replace(load_params(STUDY), languages=("en", "de", "ru"))


def rows(arm, english, world):
    """Top-1 of one arm: `english` a seed, and the other languages five points about `world`."""
    return [
        (arm, seed, *measure)
        for seed, each in enumerate(english)
        for per_language in [{"en": each, "de": world - 0.05, "ru": world + 0.05}]
        for measure in [*(("top1", k, v) for k, v in per_language.items()), *summarise("top1", per_language, SCRIPTS)]
    ]


def write_arm(root, arm, english, world, name=None):
    path = root / "results" / (name or f"evaluation/{arm}.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows(arm, english, world), columns=COLUMNS).to_csv(path, index=False)


def write_controls(root):
    found = [*rows("chance", [0.06] * 3, 0.06), *rows("pixel neighbour", [0.30, 0.31, 0.32], 0.31)]
    (root / "results").mkdir(parents=True, exist_ok=True)
    pd.DataFrame(found, columns=COLUMNS).to_csv(root / "results/controls.csv", index=False)


@pytest.fixture(scope="module")
def report(tmp_path_factory, params):
    root = tmp_path_factory.mktemp("study")
    write_arm(root, "small-english", [0.40, 0.42, 0.44], 0.10)
    write_arm(root, "small-worldwide-scaled", [0.35, 0.36, 0.37], 0.20)
    write_arm(root, "raw", [0.35, 0.35, 0.39], 0.15)
    write_arm(root, "an-arm-of-the-past", [0.9], 0.9)
    write_controls(root)
    evaluation = root / "results/evaluation/small-english.csv"
    seen = "".join(f"small-english,{seed},seen_pairs,,4096.0\n" for seed in range(3))
    evaluation.write_text(evaluation.read_text() + seen)
    rows = ["base,0,en,24", "base,0,de,1", "base,0,ru,1", "base,1,en,24", "base,1,de,1", "base,1,ru,3", "stress,0,en,1"]
    (root / "results/thresholds.csv").write_text("\n".join(["mix,seed,language,t", *rows]) + "\n")
    return root, write_report(root, params)


def test_summary(report):
    _, summary = report
    assert (summary["what"], summary["arms"], summary["seeds"]) == ("study", 3, 3)
    assert list(summary["headline"]) == ["small-english", "small-worldwide-scaled", "raw"]
    assert summary["headline"]["small-english"]["en_top1"] == pytest.approx([0.42, 0.02])
    assert summary["headline"]["small-worldwide-scaled"]["world_top1"] == pytest.approx([0.20, 0.0])
    assert summary["controls"]["pixel_neighbour"]["en_top1"] == pytest.approx([0.31, 0.01])
    curse = summary["effects"]["curse_stays_small"]
    assert (curse["bar"], curse["direction"], curse["verdict"]) == ("paper", "below", "shows")
    assert (curse["ours"], curse["spread"]) == (pytest.approx(-0.06), pytest.approx(0.01))
    assert curse["differences"] == pytest.approx([-0.05, -0.06, -0.07]) and curse["seeds"] == [0, 1, 2]
    assert curse["interval"] == pytest.approx(
        [-0.06 - 4.3027 * 0.01 / 3**0.5, -0.06 + 4.3027 * 0.01 / 3**0.5], abs=1e-6
    )
    assert (curse["p"], curse["holm_p"]) == (pytest.approx(0.0092, abs=1e-3), pytest.approx(2 * curse["p"]))
    assert curse["bootstrap"] is None  # nothing by concept
    raw = summary["effects"]["curation_english"]  # 0, +1, -2 points
    assert (raw["bar"], raw["verdict"], raw["holm_p"]) == ("ours", "cannot tell", pytest.approx(raw["p"]))
    assert raw["largest_possible"] == pytest.approx(raw["interval"][1]) and raw["smallest_of_interest"] == 0.01
    assert summary["holm_family"] == 3
    assert summary["seen_pairs"] == {"small-english": 4096.0}
    assert summary["thresholds"] == {"de": [1, 1], "en": [24, 24], "ru": [1, 3]}
    assert set(summary["effects"]) == {"curse_stays_small", "curation_english", "curation_world"}


def test_summary_is_plain_finite_json(report):
    root, summary = report
    text = json.dumps(summary, allow_nan=False)
    assert json.loads((root / "results/summary.json").read_text()) == json.loads(text)


def test_every_table_has_the_controls_as_rows(report, params):
    root, _ = report
    for name in params.tables:
        table = pd.read_csv(root / f"results/tables/{name}.csv")
        assert table["arm"].tolist()[:2] == ["chance", "pixel neighbour"]
        assert "pixel neighbour" in (root / f"results/tables/{name}.md").read_text()
    main = pd.read_csv(root / "results/tables/main.csv").set_index("arm")
    assert main.loc["small-english", "en_top1"] == pytest.approx(0.42)


def test_figures_and_plots(report):
    root, _ = report
    figures = {path.stem for path in (root / "results/figures").iterdir()}
    assert figures == {"headline", "curation", "curation-shares", "tokenizer", "languages", "effects"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (root / "results/figures").iterdir())
    assert {path.stem for path in (root / "results/plots").iterdir()} == {"effects", "languages"}
    assert len(pd.read_csv(root / "results/plots/languages.csv")) == 3 * 3


def test_prose(report):
    text = (report[0] / "results/report.md").read_text()
    row = "| Scaled worldwide against English-only, small tower | below zero (the paper's) | −6.0 [−8.5, −3.5] points |"
    assert row in text
    assert (
        "Seed by seed: −5.0, −6.0, −7.0; p = 0.009 by itself, p = 0.018 after Holm's correction. It **shows**." in text
    )
    assert "We, not the paper, expect a difference above zero: curation is the recipe's premise" in text
    assert "no effect below has one, because there are no results by concept" in text
    assert "t = 1 in 1 to 2 (by seed) of 3 languages" in text
    assert "told each training drawing's true concept" in text
    assert "Below it in the mean" in text and "| chance | 6.00 ± 0.00 |" in text
    assert "Not evaluated, and so left out: small-other" in text
    assert "an-arm-of-the-past" not in text
    assert "nan" not in text.lower().split()


def test_headline_text(report):
    lines = headline_text(report[1]).splitlines()
    assert [line.split("  ")[0] for line in lines[2:7]] == [
        "chance", "pixel neighbour", "small-english", "small-worldwide-scaled", "raw",
    ]  # fmt: skip
    assert "42.0 ± 2.0 %" in lines[4]
    assert len({len(line) for line in lines[:7]}) == 1
    assert "curse_stays_small" in lines[-1]
    assert "curation_english" not in lines[-1]


def test_the_same_measures_give_the_same_bytes(report, params):
    root, _ = report
    wanted = {path: path.read_bytes() for path in (root / "results").rglob("*") if path.is_file()}
    write_report(root, params)
    assert {path: path.read_bytes() for path in (root / "results").rglob("*") if path.is_file()} == wanted


def test_one_seed_of_one_arm_still_reports(tmp_path, params):
    write_arm(tmp_path, "raw", [0.2], 0.1)
    write_controls(tmp_path)
    summary = write_report(tmp_path, params)
    assert summary["headline"] == {"raw": {"en_top1": [0.2, 0.0], "world_top1": [pytest.approx(0.1), 0.0]}}
    assert summary["effects"] == {}
    assert math.isfinite(summary["headline"]["raw"]["world_top1"][0])
    assert "shows: nothing" in headline_text(summary)


def write_concepts(root, arm, english, shift=0.0):
    """Two concepts of one and three drawings, whose mean is what write_arm says of English."""
    cells = [
        (seed, "en_top1", concept, drawings, each + shift + step)
        for seed, each in enumerate(english)
        for concept, drawings, step in (("cat", 1, 0.03 * (seed + 1)), ("dog", 3, -0.01 * (seed + 1)))
    ]
    path = root / f"results/evaluation/{arm}.parquet"
    table = pa.table(dict(zip(CONCEPT_MEASURES.names, zip(*cells, strict=True), strict=True)), schema=CONCEPT_MEASURES)
    pq.write_table(table, path)


def test_results_by_concept_give_bootstrap_intervals(tmp_path, params):
    for arm, english in (("small-english", [0.40, 0.42, 0.44]), ("small-worldwide-scaled", [0.35, 0.36, 0.37])):
        write_arm(tmp_path, arm, english, 0.1)
        write_concepts(tmp_path, arm, english)
    write_arm(tmp_path, "raw", [0.35, 0.35, 0.39], 0.15)
    write_controls(tmp_path)
    effects = write_report(tmp_path, params)["effects"]
    low, high = effects["curse_stays_small"]["bootstrap"]
    assert (low + high) / 2 == pytest.approx(-0.06) and low <= effects["curse_stays_small"]["interval"][0] + 1e-12
    assert effects["curation_english"]["bootstrap"] is None  # the raw arm says nothing by concept
    text = (tmp_path / "results/report.md").read_text()
    assert "; bootstrap interval −8.5 to −3.5; p = 0.009" in text and "`curation_english`" in text


def test_results_by_concept_that_contradict_the_table_are_named(tmp_path, params):
    write_arm(tmp_path, "raw", [0.2, 0.3], 0.1)
    write_concepts(tmp_path, "raw", [0.2, 0.3], shift=0.01)
    with pytest.raises(
        InputError, match=r"raw\.parquet: its mean of en_top1, seed 0, is not the one in raw\.csv\. Run"
    ):
        read_concepts(tmp_path, params, read_measures(tmp_path, params))
    (tmp_path / "results/evaluation/raw.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"raw\.parquet: not a whole Parquet file"):
        read_concepts(tmp_path, params, read_measures(tmp_path, params))


@pytest.mark.parametrize("content", ["", "mix,seed,language\nbase,0,en\n", "mix,seed,language,t\nbase,0,en,x\n"])
def test_broken_thresholds_are_named(tmp_path, content):
    path = tmp_path / "results/thresholds.csv"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(InputError, match=r"thresholds\.csv: .*Delete it\. Run `dvc repro balance`"):
        read_thresholds(tmp_path)


def test_results_without_thresholds_say_nothing_of_them(tmp_path):
    assert read_thresholds(tmp_path).empty


def test_no_evaluation_names_the_stage(tmp_path, params):
    with pytest.raises(InputError, match=r"no arm was evaluated yet.*dvc repro evaluate"):
        read_measures(tmp_path, params)


def test_a_missing_evaluation_names_file_and_stage(tmp_path):
    with pytest.raises(InputError, match=r"evaluation.raw\.csv: no such file\. Run `dvc repro evaluate@raw`"):
        read_evaluation(tmp_path, "raw")


def test_missing_controls_name_the_stage(tmp_path, params):
    write_arm(tmp_path, "raw", [0.2], 0.1)
    with pytest.raises(InputError, match=r"controls\.csv: no such file\. Run `dvc repro ablation`"):
        write_report(tmp_path, params)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"arm,seed,measure,language,value\n",
        b"arm,seed,measure,language,value\nraw,0,en_top1,,nan\n",
        b"arm,seed,measure,language,value\nraw,0,en_top1,,\n",
        b"arm,seed,measure,language,value\nraw,0,en_t",
        b"arm,seed,measure\nraw,0,en_top1\n",
        b"\x89PNG\r\n\x1a\n\xff\xfe",
    ],
)
def test_a_broken_evaluation_is_named(tmp_path, content):
    path = tmp_path / "results/evaluation/raw.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"raw\.csv: .*Delete it\. Run `dvc repro evaluate@raw`"):
        read_evaluation(tmp_path, "raw")


def test_grades_of_curation_are_read_and_a_broken_file_is_named(tmp_path):
    assert read_curation(tmp_path).empty
    path = tmp_path / "results" / "curation.csv"
    path.parent.mkdir()
    path.write_text("mix,seed,curation,pairs\nbase,0,pool,9\nnoisy,0,pool,8\n")
    assert read_curation(tmp_path).to_dict("records") == [
        {"mix": "base", "seed": 0, "curation": "pool", "pairs": 9},
        {"mix": "noisy", "seed": 0, "curation": "pool", "pairs": 8},
    ]
    path.write_text("seed,curation\n0,pool\n")
    with pytest.raises(InputError, match=r"curation\.csv: not a table of curation .*Run `dvc repro balance`"):
        read_curation(tmp_path)
