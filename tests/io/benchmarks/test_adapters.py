"""Each adapter on its official layout, and what each refuses: by place, with how many and the remedy."""

import json

import datasets
import pyarrow.parquet as pq
import pytest

from mc2lib.errors import InputError
from mc2lib.io.benchmarks.benchmark_set import Recent
from mc2lib.io.benchmarks.paper.aligned_captions import open_flickr30k_200, open_xtd10, open_xtd200
from mc2lib.io.benchmarks.paper.babel_imagenet import open_babel_imagenet
from mc2lib.io.benchmarks.paper.cvqa import open_cvqa
from mc2lib.io.benchmarks.paper.dollar_street import open_dollar_street, open_dollar_street_location
from mc2lib.io.benchmarks.paper.geode import open_geode, open_geode_location
from mc2lib.io.benchmarks.paper.gldv2 import open_gldv2
from mc2lib.io.benchmarks.paper.imagenet import (
    open_imagenet,
    open_imagenet_v2,
    open_imagenet_variant,
    openai_prompts,
    wordnet_ids,
)
from mc2lib.io.benchmarks.paper.xflickr_co import open_xflickr_co
from mc2lib.io.benchmarks.paper.xm3600 import open_xm3600, open_xm3600_location
from mc2lib.io.benchmarks.webdatasets import open_webdataset
from tests.benchmark_sets import (
    cvqa_rows,
    write,
    write_aligned,
    write_babel,
    write_csv,
    write_cvqa,
    write_dollar_street,
    write_geode,
    write_gldv2,
    write_imagenet,
    write_webdataset,
    write_xflickr_co,
    write_xm3600,
)
from tests.pools import jpg

GREY = [jpg(20 * i) for i in range(6)]
CAPTIONS = {"en": [["a cat", "cat"], ["a dog"], ["a bus"]], "quz": [["misi"], ["allqu", "alqu"], ["karu\u2028puriq"]]}


# ---------------------------------------------------------------------- XM3600


def test_xm3600_keeps_all_captions(tmp_path):
    found = open_xm3600(write_xm3600(tmp_path, GREY[:3], CAPTIONS))
    assert found.languages == ("en", "quz") and found.images.find_missing() == []
    english, quechua = (found.task.captions(language) for language in found.languages)
    assert english.images.tolist() == [0, 0, 1, 2] and english.texts == ["a cat", "cat", "a dog", "a bus"]
    assert quechua.images.tolist() == [0, 1, 1, 2] and quechua.texts[-1] == "karu\u2028puriq"
    assert found.images.read(1) == GREY[1]
    assert found.only(["quz", "xx"]).languages == ("quz",)


def test_xm3600_geography_shuffles_halves(tmp_path):
    found = open_xm3600_location(write_xm3600(tmp_path, GREY[:3], CAPTIONS, ["th", "sw", "th"]))
    assert (found.task.countries, found.task.shuffled, found.task.train) == (("th", "sw", "th"), 1, None)


def test_xm3600_refuses_what_is_not_whole(tmp_path):
    write_xm3600(tmp_path, GREY[:3], CAPTIONS | {"de": [["Katze"], [], ["Bus"]]})
    found = open_xm3600(tmp_path)
    assert found.task.captions("de").images.tolist() == [0, 2]  # n says that one image is not asked with
    (tmp_path / "images" / f"{2:016x}.jpg").unlink()
    assert found.images.find_missing() == [2]
    lines = (tmp_path / "captions.jsonl").read_text().split("\n")[:3]
    write(tmp_path / "captions.jsonl", "\n".join([*lines, lines[0]]))
    with pytest.raises(InputError, match=r"1 of 4 ids are there before, such as '0+'"):
        open_xm3600(tmp_path)
    write(tmp_path / "captions.jsonl", lines[0] + "\n{")
    with pytest.raises(InputError, match=r"captions.jsonl, line 2: not JSON"):
        open_xm3600(tmp_path)
    write(tmp_path / "captions.jsonl", "")
    with pytest.raises(InputError, match="the set is empty"):
        open_xm3600(tmp_path)


# ---------------------------------------------------------------------- aligned captions


