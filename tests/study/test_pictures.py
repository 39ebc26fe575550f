"""The study's pictures, from files to files, with an encoder whose answers are known."""

from __future__ import annotations

import dataclasses
import io
import json
import re
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
from mc2lib.schemas import DRAWINGS, EVALUATION_IMAGES, EVALUATION_TEXTS
from mc2lib.study import pictures
from mc2lib.study.evaluate_stage import EvaluationSet
from mc2lib.study.pictures import (
    PERCENTILES,
    choose_arm,
    choose_concepts,
    choose_languages,
    draw_learning,
    draw_pool,
    draw_search,
    reduce_colours,
    search,
    write_arm_points,
)
from mc2lib.study.sources import STYLES
from tests.tiny import CONCEPTS, name_of, write_sources

STUDY = Path(__file__).parents[2]
LANGUAGES = ("en", "de", "ja")
NAMES = sorted(CONCEPTS)
HELD_OUT = ("twemoji", "openmoji")


class Knower:
    """Embeds a drawing as its concept, and of the languages' names only the English ones; others as nothing."""

    def __init__(self, labels):
        self.labels = labels

    def encode_images(self, images):
        return np.eye(len(NAMES), dtype=np.float32)[self.labels]

    def encode_texts(self, texts):
        return np.array([[text == name for name in NAMES] for text in texts], dtype=np.float32)


