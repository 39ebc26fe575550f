"""Sets of one's own in every layout; and the table of benchmarks: what is here, what is missing, how to get it."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.own import open_own
from mc2lib.io.benchmarks.registry import ADAPTERS, choose_benchmarks, find_adapters, open_benchmark
from tests.benchmark_sets import write, write_csv, write_webdataset, write_xm3600
from tests.pools import jpg


def captions_of(found):
    return {
        language: list(zip(captions.images.tolist(), captions.texts, strict=True))
        for language in found.languages
        for captions in [found.task.captions(language)]
    }


def test_captions_as_rows_lists_and_objects_are_one(tmp_path):
    for i in range(2):
        write(tmp_path / f"{i}.jpg", jpg(i))
    rows = [
        {"image": "0.jpg", "language": "de", "caption": ["Katze", "eine Katze"]},
        {"image": "1.jpg", "caption": {"de": "Hund", "ja": ["犬"]}},
        {"image": "0.jpg", "caption": "a cat"},
    ]
    write(tmp_path / "captions.jsonl", "\n".join(map(json.dumps, rows)))
    found = open_own(tmp_path)
    wanted = {"de": [(0, "Katze"), (0, "eine Katze"), (1, "Hund")], "en": [(0, "a cat")], "ja": [(1, "犬")]}
    assert captions_of(found) == wanted
    assert found.remarks == ("images with a caption, of 2: ja: 1, en: 1",)
    flat = [{"image": f"{i}.jpg", "language": k, "caption": t} for k, v in wanted.items() for i, t in v]
    (tmp_path / "captions.jsonl").unlink()
    write_csv(tmp_path / "captions.csv", flat)
    assert captions_of(open_own(tmp_path)) == wanted
    assert open_own(tmp_path).images.read(1) == jpg(1)


def test_parquet_rows_of_one_id_are_one_image(tmp_path):
    rows = [
        {"id": "a", "image": jpg(1), "language": "de", "caption": "Katze"},
        {"id": "b", "image": jpg(2), "language": "de", "caption": "Hund"},
        {"id": "a", "image": jpg(1), "language": "en", "caption": "cat"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set.parquet")
    found = open_own(tmp_path / "set.parquet")
    assert captions_of(found) == {"de": [(0, "Katze"), (1, "Hund")], "en": [(0, "cat")]}
    assert list(found.images.names) == ["a", "b"] and found.images.read(1) == jpg(2)


def test_classes_by_folder_have_names_and_templates_in_any_language(tmp_path):
    for name in ("cat", "dog"):
        write(tmp_path / name / "0.jpg", jpg(1))
    found = open_own(tmp_path)
    assert found.task.prompts("en").texts() == ["cat", "dog"] and "bare names" in found.remarks[0]
    write(
        tmp_path / "classes.json", json.dumps({"de": {"cat": "Katze", "dog": "Hund"}, "ja": {"cat": "猫", "dog": "犬"}})
    )
    write(tmp_path / "prompts.json", json.dumps({"de": ["ein Bild: {}", "{}"]}))
    found = open_own(tmp_path)
    assert found.task.prompts("de").texts() == ["ein Bild: Katze", "Katze", "ein Bild: Hund", "Hund"]
    assert found.remarks == ("bare names, for want of templates in prompts.json: ja",)
    write(tmp_path / "prompts.json", json.dumps({"fr": ["{}"]}))
    with pytest.raises(InputError, match="templates in 'fr', and no names"):
        open_own(tmp_path)
    write(tmp_path / "classes.json", json.dumps({"de": {"cat": "Katze"}}))
    write(tmp_path / "prompts.json", "{}")
    with pytest.raises(InputError, match=r"classes.json: de: 1 of 2 classes have no name, such as 'dog'"):
        open_own(tmp_path)


def test_parquet_classes_need_distinct_ids(tmp_path):
    rows = [{"id": i, "image": jpg(i), "label": name} for i, name in enumerate(("dog", "cat", "dog"))]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set.parquet")
    found = open_own(tmp_path / "set.parquet")
    assert found.task.classes.tolist() == [1, 0, 1] and found.task.prompts("en").names == ("cat", "dog")
    pq.write_table(pa.Table.from_pylist([*rows, rows[0]]), tmp_path / "set.parquet")
    with pytest.raises(InputError, match="1 of 4 ids are there before"):
        open_own(tmp_path / "set.parquet")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"image": "a.jpg"}', "row 1: no caption"),
        ('{"image": "a.jpg", "caption": ""}', "1 of 1 texts are empty"),
        ('{"caption": "a"}', "line 1: no 'image'"),
        ("", "the set is empty"),
    ],
)
def test_rows_that_are_not_whole_are_named(tmp_path, content, fault):
    write(tmp_path / "captions.jsonl", content)
    with pytest.raises(InputError, match=fault):
        open_own(tmp_path)


def test_anything_else_is_told_the_layouts(tmp_path):
    with pytest.raises(InputError, match=r"captions.jsonl or captions.csv"):
        open_own(tmp_path)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "set.parquet")
    with pytest.raises(InputError, match="columns x are no evaluation set"):
        open_own(tmp_path / "set.parquet")


# ---------------------------------------------------------------------- the registry


def test_names_patterns_and_the_paper_choose_in_order(tmp_path):
    write_webdataset(tmp_path / "webdatasets" / "wds_cifar10_test", ["cat"], [0])
    assert choose_benchmarks(["xm*", "imagenet"], tmp_path) == ["xm3600", "xm3600-geo", "imagenet"]
    assert choose_benchmarks(["wds-*", "wds-cifar10"], tmp_path) == ["wds-cifar10"]
    assert choose_benchmarks(["./mine"], tmp_path) == ["./mine"]
    paper = choose_benchmarks(["paper"], tmp_path)
    assert {"imagenet", "babel-imagenet", "xm3600", "cvqa-en", "geode-geo"} <= set(paper) and "imagenet-a" not in paper
    with pytest.raises(InputError, match=r"no benchmark 'xm36'.*xm3600"):
        choose_benchmarks(["xm36"], tmp_path)


def test_every_benchmark_says_how_to_get_it_and_what_it_lacks(tmp_path):
    for adapter in ADAPTERS:
        assert adapter.find_lacking(tmp_path) == list(adapter.needs) and len(adapter.fetch) > 40
        with pytest.raises(InputError, match=f"{adapter.name} lacks .*Get "):
            open_benchmark(adapter.name, tmp_path)


def test_what_is_here_lacks_nothing(tmp_path):
    write_xm3600(tmp_path / "xm3600", [jpg(0)], {"en": [["a"]]})
    assert find_adapters(tmp_path)["xm3600"].find_lacking(tmp_path) == []
    assert open_benchmark("xm3600", tmp_path).languages == ("en",)
    (tmp_path / "xm3600" / "captions.jsonl").unlink()
    assert find_adapters(tmp_path)["xm3600"].find_lacking(tmp_path) == ["captions.jsonl"]
