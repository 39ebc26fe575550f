"""Evaluating an arm: from files to files, with an encoder whose answers are known."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from PIL import Image

from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.io.files import read_table, write_json, write_table
from mc2lib.io.study_paths import Paths
from mc2lib.io.tars import write_images
from mc2lib.recipe.evaluation.measures import Measure
from mc2lib.schemas import CONCEPT_MEASURES, EVALUATION_IMAGES, EVALUATION_TEXTS
from mc2lib.study.evaluate_stage import COLUMNS, METRICS, arrange, evaluate_arm, evaluate_encoder, evaluate_run
from tests.trainer.test_encoder import write_run

STUDY = Path(__file__).parents[2]
COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}
NAMES = {"en": {"red": "red", "green": "green", "blue": "blue"}, "de": {"red": "rot", "green": "grün", "blue": "blau"}}
PAIRS = {"en": {"red": 90, "green": 7}, "de": {"red": 3, "green": 5}}
HELD_OUT = "blue"


class Painter:
    """Embeds an image as its mean colour, and the words it knows as theirs; others as white."""

    def __init__(self, *languages: str) -> None:
        self.words = {word: COLOURS[concept] for language in languages for concept, word in NAMES[language].items()}
        self.calls: list[list[str]] = []
        self.logit_scale = 1.0

    def encode_images(self, images):
        return self._point(images.reshape(len(images), -1, 3).mean(axis=1))

    def encode_texts(self, texts):
        self.calls.append(list(texts))
        return self._point(
            np.array([self.words.get(text.split(",")[0], (255, 255, 255)) for text in texts], dtype=float)
        )

    def _point(self, rows):
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def png(colour, alpha=255, size=2):
    written = io.BytesIO()
    Image.new("RGBA", (size, size), (*colour, alpha)).save(written, "PNG")
    return written.getvalue()


def tables(size=2):
    images = [
        {
            "image": f"{style}/{concept}",
            "concept": concept,
            "style": style,
            "seen": concept != HELD_OUT,
            "png": png(colour, size=size),
        }
        for style in ("one", "two")
        for concept, colour in COLOURS.items()
    ]
    texts = [
        {
            "concept": concept,
            "language": language,
            "name": word,
            "caption": f"{word}, x",
            "seen": concept != HELD_OUT,
            "pool_pairs": PAIRS[language].get(concept, 0),
        }
        for language, words in NAMES.items()
        for concept, word in words.items()
    ]
    return pa.Table.from_pylist(images, EVALUATION_IMAGES), pa.Table.from_pylist(texts, EVALUATION_TEXTS)


@pytest.fixture
def study(tmp_path):
    """A study of three colours in two languages, two seeds, and its parameters."""
    params = dataclasses.replace(load_params(STUDY), seeds=(0, 1), languages=("en", "de"))
    images, texts = tables()
    paths = Paths(tmp_path)
    for seed in params.seeds:
        write_table(images, paths.evaluation(seed) / "images.parquet", EVALUATION_IMAGES)
        write_table(texts, paths.evaluation(seed) / "texts.parquet", EVALUATION_TEXTS)
        drawings = [("three/red", png((200, 0, 0))), ("three/green", png((0, 200, 0)))]
        write_images(drawings, paths.pool("base", seed) / "images-00000.tar")
    return tmp_path, params


def value(table, measure, language="", seed=0):
    found = table[(table["measure"] == measure) & (table["language"] == language) & (table["seed"] == seed)]
    assert len(found) == 1
    return found["value"].item()


@pytest.fixture
def painted(monkeypatch):
    """Runs whose encoder is a painter of English and German, loaded in this process; the runs that were asked for."""
    asked = []
    monkeypatch.setattr("mc2lib.trainer.encoder.load_encoder", lambda run: asked.append(run) or Painter("en", "de"))
    monkeypatch.setattr("torch.set_num_threads", lambda count: None)
    return asked


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A study whose arm `small-english` has weights of two seeds, neither trained, and its parameters."""
    root = tmp_path_factory.mktemp("trained")
    params = dataclasses.replace(load_params(STUDY), seeds=(0, 1), languages=("en", "de"))
    paths = Paths(root)
    images, texts = tables(size=32)
    paths.run("small-english", 0).parent.mkdir(parents=True)
    for seed in params.seeds:
        torch.manual_seed(seed)
        write_run(paths.run("small-english", seed), "bytes")
        rows = len(images) - seed  # the second seed lacks a drawing
        write_table(images.slice(0, rows), paths.evaluation(seed) / "images.parquet", EVALUATION_IMAGES)
        write_table(texts, paths.evaluation(seed) / "texts.parquet", EVALUATION_TEXTS)
    return root, params


def test_an_encoder_that_reads_english_alone():
    encoder = Painter("en")
    data = arrange(*tables(), ("en", "de"), "here")
    found = {(row.measure, row.language): row.value for row in evaluate_encoder(encoder, data, "run").measures}
    assert found["en_top1", ""] == 1.0
    assert found["en_unseen_top1", ""] == 1.0
    assert found["world_top1", ""] == 0.0  # all German names are one point, and ties count against
    assert found["world_mrr", ""] == 1 / 3
    assert found["en_alignment", ""] == pytest.approx(0, abs=1e-6)
    assert found["world_loss", ""] == pytest.approx(np.log(2))  # both seen concepts have the same caption
    assert len(encoder.calls) == 1  # all texts in one call,
    assert sorted(set(encoder.calls[0])) == encoder.calls[0]  # each once


