"""mteb runs our models on its own tasks, here on a small local copy, and measures what we measure."""

import sys

import numpy as np
import pytest
from PIL import Image

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.paper.xm3600 import open_xm3600
from mc2lib.pipeline.evaluate.encoding import Encoding, Group
from mc2lib.pipeline.evaluate.evaluate import Options, evaluate_benchmark
from mc2lib.pipeline.evaluate.models.opening import open_model
from mc2lib.pipeline.evaluate.mteb_adapter import MtebModel
from tests.benchmark_sets import write_xm3600
from tests.pools import jpg
from tests.tiny_clip import write_tiny_clip

CAPTIONS = {
    "en": [[f"image {i}", f"the number {i * i}"] for i in range(12)],
    "sw": [[f"picha {i}"] for i in range(12)],
}


def test_without_mteb_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mteb.models.model_meta", None)
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(InputError, match=r"mteb: is not installed. Install it: pip install mteb"):
        MtebModel("x")


def test_mtebs_values_are_ours_on_its_own_xm3600_tasks(tmp_path):
    pytest.importorskip("mteb", reason="mteb is installed by `make rivals`")
    from benchmarks.evaluation_mteb import evaluate_tasks, load_tasks

    folder = write_xm3600(tmp_path / "xm3600", [jpg(20 * i, 40) for i in range(12)], CAPTIONS)
    model = str(write_tiny_clip(tmp_path / "model"))
    encoding = Encoding(open_model(model), tmp_path / "cache", Group())
    table = evaluate_benchmark(encoding, open_xm3600(folder), Options(tmp_path / "out")).set_index(
        ["language", "metric"]
    )
    found = evaluate_tasks(MtebModel(model), load_tasks(tmp_path))
    assert set(found) == {"en", "sw"}
    for language, values in found.items():
        for metric, value in values.items():
            assert value == pytest.approx(table.loc[(language, metric), "value"], abs=1e-5), (language, metric)


def test_images_of_mteb_are_prepared_without_loss(tmp_path):
    pytest.importorskip("mteb", reason="mteb is installed by `make rivals`")
    adapter = MtebModel(str(write_tiny_clip(tmp_path)))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    found = adapter.encode([{"image": [Image.fromarray(pixels)]}, {"image": [Image.fromarray(pixels)]}])
    prepared = adapter.model._prepare(Image.fromarray(pixels))[None]
    assert np.allclose(found, np.repeat(adapter.model.encode_images(prepared), 2, axis=0), atol=1e-6)
    assert adapter.similarity(found, found).shape == (2, 2)
    with pytest.raises(InputError, match="has no text and no image"):
        adapter.encode([{"audio": [1]}])
