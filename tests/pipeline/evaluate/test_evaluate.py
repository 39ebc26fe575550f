"""The whole of an evaluation: each image and text once, resumed, honest about what is broken, on many ranks."""

import dataclasses
import hashlib
import itertools
import json

import numpy as np
import pandas as pd
import pytest
import torch

from mc2lib.commands.command_line import main
from mc2lib.errors import InputError
from mc2lib.io.benchmarks.benchmark_set import NO_LANGUAGE
from mc2lib.io.benchmarks.paper.babel_imagenet import open_babel_imagenet
from mc2lib.io.benchmarks.paper.cvqa import open_cvqa
from mc2lib.io.benchmarks.paper.geode import open_geode, open_geode_location
from mc2lib.io.benchmarks.paper.xm3600 import open_xm3600
from mc2lib.io.benchmarks.webdatasets import open_webdataset
from mc2lib.pipeline.evaluate import encoding as encoding_module
from mc2lib.pipeline.evaluate.encoding import Encoding, Group
from mc2lib.pipeline.evaluate.evaluate import Options, evaluate_benchmark
from mc2lib.pipeline.evaluate.results import compare_folders, read_language
from tests.benchmark_sets import (
    cvqa_rows,
    write,
    write_babel,
    write_cvqa,
    write_geode,
    write_imagenet,
    write_webdataset,
    write_xm3600,
)
from tests.oracles.evaluation import choose, ensemble, image_to_text, text_to_image, top_k
from tests.pools import jpg
from tests.tiny_clip import write_tiny_clip

WIDTH = 6
IMAGES = [jpg(9 * i) for i in range(20)]
CAPTIONS = {
    "de": [[f"Bild {i}"] for i in range(20)],
    "en": [[f"image {i}", f"number {i}"] if i % 3 else ["image", "image 0"] for i in range(20)],
    "fr": [[f"image {i}"] for i in range(20)],
}


def feature(content):
    """A direction that a digest of the content fixes, on a coarse grid."""
    digest = hashlib.blake2b(content, digest_size=WIDTH).digest()
    row = np.array([byte % 7 - 3 for byte in digest], np.float32) + 0.25
    return row / np.linalg.norm(row)


@dataclasses.dataclass
class HashModel:
    """Features that follow from the bytes alone; it counts what it is asked."""

    name: str = "hash"
    digest: str = "0" * 32
    device = torch.device("cpu")
    images: int = 0
    texts: list = dataclasses.field(default_factory=list)

    def prepare(self, content):
        if not content.startswith(b"\xff\xd8"):
            raise InputError("image", "no JPEG", "Leave it out.")
        return torch.from_numpy(feature(content))

    def encode_images(self, batch):
        self.images += len(batch)
        return batch.numpy()

    def encode_texts(self, texts):
        self.texts += texts
        return np.stack([feature(text.encode()) for text in texts])


@pytest.fixture
def xm3600(tmp_path):
    return write_xm3600(tmp_path / "xm3600", IMAGES, CAPTIONS)


def evaluate(benchmark, folder, model=None, **options):
    model = model or HashModel()
    return evaluate_benchmark(Encoding(model, folder / "cache", Group()), benchmark, Options(folder / "out", **options))


def value(table, language, metric, group=""):
    rows = table[(table["language"] == language) & (table["metric"] == metric) & (table["group"] == group)]
    assert len(rows) == 1, (language, metric, group)
    return rows["value"].item()


def test_retrieval_equals_the_protocol_in_every_language(tmp_path, xm3600):
    table = evaluate(open_xm3600(xm3600), tmp_path)
    images = [feature(image) for image in IMAGES]
    for language, of_images in CAPTIONS.items():
        captions = [(i, text, feature(text.encode())) for i, texts in enumerate(of_images) for text in texts]
        for k in (1, 5, 10):
            assert value(table, language, f"i2t_r{k}") == pytest.approx(np.mean(image_to_text(images, captions, k)))
            assert value(table, language, f"t2i_r{k}") == pytest.approx(np.mean(text_to_image(images, captions, k)))
    rows = table.set_index(["language", "metric"])
    assert rows.loc[("en", "t2i_r1"), "n"] == 40 and rows.loc[("en", "i2t_r1"), "n"] == 20
    assert value(table, "macro", "i2t_r5") == pytest.approx(np.mean([value(table, x, "i2t_r5") for x in CAPTIONS]))
    finite = table[table["low"].notna()]
    assert (finite["low"] <= finite["value"]).all() and (finite["value"] <= finite["high"]).all()
    assert set(table[table["low"].isna()]["metric"]) == {"modality_gap", "text_uniformity", "image_uniformity"}