@pytest.mark.parametrize(
    ("opened", "index"), [(open_flickr30k_200, "filenames.txt"), (open_xtd200, "test_image_names.txt")]
)
def test_flores_sets_have_a_line_per_image(tmp_path, opened, index):
    files = {"deu_Latn.txt": ["Katze", "Hund"], "zho_Hans.txt": ["猫\u2028", "狗"], "README.txt": ["no captions"]}
    found = opened(write_aligned(tmp_path, index, GREY[:2], files))
    assert found.languages == ("deu_Latn", "zho_Hans")
    assert "no English captions here" in found.remarks[0]
    assert found.task.captions("zho_Hans").texts == ["猫\u2028", "狗"]  # a line separator is no end of a line
    write(tmp_path / "deu_Latn.txt", "Katze\n")
    with pytest.raises(InputError, match=r"deu_Latn.txt: 1 captions for 2 images"):
        found.task.captions("deu_Latn")
    write(tmp_path / "deu_Latn.txt", "Katze\n \n")
    with pytest.raises(InputError, match=r"1 of 2 texts are empty, the first is number 1"):
        found.task.captions("deu_Latn")


def test_english_is_read_under_the_name_that_the_repository_gives_it(tmp_path):
    files = {"eng_captions.txt": ["a cat", "a dog"], "deu_Latn.txt": ["Katze", "Hund"]}
    found = open_flickr30k_200(write_aligned(tmp_path, "filenames.txt", GREY[:2], files))
    assert found.languages == ("deu_Latn", "eng_Latn") and found.remarks == ()
    assert found.task.captions("eng_Latn").texts == ["a cat", "a dog"]


def test_xtd10_reads_its_repositorys_folders(tmp_path):
    files = {
        "XTD10/test_1kcaptions_es.txt": ["gato", "perro"],
        "MIC/test_1kcaptions_de.txt": ["Katze", "Hund"],
        "STAIR/test_1kcaptions_jp.txt": ["猫", "犬"],
    }
    found = open_xtd10(write_aligned(tmp_path, "XTD10/test_image_names.txt", GREY[:2], files))
    assert found.languages == ("de", "es", "ja") and found.task.captions("ja").texts == ["猫", "犬"]
    assert found.images.read(0) == GREY[0]


def test_xflickr_co_finds_photographs_of_both(tmp_path):
    captions = {"de": ["a", "b", "c", "d"], "id": ["e", "f", "g", "h"]}
    found = open_xflickr_co(write_xflickr_co(tmp_path, GREY[:4], captions))
    assert found.languages == ("de", "id") and found.images.find_missing() == []
    assert {found.images.read(i) for i in range(4)} == set(GREY[:4])
    rows = found.task.captions("id")
    named = {found.images.names[i].rpartition("/")[2]: text for i, text in zip(rows.images, rows.texts, strict=True)}
    assert named["0.jpg"] == "e" and named["COCO_val2014_000000000003.jpg"] == "h"
    file = tmp_path / "annotations" / "id" / "test.jsonl"
    write(file, "\n".join(file.read_text().splitlines()[:3]))
    with pytest.raises(InputError, match=r"1 of 4 images have no caption in 'id'"):
        open_xflickr_co(tmp_path).task.captions("id")


# ---------------------------------------------------------------------- ImageNet


def test_imagenet_in_folders_and_as_kaggle_has_it(tmp_path):
    found = open_imagenet(write_imagenet(tmp_path / "a", {0: GREY[:2], 999: GREY[2:3]}))
    prompts = found.task.prompts("en")
    assert found.task.classes.tolist() == [0, 0, 999] and len(prompts.texts()) == 80_000
    assert prompts.texts()[0] == openai_prompts()[1][0].replace("{}", "tench")
    flat = tmp_path / "b"
    for i in range(2):
        write(flat / "ILSVRC/Data/CLS-LOC/val" / f"ILSVRC2012_val_{i}.JPEG", GREY[i])
    rows = [{"ImageId": f"ILSVRC2012_val_{i}", "PredictionString": f"{wordnet_ids()[5 * i]} 1 2 3 4"} for i in range(2)]
    write_csv(flat / "LOC_val_solution.csv", rows)
    assert open_imagenet(flat).task.classes.tolist() == [0, 5]
    with pytest.raises(InputError, match="no ImageNet validation images here"):
        open_imagenet(tmp_path / "c")


def test_a_folder_that_is_no_class_is_refused_with_its_images(tmp_path):
    write_imagenet(tmp_path, {0: GREY[:2]})
    write(tmp_path / "val" / "n99999999" / "x.JPEG", GREY[0])
    with pytest.raises(InputError, match=r"1 of 3 images have a label outside the 1000 classes, such as 'n99999999'"):
        open_imagenet(tmp_path)


