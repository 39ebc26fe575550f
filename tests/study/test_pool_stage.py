import hashlib
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.io.files import read_table
from mc2lib.io.image_decoder import decode_pixels
from mc2lib.io.study_paths import Paths
from mc2lib.io.tars import read_shards
from mc2lib.schemas import DRAWINGS, EVALUATION_IMAGES, EVALUATION_TEXTS, POOL, TRUTH
from mc2lib.study import pool_stage
from mc2lib.study.pool_stage import count_pairs, draw_pools, load_pairs, render_drawings, sample_noise
from mc2lib.study.vocabularies import make_vocabularies
from tests.tiny import write_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    write_study(root)
    params = load_params(root)
    render_drawings(root, params)
    draw_pools(root, params)
    make_vocabularies(root, params)
    return root, params, Paths(root)


def hashes(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((root / "data").rglob("*"))
        if path.is_file() and "sources" not in path.parts
    }


def test_a_second_study_elsewhere_has_the_same_bytes_whatever_the_worker_count(study, tmp_path):
    root, _, _ = study
    write_study(tmp_path, machine={"processes": 1})
    params = load_params(tmp_path)
    render_drawings(tmp_path, params)
    draw_pools(tmp_path, params)
    make_vocabularies(tmp_path, params)
    assert hashes(tmp_path) == hashes(root)


def test_nothing_evaluated_was_trained_on(study):
    _, params, paths = study
    for mix in params.pool.mixes:
        shards = read_shards([paths.pool(mix, 0) / "images-00000.tar"])
        trained = {pixels.tobytes() for pixels in decode_pixels(list(shards.values()), "train")}
        images = read_table(paths.evaluation(0) / "images.parquet", EVALUATION_IMAGES).to_pandas()
        assert not trained & {pixels.tobytes() for pixels in decode_pixels(images["png"].tolist(), "test")}
        assert set(images["style"]) == set(params.pool.held_out_styles)
        assert not {key.split("/")[0] for key in shards} & set(params.pool.held_out_styles)
        unseen = set(images.loc[~images["seen"], "concept"])
        truth = read_table(paths.pool(mix, 0) / "truth.parquet", TRUTH).to_pandas()
        assert unseen and not unseen & set(truth["concept"]) and not unseen & {key.split("/")[1] for key in shards}


def test_every_pair_has_its_image_and_its_truth(study):
    _, _, paths = study
    pairs = read_table(paths.pool("base", 0) / "pairs-00000.parquet", POOL).to_pandas()
    truth = read_table(paths.pool("base", 0) / "truth.parquet", TRUTH).to_pandas()
    assert len(pairs) == 600 and (pairs["pair_id"] == truth["pair_id"]).all()
    assert set(pairs["image"]) <= set(read_shards([paths.pool("base", 0) / "images-00000.tar"]))


def test_pairs_are_counted_by_language_and_concept(study):
    root, _, paths = study
    pairs = read_table(paths.pool("base", 0) / "pairs-00000.parquet", POOL).to_pandas()
    truth = read_table(paths.pool("base", 0) / "truth.parquet", TRUTH).to_pandas()
    merged = pairs.merge(truth, on="pair_id")
    counts = count_pairs(root, "base", 0)
    assert counts["pairs"].sum() == 600
    for row in counts.itertuples():
        assert row.pairs == ((merged["language"] == row.language) & (merged["concept"] == row.concept)).sum()
    for _, own in counts.groupby("language"):
        assert own["rank"].tolist() == list(range(1, len(own) + 1)) and own["pairs"].is_monotonic_decreasing
    assert load_pairs(root, "base", 0).to_pandas().astype(merged.dtypes).equals(merged)


def test_boilerplate_is_interface_text_in_english_where_it_is_not_translated(study):
    root, _, _ = study
    table = load_pairs(root, "base", 0, ["language", "alt_text", "noise"]).to_pandas().astype(str)
    shown = table[table["noise"] == "boilerplate"].groupby("language")["alt_text"].agg(set).to_dict()
    assert shown == {"en": {"Close", "Next"}, "de": {"Schließen", "Next"}, "ja": {"Close", "Next"}}