@pytest.mark.parametrize("numbers", [4, 5 * WIDTH, 1 << 22])
def test_each_image_and_each_distinct_text_is_encoded_once_over_all_languages(tmp_path, xm3600, monkeypatch, numbers):
    monkeypatch.setattr(encoding_module, "NUMBERS", numbers)
    model = HashModel()
    evaluate(open_xm3600(xm3600), tmp_path, model)
    distinct = {text for of_images in CAPTIONS.values() for texts in of_images for text in texts}
    assert model.images == 20
    assert sorted(model.texts) == sorted([*distinct, "a"])  # "a" tells how wide a feature is
    again = HashModel()
    table = evaluate(open_xm3600(xm3600), tmp_path, again)
    assert again.images == 0 and again.texts == ["a"]
    pd.testing.assert_frame_equal(table, evaluate(open_xm3600(xm3600), tmp_path / "elsewhere"))


def test_a_stopped_evaluation_resumes_with_the_language_it_was_in(tmp_path, xm3600, monkeypatch):
    whole = evaluate(open_xm3600(xm3600), tmp_path / "whole")
    benchmark = open_xm3600(xm3600)
    monkeypatch.setattr(encoding_module, "NUMBERS", 5 * WIDTH)  # parts of five
    model, calls = HashModel(), itertools.count()
    plain = model.encode_images
    model.encode_images = lambda batch: plain(batch) if next(calls) < 2 else (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        evaluate(benchmark, tmp_path, model)
    second = HashModel()
    pd.testing.assert_frame_equal(evaluate(benchmark, tmp_path, second), whole)
    assert second.images == 10  # two of the four parts were there
    (tmp_path / "out" / "languages" / "xm3600" / "en.json").unlink()
    third = HashModel()
    pd.testing.assert_frame_equal(evaluate(benchmark, tmp_path, third), whole)
    assert third.images == 0 and third.texts == ["a"]


def test_changed_captions_images_and_models_are_measured_again(tmp_path, xm3600):
    before = evaluate(open_xm3600(xm3600), tmp_path)
    write_xm3600(xm3600, IMAGES, CAPTIONS | {"de": [["immer dasselbe"]] * 20})
    model = HashModel()
    after = evaluate(open_xm3600(xm3600), tmp_path, model)
    assert "immer dasselbe" in model.texts and value(after, "de", "i2t_r1") == 1.0  # one text is right for all
    assert value(before, "fr", "i2t_r1") == value(after, "fr", "i2t_r1")
    other = HashModel(digest="1" * 32)
    evaluate(open_xm3600(xm3600), tmp_path, other)
    assert other.images == 20


def test_missing_and_broken_images_are_refused_with_their_number_or_left_out_with_n(tmp_path, xm3600):
    benchmark = open_xm3600(xm3600)
    gone = xm3600 / "images" / benchmark.images.names[3]
    gone.unlink()
    with pytest.raises(InputError, match=r"1 of 20 images are missing, the first is 0+3.jpg.*--skip-broken"):
        evaluate(benchmark, tmp_path)
    write(gone, b"no image")
    with pytest.raises(InputError, match=r"1 of 20 images cannot be used, the first is 0+3.jpg: no JPEG"):
        evaluate(benchmark, tmp_path)
    gone.unlink()
    table = evaluate(benchmark, tmp_path, skip_broken=True)
    kept = [i for i in range(20) if i != 3]
    images = [feature(IMAGES[i]) for i in kept]
    captions = [(n, text, feature(text.encode())) for n, i in enumerate(kept) for text in CAPTIONS["en"][i]]
    assert value(table, "en", "i2t_r1") == pytest.approx(np.mean(image_to_text(images, captions, 1)))
    assert value(table, "en", "t2i_r5") == pytest.approx(np.mean(text_to_image(images, captions, 5)))
    assert table.set_index(["language", "metric"]).loc[("en", "i2t_r1"), "n"] == 19
    for name in benchmark.images.names:
        (xm3600 / "images" / name).unlink(missing_ok=True)
    with pytest.raises(InputError, match="20 of 20 images are missing"):
        evaluate(benchmark, tmp_path, skip_broken=True)


def test_features_that_are_not_finite_are_named(tmp_path, xm3600):
    model = HashModel()
    plain = model.encode_texts
    model.encode_texts = lambda texts: np.where(np.array([t == "Bild 2" for t in texts])[:, None], np.nan, plain(texts))
    with pytest.raises(InputError, match=r"hash on xm3600: 1 of \d+ features are not finite, the first of 'Bild 2'"):
        evaluate(open_xm3600(xm3600), tmp_path, model)


def test_languages_may_be_chosen_and_others_are_named(tmp_path, xm3600):
    table = evaluate(open_xm3600(xm3600), tmp_path, languages=("de",))
    assert set(table["language"]) == {"de"}
    with pytest.raises(InputError, match=r"xm3600 has none of sw. It has de, en, fr"):
        evaluate(open_xm3600(xm3600), tmp_path, languages=("sw",))


def test_zero_shot_asks_each_language_among_its_own_classes(tmp_path):
    write_imagenet(tmp_path / "imagenet", {0: IMAGES[:4], 7: IMAGES[4:9], 9: IMAGES[9:12]})
    labels = {"DE": {0: "Schleie", 7: "Hahn", 9: "Strauß"}, "SW": {9: "mbuni", 7: "jogoo"}}
    prompts = {"DE": ["ein {}.", "Bild: {}", "{}"], "SW": ["picha ya {}"]}
    table = evaluate(open_babel_imagenet(write_babel(tmp_path / "babel", labels, prompts)), tmp_path)
    truth = {**dict.fromkeys(range(4), 0), **dict.fromkeys(range(4, 9), 7), **dict.fromkeys(range(9, 12), 9)}
    for language, names in labels.items():
        classes = [
            ensemble([feature(p.replace("{}", name).encode()) for p in prompts[language]]) for name in names.values()
        ]
        places = {number: i for i, number in enumerate(names)}
        hits = [
            top_k(feature(IMAGES[i]), classes, [places[number]], 1) for i, number in truth.items() if number in places
        ]
        found = table[(table["language"] == language.lower()) & (table["metric"] == "top1")]
        assert (found["value"].item(), found["n"].item()) == (pytest.approx(np.mean(hits)), len(hits))


def test_the_mean_per_class_weighs_classes_alike(tmp_path):
    folder = write_webdataset(tmp_path / "webdatasets" / "wds_pets_test", ["cat", "dog", "ox"], [0, 0, 0, 1, 2, 2])
    table = evaluate(open_webdataset(folder), tmp_path)
    images = [feature(jpg(i)) for i in range(6)]
    classes = [ensemble([feature(t.encode()) for t in (f"a photo of a {n}.", f"a {n}")]) for n in ("cat", "dog", "ox")]
    hits = [top_k(image, classes, [label], 1) for image, label in zip(images, [0, 0, 0, 1, 2, 2], strict=True)]
    wanted = np.mean([np.mean(hits[:3]), np.mean(hits[3:4]), np.mean(hits[4:])])
    assert value(table, "en", "mean_per_class") == pytest.approx(wanted, abs=1e-6)
    assert value(table, "en", "top1") == pytest.approx(np.mean(hits))


def test_multiple_choice_is_the_share_of_all_questions_and_of_each_subset(tmp_path):
    rows = cvqa_rows(IMAGES[:12], [i % 4 for i in range(12)])
    table = evaluate(open_cvqa("local", write_cvqa(tmp_path / "cvqa", rows)), tmp_path)
    hits = [
        choose(feature(IMAGES[i]), [feature(f"¿qué es {i}? opción {o}".encode()) for o in range(4)], i % 4)
        for i in range(12)
    ]
    assert value(table, "local", "top1") == pytest.approx(np.mean(hits))
    assert value(table, "local", "top1", "subset: Telugu, India") == pytest.approx(np.mean(hits[::2]))


def test_groups_and_geography(tmp_path):
    rows = [
        {"object": ("bag", "hat", "pan")[i % 3], "ip_country": ("NG", "JP")[i % 2], "region": ("Africa", "Asia")[i % 2]}
        for i in range(40)
    ]
    folder = write_geode(tmp_path / "geode", rows)
    table = evaluate(open_geode(folder), tmp_path)
    regions = table[table["group"].str.startswith("region: ")]
    assert regions["n"].tolist() == [20, 20]
    assert value(table, "en", "top1") == pytest.approx(regions["value"].mean())
    model = HashModel()
    table = evaluate(open_geode_location(folder), tmp_path, model)
    assert model.images == 0  # the same images as before
    assert set(table["language"]) == {NO_LANGUAGE}
    for shots in (5, 10, 25):
        assert 0 <= value(table, "", f"geo_{shots}shot") <= 1 and value(table, "", f"geo_{shots}shot_spread") >= 0
    assert table.set_index("metric").loc["geo_5shot", "n"] == 5 * 20


def test_ranks_share_out_and_read_each_others(tmp_path, xm3600, monkeypatch):
    monkeypatch.setattr(encoding_module, "NUMBERS", 5 * WIDTH)
    alone = evaluate(open_xm3600(xm3600), tmp_path / "alone")
    monkeypatch.setattr(Group, "wait", lambda self: None)
    models = [HashModel(), HashModel()]
    encodings = [Encoding(model, tmp_path / "cache", Group(rank, 2)) for rank, model in enumerate(models)]
    benchmark = open_xm3600(xm3600)
    stores = [one.encode_images(benchmark) for one in encodings]
    texts = [benchmark.task.captions(language).texts for language in benchmark.languages]
    for one in encodings:
        one.encode_texts("xm3600", texts, 3)
    for one in encodings:
        one.texts.refresh()
    assert [model.images for model in models] == [10, 10] and (stores[0].open() == stores[1].open()).all()
    said = [set(model.texts) - {"a"} for model in models]
    assert not said[0] & said[1] and min(map(len, said)) > 15
    table = evaluate_benchmark(encodings[0], benchmark, Options(tmp_path / "out"))
    pd.testing.assert_frame_equal(table, alone)
    assert evaluate_benchmark(encodings[1], benchmark, Options(tmp_path / "out")) is None


def test_two_models_are_compared_on_the_same_images(tmp_path, xm3600):
    benchmark = open_xm3600(xm3600)
    evaluate(benchmark, tmp_path)

    class Right(HashModel):
        def encode_texts(self, texts):
            known = {text: feature(IMAGES[i]) for k, v in CAPTIONS.items() for i, ts in enumerate(v) for text in ts}
            return np.stack([known.get(text, feature(text.encode())) for text in texts])

    better = evaluate_benchmark(
        Encoding(Right(digest="2" * 32), tmp_path / "cache", Group()), benchmark, Options(tmp_path / "better")
    )
    found = compare_folders(tmp_path / "better", tmp_path / "out").set_index("metric").loc["t2i_r1"]
    plain = read_language(tmp_path / "out", "xm3600", "de")
    assert plain is not None and found["languages"] == 3
    assert found["low"] > 0 and found["p"] < 0.01 and value(better, "de", "t2i_r1") == 1
    with pytest.raises(InputError, match="shares no benchmark"):
        compare_folders(tmp_path / "out", tmp_path / "nowhere")


def test_the_command_lists_evaluates_compares_and_draws(tmp_path, xm3600, capsys):
    model = write_tiny_clip(tmp_path / "tiny")
    mine = tmp_path / "mine"
    for i in range(6):
        write(mine / ("cat", "dog")[i % 2] / f"{i}.jpg", IMAGES[i])
    write(mine / "prompts.json", json.dumps({"en": ["a {}"]}))
    common = ["--data", str(tmp_path), "--cache", str(tmp_path / "cache")]
    assert main(["evaluate", "--list", *common]) == 0
    listed = capsys.readouterr().out
    assert "* xm3600" in listed and "36 languages: here" in listed
    assert "cvqa-en" in listed and "afaji/cvqa" in listed and "missing **/*.parquet or **/state.json" in listed
    tasks = ["--tasks", "xm3600", str(mine), "--out", str(tmp_path / "a")]
    assert main(["evaluate", str(model), *common, *tasks]) == 0
    said = capsys.readouterr().out
    assert "64.3 (MetaCLIP 2 ViT-H/14, worldwide)" in said and "published: MetaCLIP 2" in said
    report = pd.read_csv(tmp_path / "a" / "report.csv")
    assert set(report["benchmark"]) == {"xm3600", "own-mine"} and (tmp_path / "a" / "languages.png").stat().st_size
    other = write_tiny_clip(tmp_path / "other", seed=1)
    tasks = ["--tasks", "xm*", "--out", str(tmp_path / "b"), "--against", str(tmp_path / "a")]
    assert main(["evaluate", str(other), *common, *tasks]) == 0
    assert "by paired bootstrap" in capsys.readouterr().out and (tmp_path / "b" / "against.csv").exists()
    assert main(["evaluate", str(model), *common, "--out", str(tmp_path / "c")]) == 3
    assert "not here, see `mc2lib evaluate --list`: imagenet" in capsys.readouterr().out


def test_nothing_here_and_no_model_are_errors_with_a_remedy(tmp_path, capsys):
    assert main(["evaluate", "--data", str(tmp_path)]) == 2
    assert "no model is named" in capsys.readouterr().err
    assert main(["evaluate", "x", "--data", str(tmp_path)]) == 2
    assert "is here. `mc2lib evaluate --list` says how to get each" in capsys.readouterr().err
    assert main(["evaluate", "x", "--data", str(tmp_path), "--tasks", "geode"]) == 2
    assert "geode lacks index.csv" in capsys.readouterr().err