def test_variants_ask_among_their_own_classes(tmp_path):
    for number in (3, 17):
        write(tmp_path / "r" / "imagenet-r" / wordnet_ids()[number] / "art_0.jpg", GREY[0])
        write(tmp_path / "v2" / "imagenetv2-matched-frequency-format-val" / str(number) / "0.jpeg", GREY[0])
    found = open_imagenet_variant("imagenet-r", "imagenet-r", tmp_path / "r")
    assert found.task.prompts("en").classes.tolist() == [3, 17] and found.task.classes.tolist() == [3, 17]
    found = open_imagenet_v2(tmp_path / "v2")
    assert len(found.task.prompts("en").classes) == 1000 and found.task.classes.tolist() == [17, 3]


def test_babel_has_each_languages_classes_and_names_those_without_prompts(tmp_path):
    write_imagenet(tmp_path / "imagenet", {0: GREY[:1], 7: GREY[1:2]})
    labels = {"DE": {0: "Schleie", 7: "Hahn"}, "BR": {7: "kilhog"}, "SW": {7: "jogoo {}"}}
    prompts = {"DE": ["ein {}.", "Bild: {}"], "SW": ["picha ya {}"]}
    folder = write_babel(tmp_path / "babel-imagenet", labels, prompts)
    found = open_babel_imagenet(folder)
    assert found.languages == ("de", "sw") and found.remarks == ("no prompts, so not measured: br",)
    assert found.task.prompts("de").texts() == ["ein Schleie.", "Bild: Schleie", "ein Hahn.", "Bild: Hahn"]
    assert found.task.prompts("sw").classes.tolist() == [7]
    write_babel(folder, labels, prompts | {"DE": ["ein Bild"]})
    with pytest.raises(InputError, match=r"nllb_dist13b_prompts.json: DE: the template 'ein Bild' has no \{\}"):
        open_babel_imagenet(folder)
    write_babel(folder, labels | {"DE": {1000: "x"}}, prompts)
    with pytest.raises(InputError, match=r"babel_imagenet.json: DE: class numbers are none, outside 0..999"):
        open_babel_imagenet(folder)


# ---------------------------------------------------------------------- CVQA


@pytest.mark.parametrize("saved", [False, True])
def test_cvqa_joins_question_and_option_in_both_languages(tmp_path, saved):
    rows = cvqa_rows(GREY, [0, 1, 2, 3, 0, 1])
    if saved:
        features = datasets.Features({"image": datasets.Image(), "Label": datasets.Value("int64")})
        table = {key: [row[key] for row in rows] for key in rows[0]}
        features = datasets.Features(datasets.Dataset.from_dict(table).features | features)
        datasets.DatasetDict({"test": datasets.Dataset.from_dict(table, features)}).save_to_disk(tmp_path)
    else:
        write_cvqa(tmp_path, rows)
    local, english = open_cvqa("local", tmp_path), open_cvqa("en", tmp_path)
    questions = local.task.questions("local")
    assert questions.options[1] == [f"¿qué es 1? opción {o}" for o in range(4)]
    assert english.task.questions("en").options[0][3] == "what is 0? option 3"
    assert questions.labels.tolist() == [0, 1, 2, 3, 0, 1]
    assert questions.subsets[:2] == ["Telugu, India", "Spanish, Mexico"]
    assert [local.images.read(i) for i in (5, 0, 3)] == [GREY[5], GREY[0], GREY[3]]


def test_cvqa_without_its_answers_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"2 of 3 labels are outside 0..3: this copy withholds its answers"):
        open_cvqa("local", write_cvqa(tmp_path, cvqa_rows(GREY[:3], [-1, 2, -1])))


def test_cvqa_refuses_other_options_ids_and_columns(tmp_path):
    rows = cvqa_rows(GREY[:2], [0, 1])
    rows[1]["Options"] = ["a", "b"]
    with pytest.raises(InputError, match=r"592091_0: 2 options, not 4"):
        open_cvqa("local", write_cvqa(tmp_path / "a", rows))
    assert open_cvqa("en", tmp_path / "a").task.questions("en").labels.tolist() == [0, 1]
    rows = cvqa_rows(GREY[:2], [0, 1])
    rows[1]["ID"] = rows[0]["ID"]
    with pytest.raises(InputError, match=r"1 of 2 ids are there before"):
        open_cvqa("local", write_cvqa(tmp_path / "b", rows))
    rows = [{key: value for key, value in row.items() if key != "Label"} for row in cvqa_rows(GREY[:2], [0, 1])]
    with pytest.raises(InputError, match=r"no column 'Label' \(it has image, ID"):
        open_cvqa("local", write_cvqa(tmp_path / "c", rows))
    with pytest.raises(InputError, match="no Parquet files"):
        open_cvqa("local", tmp_path / "d")