def test_the_stress_mix_has_a_head_of_marks_in_the_language_of_the_page(study):
    root, _, _ = study
    table = load_pairs(root, "stress", 0, ["language", "alt_text", "noise"]).to_pandas().astype(str)
    head = table[table["noise"] == "uninformative"]
    assert 0.33 < len(head) / len(table) < 0.47
    assert (head["alt_text"].str.split().str[0] == head["language"]).all()
    assert head["alt_text"].value_counts().index[0].endswith(" mark 0")
    shares = sample_noise(root, ["base", "stress"], 0, ["en", "de"])
    assert shares.loc["uninformative", "base"] == "" and shares.loc["uninformative", "stress"] == len(head) / 600


def test_every_concept_is_prompted_in_every_language(study):
    _, params, paths = study
    texts = read_table(paths.evaluation(0) / "texts.parquet", EVALUATION_TEXTS).to_pandas()
    assert texts.groupby("language")["concept"].nunique().tolist() == [12] * len(params.languages)


def test_the_pairs_of_each_concept_and_language_are_counted(study):
    _, _, paths = study
    pairs = read_table(paths.pool("base", 0) / "pairs-00000.parquet", POOL).to_pylist()
    truth = read_table(paths.pool("base", 0) / "truth.parquet", TRUTH).to_pylist()
    texts = read_table(paths.evaluation(0) / "texts.parquet", EVALUATION_TEXTS).to_pylist()
    counted = Counter((pair["language"], true["concept"]) for pair, true in zip(pairs, truth, strict=True))
    assert {(row["language"], row["concept"]): row["pool_pairs"] for row in texts} == {
        (row["language"], row["concept"]): counted[row["language"], row["concept"]] for row in texts
    }
    assert sum(row["pool_pairs"] for row in texts) == 600


def test_drawings_that_are_the_same_pixels_are_dropped(tmp_path):
    write_study(tmp_path)
    path = tmp_path / "data" / "sources" / "iconify" / "noto.json"
    path.write_text(path.read_text().replace(icon_body(path, "bell"), icon_body(path, "apple")))
    table = render_drawings(tmp_path, load_params(tmp_path))
    assert table.loc["noto", "kept"] == 11 and table.loc["twemoji", "kept"] == 12
    drawings = read_table(Paths(tmp_path).drawings, DRAWINGS).to_pandas()
    assert "noto/apple" in set(drawings["image"]) and "noto/bell" not in set(drawings["image"])


def icon_body(path: Path, name: str) -> str:
    return json.dumps(json.loads(path.read_text())["icons"][name]["body"])[1:-1]


def test_an_unknown_language_or_style_is_named_with_the_nearest(tmp_path):
    write_study(tmp_path)
    yaml = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(yaml.replace("[en, de, ja]", "[en, dee, ja]"))
    with pytest.raises(InputError, match=r"'dee'.*Did you mean 'de'"):
        render_drawings(tmp_path, load_params(tmp_path))
    (tmp_path / "params.yaml").write_text(yaml.replace("twemoji", "tweemoji"))
    with pytest.raises(InputError, match=r"'tweemoji'.*Did you mean 'twemoji'"):
        render_drawings(tmp_path, load_params(tmp_path))


def test_a_full_disk_is_said_before_work_begins(study, monkeypatch):
    root, params, _ = study
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10})())
    with pytest.raises(InputError, match=r"GB free on this disk"):
        draw_pools(root, params)


def test_a_large_draw_is_written_in_shards_and_a_smaller_one_leaves_none_of_them(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(pool_stage, "PAIRS_A_SHARD", 40)
    pairs = pa.table([range(90), range(90), ["a/b"] * 90, list("xyz") * 30, ["en"] * 90], schema=POOL)
    for rows, shards in ((90, [45, 45]), (20, [20]), (0, [0])):
        pool_stage.write_shards(pairs.slice(0, rows), tmp_path)
        found = [pq.read_table(path) for path in sorted(tmp_path.glob("*"))]
        assert [table.num_rows for table in found] == shards
        assert pa.concat_tables(found) == pairs.slice(0, rows)