def test_head_and_tail_are_of_the_pool_in_that_language():
    encoder = Painter("en", "de")
    encoder.words["red"] = encoder.words["rot"] = (-255, 0, 0)  # the opposite of red
    data = arrange(*tables(), ("en", "de"), "here")
    assert data.pool_pairs.tolist() == [[0, 7, 90], [0, 5, 3]]
    found = {(row.measure, row.language): row.value for row in evaluate_encoder(encoder, data, "run").measures}
    assert (found["head_top1", "en"], found["tail_top1", "en"]) == (0.0, 1.0)  # red is frequent in English
    assert (found["head_top1", "de"], found["tail_top1", "de"]) == (1.0, 0.0)  # and rare in German


def test_the_order_of_rows_does_not_matter():
    images, texts = tables()
    random = np.random.default_rng(0)
    shuffled = arrange(
        images.take(random.permutation(len(images))), texts.take(random.permutation(len(texts))), ("en", "de"), "here"
    )
    one = evaluate_encoder(Painter("en", "de"), arrange(images, texts, ("en", "de"), "here"), "run")
    assert evaluate_encoder(Painter("en", "de"), shuffled, "run") == one


def test_a_run_from_its_folder(study, painted):
    root, params = study
    write_json({"seen_pairs": 4096}, Paths(root).run("small-english", 1) / "model.json")
    measures, concepts = evaluate_run(Paths(root), params, "small-english", 1)
    assert painted == [root / "runs" / "small-english" / "1"]
    assert measures[0] == Measure("seen_pairs", "", 4096.0)
    assert Measure("top1", "de", 1.0) in measures
    assert concepts.schema == CONCEPT_MEASURES
    rows = concepts.filter(pc.equal(concepts["measure"], "world_top1")).to_pylist()
    of_both = {"seed": 1, "measure": "world_top1", "drawings": 2, "value": 1.0}
    assert rows == [of_both | {"concept": "green"}, of_both | {"concept": "red"}]  # blue is held out


def test_an_arm_writes_the_same_bytes_however_many_processes_there_are(trained):
    root, params = trained
    written = []
    for processes in (1, 2):
        machine = dataclasses.replace(params.machine, processes=processes)
        table = evaluate_arm(root, dataclasses.replace(params, machine=machine), "small-english")
        files = sorted((root / "results/evaluation").iterdir())
        assert [file.name for file in files] == [f"small-english.{kind}" for kind in ("csv", "json", "parquet")]
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]
    assert table.columns.tolist() == COLUMNS and table["seed"].unique().tolist() == [0, 1]
    csv, json_file, parquet = files
    pd.testing.assert_frame_equal(pd.read_csv(csv, keep_default_na=False), table, check_dtype=False)
    metrics = json.loads(json_file.read_text())
    assert set(metrics) == {*METRICS, "en_top1_spread", "world_top1_spread"}
    assert metrics["en_top1"] == table.loc[table["measure"] == "en_top1", "value"].mean()
    _check_concepts(table, read_table(parquet, CONCEPT_MEASURES).to_pandas())


def _check_concepts(table, concepts):
    """The mean over concepts, weighted by drawings, is the arm's measure, in each seed."""
    assert set(concepts["measure"]) == {f"{part}_{m}" for part in ("en", "world") for m in ("top1", "top5", "mrr")}
    assert concepts.loc[concepts["seed"] == 1, "drawings"].unique().tolist() == [2, 1]
    for (seed, measure), rows in concepts.groupby(["seed", "measure"]):
        mean = np.average(rows["value"], weights=rows["drawings"])
        assert mean == pytest.approx(value(table, measure, seed=seed), abs=1e-12)


def test_a_run_that_does_not_say_what_it_saw_is_named(study, painted):
    root, params = study
    write_json({}, Paths(root).run("small-english", 0) / "model.json")
    with pytest.raises(InputError, match=r"model\.json: no number of seen pairs\. Delete .* `dvc repro train`"):
        evaluate_run(Paths(root), params, "small-english", 0)


def test_a_diverged_run_is_named():
    encoder = Painter("en")
    encoder.encode_images = lambda images: np.full((len(images), 3), np.nan, np.float32)
    with pytest.raises(InputError, match="runs/x/0: its features are not finite"):
        evaluate_encoder(encoder, arrange(*tables(), ("en",), "here"), "runs/x/0")


def test_an_unknown_arm_is_named_with_the_near_miss(study):
    with pytest.raises(InputError, match=r"no arm 'small-englsh'.*'small-english'"):
        evaluate_arm(*study, "small-englsh")


def test_a_missing_run_is_named(study, monkeypatch):
    root, params = study
    monkeypatch.setattr("torch.set_num_threads", lambda count: None)
    with pytest.raises(InputError, match=r"small-english.0: no finished run here .*Train it to its end first"):
        evaluate_run(Paths(root), params, "small-english", 0)


def test_texts_that_lack_a_language_are_refused():
    with pytest.raises(InputError, match="concept 'blue' has no texts in 'ru'"):
        arrange(*tables(), ("en", "ru"), "here")


def test_images_without_texts_are_refused():
    images, texts = tables()
    with pytest.raises(InputError, match="images of 'blue' have no texts"):
        arrange(images, texts.filter(pa.array([c != "blue" for c in texts["concept"].to_pylist()])), ("en",), "here")