# ---------------------------------------------------------------------- culture


def street(country, region, income, classes):
    return {"country.id": country, "region.id": region, "income": income, "imagenet_sysnet_id": str(classes)}


def test_dollar_street_takes_any_listed_class_and_both_splits(tmp_path):
    train = [street("bi", "af", 26.9, [896, 804]), street("us", "am", 4000, [831])]
    test = [street("bi", "af", 30, [896]), street("fr", "eu", 2000.5, [532, 532])]
    found = open_dollar_street(write_dollar_street(tmp_path, train, test))
    pairs = list(zip(found.task.images.tolist(), found.task.classes.tolist(), strict=True))
    assert pairs == [(0, 804), (0, 896), (1, 831), (2, 896), (3, 532)]
    assert found.task.groups["region"] == ["Africa", "Americas", "Africa", "Europe"]
    assert found.task.groups["income"] == ["lowest quarter", "highest quarter", "second quarter", "third quarter"]
    where = open_dollar_street_location(tmp_path)
    assert where.task.countries == ("bi", "us", "bi", "fr") and where.task.train.tolist() == [0, 1]
    assert where.images.find_missing() == []


@pytest.mark.parametrize("classes", ["[1000]", "[]", "x", "[1"])
def test_dollar_street_refuses_classes_that_are_none(tmp_path, classes):
    write_dollar_street(tmp_path, [street("bi", "af", 1, [1])], [street("bi", "af", 1, classes)])
    with pytest.raises(InputError, match="is no list of ImageNet classes"):
        open_dollar_street(tmp_path)


def test_geode_asks_among_its_objects_by_region(tmp_path):
    rows = [
        {"object": o, "ip_country": c, "region": r} for o, c, r in (("bag", "NG", "Africa"), ("hat", "JP", "EastAsia"))
    ]
    found = open_geode(write_geode(tmp_path, rows))
    assert found.task.prompts("en").names == ("bag", "hat") and len(found.task.prompts("en").templates) == 80
    assert found.task.groups == {"region": ["Africa", "EastAsia"]} and found.images.read(0) == jpg(0)
    assert open_geode_location(tmp_path).task.countries == ("NG", "JP")
    write_csv(tmp_path / "index.csv", [{"object": "bag", "path": "x"}])
    with pytest.raises(InputError, match=r"index.csv: no column 'file_path' \(it has object, path\)"):
        open_geode(tmp_path)


def test_gldv2_takes_the_landmark_of_most_index_images(tmp_path):
    queries = {"abc1": "i1 i2 i3", "bcd2": "i4"}
    landmark_of = {"i1": 7, "i2": 9, "i3": 9, "i4": 7, "other": 3}
    folder = write_gldv2(tmp_path, queries, landmark_of, {7: "Haus_am_Horn", 9: "Caf%C3%A9", 3: "Elsewhere"})
    found = open_gldv2(folder)
    names = found.task.prompts("en").texts()
    assert [names[i] for i in found.task.classes] == ["Café", "Haus am Horn"] and len(names) == 2
    assert found.images.find_missing() == [] and found.images.read(1) == jpg(1)
    assert found.task.groups == {}
    write_gldv2(folder, queries, {key: value for key, value in landmark_of.items() if key != "i4"}, {7: "x", 9: "y"})
    with pytest.raises(InputError, match=r"1 of 4 index images have no landmark, such as 'i4'"):
        open_gldv2(folder)
    write_gldv2(folder, queries, landmark_of, {7: "x"})
    with pytest.raises(InputError, match=r"1 of 2 landmarks have no name, such as '9'"):
        open_gldv2(folder)


