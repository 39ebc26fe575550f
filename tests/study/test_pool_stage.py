import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.io.files import read_table
from mc2lib.io.image_decoder import decode_pixels
from mc2lib.io.study_paths import Paths
from mc2lib.io.tars import read_shards
from mc2lib.schemas import DRAWINGS, EVALUATION_IMAGES, EVALUATION_TEXTS, POOL, TRUTH
from mc2lib.study import pool_stage
from mc2lib.study.pool_stage import draw_pools, render_drawings, render_icon
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


def test_every_concept_is_prompted_in_every_language(study):
    _, params, paths = study
    texts = read_table(paths.evaluation(0) / "texts.parquet", EVALUATION_TEXTS).to_pandas()
    assert texts.groupby("language")["concept"].nunique().tolist() == [12] * len(params.languages)


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


def pixels(icons: dict, name: str, size: int = 8) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(render_icon(icons, name, size))).convert("RGBA"))


ICONS = {
    "prefix": "test",
    "width": 8,
    "height": 8,
    "icons": {"left": {"body": '<rect width="4" height="8" fill="#f00"/>'}, "broken": {"body": "<rect"}},
    "aliases": {"right": {"parent": "left", "hFlip": True}, "top": {"parent": "left", "rotate": 1}},
}


def test_icons_and_their_aliases_are_rendered():
    assert (pixels(ICONS, "left")[:, :4] == [255, 0, 0, 255]).all() and (pixels(ICONS, "left")[:, 4:] == 0).all()
    assert (pixels(ICONS, "right") == pixels(ICONS, "left")[:, ::-1]).all()
    assert (pixels(ICONS, "top")[:4, :, 3] == 255).all() and (pixels(ICONS, "top")[4:, :, 3] == 0).all()


@pytest.mark.parametrize(("name", "words"), [("absent", "no icon 'absent'"), ("broken", "cannot be rendered")])
def test_a_bad_icon_is_named(name, words):
    with pytest.raises(InputError, match=words):
        render_icon(ICONS, name, 8)


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
