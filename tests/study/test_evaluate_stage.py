"""Evaluating an arm: from files to files, with an encoder whose answers are known."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.io.files import write_json, write_table
from mc2lib.io.study_paths import Paths
from mc2lib.io.tars import write_images
from mc2lib.schemas import EVALUATION_IMAGES, EVALUATION_TEXTS
from mc2lib.study import evaluate_stage
from mc2lib.study.evaluate_stage import COLUMNS, METRICS, arrange, evaluate_arm, evaluate_encoder

STUDY = Path(__file__).parents[2]
COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}
NAMES = {"en": {"red": "red", "green": "green", "blue": "blue"}, "de": {"red": "rot", "green": "grün", "blue": "blau"}}
HELD_OUT = "blue"


class Painter:
    """Embeds an image as its mean colour, and the words it knows as theirs; others as white."""

    def __init__(self, *languages: str) -> None:
        self.words = {word: COLOURS[concept] for language in languages for concept, word in NAMES[language].items()}
        self.calls: list[list[str]] = []

    def encode_images(self, images):
        return self._point(images.reshape(len(images), -1, 3).mean(axis=1))

    def encode_texts(self, texts):
        self.calls.append(list(texts))
        return self._point(
            np.array([self.words.get(text.split(",")[0], (255, 255, 255)) for text in texts], dtype=float)
        )

    def _point(self, rows):
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def png(colour, alpha=255):
    written = io.BytesIO()
    Image.new("RGBA", (2, 2), (*colour, alpha)).save(written, "PNG")
    return written.getvalue()


def tables():
    images = [
        {
            "image": f"{style}/{concept}",
            "concept": concept,
            "style": style,
            "seen": concept != HELD_OUT,
            "png": png(colour),
        }
        for style in ("one", "two")
        for concept, colour in COLOURS.items()
    ]
    texts = [
        {"concept": concept, "language": language, "name": word, "caption": f"{word}, x", "seen": concept != HELD_OUT}
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


def test_an_encoder_that_reads_english_alone():
    encoder = Painter("en")
    data = arrange(*tables(), ("en", "de"), "here")
    found = {(row.measure, row.language): row.value for row in evaluate_encoder(encoder, data, "run")}
    assert found["en_top1", ""] == 1.0
    assert found["en_unseen_top1", ""] == 1.0
    assert found["world_top1", ""] == 0.0  # all German names are one point, and ties count against
    assert found["en_alignment", ""] == pytest.approx(0, abs=1e-6)
    assert len(encoder.calls) == 1  # all texts in one call,
    assert sorted(set(encoder.calls[0])) == encoder.calls[0]  # each once


def test_the_order_of_rows_does_not_matter():
    images, texts = tables()
    random = np.random.default_rng(0)
    shuffled = arrange(
        images.take(random.permutation(len(images))), texts.take(random.permutation(len(texts))), ("en", "de"), "here"
    )
    one = evaluate_encoder(Painter("en", "de"), arrange(images, texts, ("en", "de"), "here"), "run")
    other = evaluate_encoder(Painter("en", "de"), shuffled, "run")
    assert [row[:2] for row in one] == [row[:2] for row in other]
    assert [row.value for row in one] == pytest.approx([row.value for row in other])


def test_an_arm_from_files_to_files(study, monkeypatch):
    root, params = study
    asked = []
    for seed in params.seeds:
        write_json({"seen_pairs": 4096 + seed}, Paths(root).run("small-english", seed) / "model.json")
    monkeypatch.setattr(evaluate_stage, "load_encoder", lambda run: asked.append(run) or Painter("en", "de"))
    table = evaluate_arm(root, params, "small-english")
    assert asked == [root / "runs" / "small-english" / "0", root / "runs" / "small-english" / "1"]
    assert table.columns.tolist() == COLUMNS
    assert value(table, "top1", "de", seed=1) == value(table, "world_top1") == 1.0
    assert (value(table, "seen_pairs"), value(table, "seen_pairs", seed=1)) == (4096, 4097)
    written = pd.read_csv(root / "results/evaluation/small-english.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(written, table, check_dtype=False)
    metrics = json.loads((root / "results/evaluation/small-english.json").read_text())
    assert metrics["en_top1"] == 1.0
    assert metrics["world_top1_spread"] == 0.0
    assert set(metrics) == {*METRICS, "en_top1_spread", "world_top1_spread"}


def test_a_run_that_does_not_say_what_it_saw_is_named(study, monkeypatch):
    root, params = study
    monkeypatch.setattr(evaluate_stage, "load_encoder", lambda run: Painter("en"))
    write_json({}, Paths(root).run("small-english", 0) / "model.json")
    with pytest.raises(InputError, match=r"model\.json: no number of seen pairs\. Delete .* `dvc repro train`"):
        evaluate_arm(root, params, "small-english")


def test_a_diverged_run_is_named():
    encoder = Painter("en")
    encoder.encode_images = lambda images: np.full((len(images), 3), np.nan, np.float32)
    with pytest.raises(InputError, match="runs/x/0: its features are not finite"):
        evaluate_encoder(encoder, arrange(*tables(), ("en",), "here"), "runs/x/0")


def test_an_unknown_arm_is_named_with_the_near_miss(study):
    with pytest.raises(InputError, match=r"no arm 'small-englsh'.*'small-english'"):
        evaluate_arm(*study, "small-englsh")


def test_a_missing_run_is_named(study):
    with pytest.raises(InputError, match=r"small-english.0: no finished run here .*Train it to its end first"):
        evaluate_arm(*study, "small-english")


def test_texts_that_lack_a_language_are_refused():
    with pytest.raises(InputError, match="concept 'blue' has no texts in 'ru'"):
        arrange(*tables(), ("en", "ru"), "here")


def test_images_without_texts_are_refused():
    images, texts = tables()
    with pytest.raises(InputError, match="images of 'blue' have no texts"):
        arrange(images, texts.filter(pa.array([c != "blue" for c in texts["concept"].to_pylist()])), ("en",), "here")