def png(size=2):
    written = io.BytesIO()
    Image.new("RGBA", (size, size), (255, 0, 0, 128)).save(written, "PNG")
    return written.getvalue()


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of a dozen concepts in three languages whose arms are trained, and its parameters."""
    params = dataclasses.replace(load_params(STUDY), seeds=(3,), languages=LANGUAGES)
    write_sources(tmp_path)
    paths = Paths(tmp_path)
    images = [
        {"image": f"{style}/{name}", "concept": name, "style": style, "seen": name != "key", "png": png()}
        for style in HELD_OUT
        for name in NAMES
    ]
    texts = [
        {
            "concept": name,
            "language": language,
            "name": name_of(name, language),
            "caption": name,
            "seen": name != "key",
            "pool_pairs": 1,
        }
        for language in LANGUAGES
        for name in NAMES
    ]
    write_table(pa.Table.from_pylist(images, EVALUATION_IMAGES), paths.evaluation(3) / "images.parquet")
    write_table(pa.Table.from_pylist(texts, EVALUATION_TEXTS), paths.evaluation(3) / "texts.parquet")
    for arm in params.arms:
        write_json({"batch_size": 64}, paths.run(arm, 3) / "model.json")
        (paths.run(arm, 3) / "log.csv").write_text("step,loss,learning_rate,logit_scale\n0,4,0.1,14\n10,3,0.1,14\n")
    loaded = []
    monkeypatch.setattr(
        pictures, "load_encoder", lambda run: loaded.append(run) or Knower(np.tile(np.arange(len(NAMES)), 2))
    )
    return tmp_path, params, loaded


def test_the_pools_drawings_are_written_style_by_style(study):
    root, params, _ = study
    rows = [
        {"image": f"{style}/{name}", "concept": name, "family": "f", "style": style, "png": png()}
        for style in STYLES
        for name in NAMES
    ]
    write_table(pa.Table.from_pylist(rows, DRAWINGS), Paths(root).drawings, DRAWINGS)
    figure = draw_pool(root, params)
    styles = [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()]
    assert styles == [style + (" (test)" if style in HELD_OUT else "") for style in STYLES]
    assert (root / "results/figures/pool.png").read_bytes().startswith(b"\x89PNG")


def test_the_search_is_written_and_shown(study):
    root, params, loaded = study
    svg = draw_search(root, params)._repr_svg_()
    written = root / "results" / "figures" / "search.svg"
    assert written.read_text(encoding="utf-8") == svg and len(written.read_bytes()) < 400_000
    # an English query finds both drawings of its concept; others find the first of all drawings, right for one in 12
    assert "among the first 5: 100 % in English" in svg
    assert ">English<" in svg and ">Japanese<" in svg and ">German<" not in svg  # one language per script
    assert loaded == [Paths(root).run(choose_arm(Paths(root), params, 3), 3)]
    assert f"{loaded[0].parent.name}, seed 3" in re.sub(r"</text>\n<text[^>]*>", " ", svg)
    before = written.read_bytes()
    draw_search(root, params)
    assert written.read_bytes() == before


def test_the_arm_is_the_recipes_and_the_longest_of_the_largest_tower(study):
    root, params, _ = study
    arms = params.arms
    chosen = arms[choose_arm(Paths(root), params, 3)]
    assert (chosen.curation, chosen.languages, chosen.tokenizer, chosen.mix) == ("isolated", "all", "gemma", "base")
    rivals = [
        arm for arm in arms.values() if (arm.curation, arm.languages, arm.seen) == ("isolated", "all", chosen.seen)
    ]
    assert chosen.seen == "1/english_share" and chosen.steps == max(arm.steps for arm in rivals)
    with pytest.raises(InputError, match=r"no finished run.*dvc repro train"):
        choose_arm(Paths(root / "elsewhere"), params, 3)


def data_of(names, labels, seen=None):
    seen = np.ones(len(names), bool) if seen is None else seen
    pixels, pool_pairs = np.zeros((len(labels), 2, 2, 3), np.uint8), np.ones((1, len(names)), np.int64)
    return EvaluationSet(pixels, np.array(labels), tuple(names), seen, ("en",), list(names), [], pool_pairs)


def test_concepts_are_those_at_the_percentiles():
    names = [f"c{number:03}" for number in range(101)] + ["sign", "unseen"]
    data = data_of(names, range(103), np.array([True] * 102 + [False]))
    first = np.array([[*range(100, -1, -1), 0, 0]])  # c000 is found last, c100 first; sign and unseen at once
    chosen = choose_concepts(data, first, {"sign": "Symbols"})
    assert {percentile: names[i] for percentile, i in chosen.items()} == {90: "c090", 50: "c050", 25: "c025"}
    assert tuple(chosen) == PERCENTILES


def test_searching_by_hand():
    class Fixed:
        def encode_texts(self, texts):
            return np.eye(2, dtype=np.float32)

        def encode_images(self, images):
            return np.array([[1.0, 0.1], [0.9, 0.2], [0.0, 1.0]], dtype=np.float32)

    nearest, first = search(Fixed(), data_of(["a", "b"], [1, 0, 0]))
    assert nearest.tolist() == [[[0, 1, 2], [2, 1, 0]]]
    assert first.tolist() == [[1, 2]]  # a's first right drawing is the second, b's the third


def test_one_language_for_each_script_in_the_order_given():
    assert choose_languages(["en", "ru", "de", "ja", "uk", "zh"]) == ["en", "ru", "ja", "zh"]
    assert len(choose_languages(load_params(STUDY).languages)) == pictures.ROWS


def test_a_drawing_is_flattened_on_white():
    image = Image.open(io.BytesIO(reduce_colours(png(8)))).convert("RGB")
    assert image.size == (8, 8) and image.getpixel((0, 0)) == pytest.approx((255, 127, 127), abs=2)


def test_learning_curves_are_of_the_arms_that_were_trained(study):
    root, params, _ = study
    arms = params.table("curation")
    (Paths(root).run(arms[0], 3) / "model.json").unlink()
    figure = draw_learning(root, params, arms)
    named = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert sorted(named) == sorted(arms[1:])
    assert (root / "results/figures/learning.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="no finished run"):
        draw_learning(root / "elsewhere", params, arms)


def test_points_for_dvc_are_of_every_arm_and_seed_in_the_studys_order(tmp_path):
    params = load_params(STUDY)
    first, second = list(params.arms)[:2]
    rows = [
        (a, s, m, "", v)
        for a, v in ((second, 0.1), (first, 0.2))
        for s in (1, 0)
        for m in ("en_top1", "world_top1", "x")
    ]
    write_arm_points(tmp_path, params, pd.DataFrame(rows, columns=["arm", "seed", "measure", "language", "value"]))
    written = pd.read_csv(tmp_path / "results/plots/arms.csv")
    assert written.columns.tolist() == ["arm", "seed", "en_top1", "world_top1"]
    assert written["arm"].tolist() == [first, first, second, second] and written["seed"].tolist() == [0, 1, 0, 1]
    assert written["world_top1"].tolist() == [0.2, 0.2, 0.1, 0.1]


def test_the_notebooks_call_them():
    cells = json.loads((STUDY / "notebooks/6_ablation.ipynb").read_text(encoding="utf-8"))["cells"]
    code = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert all(
        f"{name}(root, params" in code for name in ("draw_pool", "draw_search", "draw_learning", "write_arm_points")
    )
