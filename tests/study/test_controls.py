"""The controls: from files to files."""

import json

import numpy as np
import pytest

from mc2lib.errors import InputError
from mc2lib.io.study_paths import Paths
from mc2lib.io.tars import write_images
from mc2lib.study.controls import evaluate_controls
from tests.study.test_evaluate_stage import png, study, value

__all__ = ["study"]  # a fixture


def test_controls(study):
    root, params = study
    table = evaluate_controls(root, params)
    chance, pixels = table[table["arm"] == "chance"], table[table["arm"] == "pixel neighbour"]
    assert value(chance, "en_top1") == value(chance, "top1", "de") == pytest.approx(1 / 3)
    assert value(chance, "world_t2i_r1") == pytest.approx(2 / 6)
    assert value(chance, "tail_top1", "de") == value(chance, "head_top1", "en") == pytest.approx(1 / 3)
    assert value(chance, "world_mrr") == pytest.approx(11 / 18)
    assert value(chance, "en_loss") == pytest.approx(np.log(2))
    assert value(pixels, "en_mrr") == value(pixels, "tail_top1", "de") == 1.0
    assert pixels[pixels["measure"] == "en_loss"].empty  # distances are no logits
    assert value(pixels, "en_top1") == value(pixels, "world_top1") == 1.0  # the darker red is nearest to red
    assert value(pixels, "en_unseen_top1") == 0.0
    written = json.loads((root / "results/controls.json").read_text())
    assert written["pixel_neighbour"]["en_top1"] == 1.0
    assert (root / "results/controls.csv").exists()


def test_transparent_drawings_are_seen_over_white(study):
    root, params = study
    # A wholly transparent red is white: as far from the red as from the green, so it helps neither.
    for seed in params.seeds:
        drawings = [("three/red", png((255, 0, 0), alpha=0)), ("three/green", png((0, 200, 0)))]
        write_images(drawings, Paths(root).pool("base", seed) / "images-00000.tar")
    table = evaluate_controls(root, params)
    red_and_green = value(table[table["arm"] == "pixel neighbour"], "en_top1")
    assert red_and_green == 0.5 + 0.5 * (2 * 255**2 < 255**2 + 200**2)


def test_head_and_tail_of_the_pixel_neighbour_are_the_languages(study):
    root, params = study
    for seed in params.seeds:  # all that is red or green is nearest to this red
        drawings = [("three/red", png((128, 128, 0))), ("three/green", png((255, 255, 255)))]
        write_images(drawings, Paths(root).pool("base", seed) / "images-00000.tar")
    table = evaluate_controls(root, params)
    pixels = table[table["arm"] == "pixel neighbour"]
    assert (value(pixels, "head_top1", "en"), value(pixels, "tail_top1", "en")) == (1.0, 0.0)
    assert (value(pixels, "head_top1", "de"), value(pixels, "tail_top1", "de")) == (0.0, 1.0)


def test_a_missing_evaluation_file_is_named(study):
    root, params = study
    (Paths(root).evaluation(1) / "texts.parquet").unlink()
    with pytest.raises(InputError, match=r"evaluation.1.texts\.parquet: no such file"):
        evaluate_controls(root, params)


def test_missing_shards_are_named(study):
    root, params = study
    (Paths(root).pool("base", 0) / "images-00000.tar").unlink()
    with pytest.raises(InputError, match=r"no images-\*\.tar.*dvc repro pool"):
        evaluate_controls(root, params)