def test_gldv2_groups_by_what_its_hierarchy_says_and_by_regions_of_ones_own(tmp_path):
    queries = {"abc1": "i1", "bcd2": "i2", "cde3": "i3"}
    folder = write_gldv2(tmp_path, queries, {"i1": 7, "i2": 9, "i3": 3}, {7: "Haus", 9: "Etna", 3: "Elsewhere"})
    plain = open_gldv2(folder)
    category = {"category": "http://x", "hierarchical_label": "y"}
    hierarchy = [
        {"landmark_id": 7, **category, "supercategory": "house", "natural_or_human_made": "human-made"},
        {"landmark_id": 9, **category, "supercategory": "volcano", "natural_or_human_made": "natural"},
    ]
    write_csv(folder / "index_label_to_hierarchical.csv", hierarchy)
    write_csv(
        folder / "landmark_regions.csv", [{"landmark_id": 9, "region": "Europe"}, {"landmark_id": 7, "region": ""}]
    )
    found = open_gldv2(folder)
    assert found.task.groups == {
        "made": ["human-made", "natural", "unknown"],
        "kind": ["house", "volcano", "unknown"],
        "region": ["unknown", "Europe", "unknown"],
    }
    assert found.annotations != plain.annotations
    write_csv(folder / "landmark_regions.csv", [{"landmark_id": 9, "country": "IT"}])
    with pytest.raises(InputError, match=r"landmark_regions.csv: no column 'region' \(it has landmark_id, country\)"):
        open_gldv2(folder)


# ---------------------------------------------------------------------- webdatasets


def test_webdatasets_read_datacomps_layout(tmp_path):
    found = open_webdataset(write_webdataset(tmp_path / "wds_vtab-pets_test", ["cat", "dog"], [0, 1, 1]))
    assert (found.name, found.task.main) == ("wds-vtab-pets", "mean_per_class")
    assert found.task.classes.tolist() == [0, 1, 1]
    assert found.task.prompts("en").texts() == ["a photo of a cat.", "a cat", "a photo of a dog.", "a dog"]
    assert [found.images.read(i) for i in (2, 0)] == [jpg(2), jpg(0)]


def test_webdatasets_refuse_classes_outside_and_halves(tmp_path):
    with pytest.raises(InputError, match=r"s0000001: its class b'2' is outside the 2 names"):
        open_webdataset(write_webdataset(tmp_path / "a", ["cat", "dog"], [0, 2]))
    folder = write_webdataset(tmp_path / "b", ["cat", "dog"], [0, 1])
    tar = folder / "test" / "0.tar"
    tar.write_bytes(tar.read_bytes()[:700])
    with pytest.raises(InputError, match="the tar is cut here"):
        open_webdataset(folder)


def test_a_digest_changes_with_annotations_and_an_identity_with_images(tmp_path):
    folder = write_xm3600(tmp_path, GREY[:3], CAPTIONS)
    before = open_xm3600(folder)
    assert open_xm3600(folder).annotations == before.annotations
    identity = before.images.identity()
    write(folder / "images" / before.images.names[0], jpg(1, 9))
    assert before.images.identity() != identity
    write_xm3600(folder, GREY[:3], {"en": CAPTIONS["en"]})
    assert open_xm3600(folder).annotations != before.annotations


def test_parquet_groups_are_read_once_in_order(tmp_path, monkeypatch):
    found = open_cvqa("en", write_cvqa(tmp_path, cvqa_rows(GREY, [0] * 6)))
    reads = []
    plain = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda self, i, **rest: (reads.append(i), plain(self, i, **rest))[1]
    )
    assert [found.images.read(i) for i in range(6)] == GREY and len(reads) == 4


def test_threads_at_the_border_of_two_parts_read_neither_twice():
    loaded = []
    recent = Recent(lambda part: loaded.append(part) or part * 10, limit=2)
    assert [recent.get(part) for part in (0, 0, 1, 0, 1, 1, 2, 1, 2)] == [0, 0, 10, 0, 10, 10, 20, 10, 20]
    assert loaded == [0, 1, 2]
    recent.get(0)
    assert loaded == [0, 1, 2, 0]


def test_a_row_without_an_image_is_an_error_of_reading(tmp_path):
    rows = cvqa_rows(GREY[:2], [0, 1])
    rows[1]["image"] = None
    found = open_cvqa("en", write_cvqa(tmp_path, rows))
    with pytest.raises(OSError, match="no image bytes"):
        found.images.read(1)


def test_json_of_another_kind_is_named(tmp_path):
    write(tmp_path / "babel_imagenet.json", json.dumps([1]))
    with pytest.raises(InputError, match=r"babel_imagenet.json: holds a list, not an object"):
        open_babel_imagenet(tmp_path)
