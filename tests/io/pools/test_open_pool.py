"""Readers: each layout as its tool writes it, ids that outlast splitting, and input that was cut or damaged."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mc2lib.errors import InputError
from mc2lib.io.pools.open_pool import FORMATS, open_pool, read_batches, read_shard, read_shard_images
from mc2lib.io.pools.shards import Shard
from mc2lib.io.tars import BLOCK, read_images, read_members
from mc2lib.recipe.curation.pair_ids import image_ids
from mc2lib.schemas import POOL, WEB, check
from tests.conftest import ROOT
from tests.pools import (
    jpg,
    sha256,
    wat_member,
    wat_record,
    write_commonpool,
    write_img2dataset,
    write_laion,
    write_tar,
    write_wat,
)

UIDS = [f"{i:032x}" for i in (7, 0xFFFF, 3)]


def texts_of(table: pa.Table) -> list[str]:
    return table["alt_text"].to_pylist()


def adds_up(tally: Counter[str]) -> bool:
    dropped = sum(count for name, count in tally.items() if name.startswith("dropped"))
    return tally["rows"] + tally["more texts"] == tally["pairs"] + dropped


# ---------------------------------------------------------------------- layouts


def test_img2dataset_is_read_from_its_tables(tmp_path):
    rows = [
        {"caption": "ein Hund"},
        {"caption": "x", "status": "failed_to_download"},
        {"caption": None},
        {"caption": " "},
    ]
    write_img2dataset(tmp_path, "00000", rows)
    write_img2dataset(tmp_path, "00001", [{"caption": "en katt"}])
    source = open_pool(tmp_path)
    assert (source.format, [s.name for s in source.shards]) == ("img2dataset", ["00000", "00001"])
    assert source.images == (tmp_path / "00000.tar", tmp_path / "00001.tar")
    tally: Counter[str] = Counter()
    table = read_shard(source.shards[0], tally)
    assert table.column_names == [*POOL.names, "url", "sha256", "width", "height"]
    assert table.drop_columns(["pair_id", "image_id"]).to_pylist() == [
        {
            "image": "000000000",
            "alt_text": "ein Hund",
            "language": None,
            "url": "http://a.example/00000/0.jpg",
            "sha256": sha256("http://a.example/00000/0.jpg"),
            "width": 640,
            "height": 480,
        }
    ]
    assert tally == {
        "rows": 4, "pairs": 1, "dropped: not downloaded": 1, "dropped: no text": 1, "dropped: empty text": 1,
        "dropped: no id": 0, "dropped: same pair again": 0, "dropped: id of an earlier row": 0,
    }  # fmt: skip


def test_img2dataset_without_tables_is_read_from_its_tars_and_gives_the_same_ids(tmp_path):
    rows = [{"caption": f"text {i}", "status": "success" if i % 3 else "failed_to_resize"} for i in range(9)]
    write_img2dataset(tmp_path / "a", "00000", rows)
    write_img2dataset(tmp_path / "b", "00000", rows)
    (tmp_path / "b" / "00000.parquet").unlink()
    first, second = (open_pool(tmp_path / name) for name in "ab")
    assert second.format == "img2dataset" and second.shards[0].paths[0].suffix == ".tar"
    columns = [*POOL.names, "url", "sha256", "width", "height"]
    assert read_shard(first.shards[0]).select(columns) == read_shard(second.shards[0]).select(columns)


def test_a_downloaded_pair_has_the_ids_of_its_metadata(tmp_path):
    fields = {"uid": UIDS[0], "url": f"http://b.example/{UIDS[0]}", "sha256": sha256(UIDS[0])}
    write_img2dataset(tmp_path / "down", "00000", [{"caption": "c"} | fields])
    write_commonpool(tmp_path / "meta" / "0.parquet", UIDS[:1], ["c"])
    downloaded = read_shard(open_pool(tmp_path / "down").shards[0])
    metadata = read_shard(open_pool(tmp_path / "meta").shards[0])
    assert downloaded["pair_id"] == metadata["pair_id"] and downloaded["image_id"] == metadata["image_id"]
    names = {"uid": ["", None, ""], "url": ["u", "u", None], "key": ["k", "k", "k"]}
    ids, named = image_ids({name: pa.array(values, pa.string()) for name, values in names.items()})
    assert named.all() and ids[0] == ids[1] != ids[2]
    assert not image_ids({"url": pa.array(["", None], pa.string())})[1].any()


def test_commonpool(tmp_path):
    write_commonpool(tmp_path / "0001.parquet", UIDS, ["a dog", None, "\t"])
    source = open_pool(str(tmp_path))
    assert source.format == "commonpool" and source.images == ()
    tally: Counter[str] = Counter()
    table = read_shard(source.shards[0], tally)
    row = table.to_pylist()[0]
    assert table.num_rows == 1 and adds_up(tally) and tally["dropped: no text"] == tally["dropped: empty text"] == 1
    assert (row["uid"], row["image"], row["width"], row["faces"]) == (UIDS[0], UIDS[0], 100, [])
    assert row["similarity"] == np.float32(0.3)
    check(table, POOL, "commonpool")
    with pytest.raises(InputError, match="holds no images"):
        list(read_shard_images(source.shards[0]))


def test_laion(tmp_path):
    write_laion(tmp_path / "part-0.parquet", [{"TEXT": "hund"}, {"TEXT": "katt"}, {"TEXT": "häst"}, {"TEXT": "ko"}])
    source = open_pool(tmp_path / "part-0.parquet")
    table = read_shard(source.shards[0])
    assert source.format == "laion" and source.shards[0].name == "part-0"
    assert table["uid"].to_pylist() == [str(7_000_000_000 + i) for i in range(4)]
    assert table["nsfw"].to_pylist() == [0.0, 0.5, 1.0, None]
    assert table["language"].null_count == 4 and table["source_language"].to_pylist() == ["sv"] * 4
    assert table["width"].to_pylist() == [64] * 4
    assert table.schema.equals(pa.schema([WEB.field(name) for name in table.column_names]))


def test_laion_ids_that_are_floats_and_images_that_share_a_url(tmp_path):
    write_laion(tmp_path / "a.parquet", [{"TEXT": "x", "SAMPLE_ID": 12.0}])
    assert read_shard(open_pool(tmp_path).shards[0])["uid"].to_pylist() == ["12"]
    rows = [{"URL": "http://c/1", "TEXT": t, "SAMPLE_ID": None} for t in ("a", "b", "a")]
    write_laion(tmp_path / "b.parquet", rows)
    tally: Counter[str] = Counter()
    table = read_shard(open_pool(tmp_path).shards[1], tally)
    assert texts_of(table) == ["a", "b"] and len(set(table["image_id"].to_pylist())) == 1
    assert len(set(table["pair_id"].to_pylist())) == 2 and tally["dropped: same pair again"] == 1 and adds_up(tally)


def test_webdataset_with_several_texts_an_image(tmp_path):
    members = [
        ("a/1.jpg", jpg(1)), ("a/1.txt", b"one"), ("a/1.json", b'{"texts": ["one", ["alt", "two"], 3]}'),
        ("2.png", b"png"), ("2.json", b'{"alt": "drei", "title": "vier", "uid": "u2", "width": 5, "nsfw": "UNSURE"}'),
        ("3.txt", b"no image"), ("4.jpg", jpg(4)), ("5.jpg", jpg(5)), ("5.json", b"[broken"), ("5.txt", b"f\xffnf"),
        ("6.jpg", jpg(6)), ("6.json", b'{"caption": "lone \\ud800, joined \\ud83d\\ude00"}'),
    ]  # fmt: skip
    write_tar(tmp_path / "train-000.tar", members)
    source = open_pool(tmp_path)
    tally: Counter[str] = Counter()
    table = read_shard(source.shards[0], tally)
    assert source.format == "webdataset" and source.shards[0].name == "train-000"
    assert texts_of(table) == ["one", "two", "drei", "vier", "f\ufffdnf", "lone \ufffd, joined 😀"]
    assert table["image"].to_pylist() == ["a/1", "a/1", "2", "2", "5", "6"]
    assert table["uid"].to_pylist()[2] == "u2" and table["nsfw"].to_pylist()[2] == 0.5
    assert len(set(table["image_id"].to_pylist())) == 4
    assert adds_up(tally) and tally["dropped: no image"] == tally["dropped: no text"] == 1
    assert (
        tally["mended: broken json left out"] == tally["mended: invalid UTF-8"] == tally["mended: lone surrogate"] == 1
    )
    images = [(key, extension) for key, extension, _ in read_shard_images(source.shards[0], lambda key: key != "4")]
    assert images == [("a/1", "jpg"), ("2", "png"), ("5", "jpg"), ("6", "jpg")]


def test_common_crawl(tmp_path):
    links = [
        {"path": "IMG@/src", "url": "../i/a.jpg", "alt": "eine Katze", "title": "Katze"},
        {"path": "A@/href", "url": "/b", "text": "no image"},
        {"path": "IMG@/src", "url": "//cdn.example/b.png", "data-image-title": "b"},
        {"path": "IMG@/src", "url": "data:image/gif;base64,R0", "alt": "inline"},
        {"path": "IMG@/src", "url": "http://[broken", "alt": "bracket"},
        {"path": "IMG@/src", "url": "c.gif"},
        {"path": "IMG@/src", "url": "../i/a.jpg", "alt": "Katze"},
        {"path": "IMG@/src", "alt": "no url"},
        7,
    ]
    records = [
        wat_record("http://a.example/x/y.html", links),
        wat_record(
            "http://a.example/z", [{"path": "IMG@/src", "url": "p.png", "alt": "based"}], {"Base": "http://base/q/"}
        ),
        wat_record("http://a.example/z", {"IMG@/src": 1}),
        wat_member("http://a.example/w", b'{"IMG@/src": broken'),
        wat_record("http://a.example/r", links, kind="response"),
    ]
    write_wat(tmp_path / "segment" / "00000.warc.wat.gz", records)
    source = open_pool(tmp_path)
    assert (source.format, source.shards[0].name) == ("wat", "segment/00000")
    tally: Counter[str] = Counter()
    table = read_shard(source.shards[0], tally)
    found = list(zip(table["url"].to_pylist(), texts_of(table), strict=True))
    assert found == [
        ("http://a.example/i/a.jpg", "eine Katze"),
        ("http://a.example/i/a.jpg", "Katze"),
        ("http://cdn.example/b.png", "b"),
        ("http://base/q/p.png", "based"),
    ]
    assert table["image_id"][0] == table["image_id"][1] and table["page"][3].as_py() == "http://a.example/z"
    assert table["image"] == table["url"] and adds_up(tally)
    assert (tally["dropped: no http url"], tally["dropped: no text"], tally["dropped: same pair again"]) == (3, 1, 1)


def saved(folder: Path, rows: int = 5, **columns: object) -> Path:
    content = {"caption": [f"text {i}" for i in range(rows)], "id": [f"n{i}" for i in range(rows)], **columns}
    datasets.Dataset.from_dict(content).save_to_disk(str(folder), num_shards=2)
    return folder


def test_a_saved_data_set(tmp_path):
    source = open_pool(saved(tmp_path / "d"))
    assert source.format == "datasets-saved"
    assert [s.name for s in source.shards] == ["data-00000-of-00002", "data-00001-of-00002"]
    tables = [read_shard(shard) for shard in source.shards]
    assert [text for table in tables for text in texts_of(table)] == [f"text {i}" for i in range(5)]
    assert tables[0]["image"].to_pylist()[1] == "data-00000-of-00002/000000001"
    assert tables[1]["uid"].to_pylist() == ["n3", "n4"]


def test_a_dictionary_of_saved_data_sets_gives_the_split_that_is_asked_for(tmp_path):
    parts = {name: datasets.Dataset.from_dict({"text": [name]}) for name in ("train", "test")}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "d"))
    for split in ("train", "test"):
        source = open_pool(tmp_path / "d", split=split)
        assert [texts_of(read_shard(shard)) for shard in source.shards] == [[split]]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_data_set_that_the_library_loads(tmp_path, kind):
    for number in range(2):
        rows = [{"legend": f"{number} {i}", "id": f"{number}{i}"} for i in range(3)]
        if kind == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"train-{number}.parquet")
        else:
            (tmp_path / f"train-{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = open_pool(tmp_path, text="legend")
    assert source.format == "datasets" and [s.part for s in source.shards] == [0, 1]
    assert texts_of(read_shard(source.shards[1])) == ["1 0", "1 1", "1 2"]
    with pytest.raises(InputError, match="no column holds texts"):
        read_shard(open_pool(tmp_path).shards[0])
    with pytest.raises(InputError, match="no column 'lgend'"):
        read_shard(open_pool(tmp_path, text="lgend").shards[0])


def test_a_data_set_with_images(tmp_path):
    images = [{"bytes": jpg(i), "path": None} for i in range(5)]
    features = datasets.Features(
        {"caption": datasets.Value("string"), "id": datasets.Value("string"), "image": datasets.Image()}
    )
    rows = {"caption": [f"t{i}" for i in range(5)], "id": [f"n{i}" for i in range(5)], "image": images}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "d"), num_shards=2)
    shard = open_pool(tmp_path / "d").shards[1]
    keys = read_shard(shard)["image"].to_pylist()
    assert "image" in read_shard(shard).column_names and len(keys) == 2
    assert list(read_shard_images(shard, lambda key: key == keys[1])) == [(keys[1], "jpg", jpg(4))]


def image_folder(folder: Path) -> Path:
    """Two images and metadata that name them, as `datasets` loads an imagefolder."""
    folder.mkdir()
    for row in range(2):
        (folder / f"{row}.jpg").write_bytes(jpg(row))
    (folder / "metadata.csv").write_text("file_name,text\n0.jpg,a cat\n1.jpg,a dog\n")
    return folder


def test_images_that_stand_beside_their_table_are_read(tmp_path):
    shard = open_pool(image_folder(tmp_path / "pool")).shards[0]
    keys = read_shard(shard)["image"].to_pylist()
    assert [row[1:] for row in read_shard_images(shard)] == [("jpg", jpg(0)), ("jpg", jpg(1))]
    assert [key for key, _, _ in read_shard_images(shard, keys[1:].__contains__)] == keys[1:]


@pytest.mark.parametrize("path", ["{}/secret.jpg", "../secret.jpg", "absent.jpg"])
def test_a_path_that_leads_out_of_the_pool_is_refused(tmp_path, path):
    (tmp_path / "secret.jpg").write_bytes(jpg(7))
    (tmp_path / "pool").mkdir()
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    image = pa.array([{"bytes": None, "path": path.format(tmp_path)}], kind)
    pq.write_table(pa.table({"text": ["a cat"], "image": image}), tmp_path / "pool" / "0.parquet")
    shard = open_pool(tmp_path / "pool").shards[0]
    assert texts_of(read_shard(shard)) == ["a cat"]
    with pytest.raises(InputError, match=r"only a path stands here, .* no file of the pool.*save_to_disk"):
        list(read_shard_images(shard))


@pytest.mark.parametrize("names", [("url", "text"), ("URL", "TEXT"), ("uid", "url", "text")])
def test_a_table_with_images_keeps_them_though_its_columns_are_those_of_metadata(tmp_path, names):
    columns = {name: ["http://a.example/1.jpg"] for name in names} | {"image": [{"bytes": jpg(3), "path": None}]}
    pq.write_table(pa.table(columns), tmp_path / "0.parquet")
    source = open_pool(tmp_path)
    assert source.format == "datasets" and len(read_shard(source.shards[0])) == 1
    assert [row[1:] for row in read_shard_images(source.shards[0])] == [("jpg", jpg(3))]


def test_images_in_img2datasets_tables_are_read(tmp_path):
    rows = [{"caption": f"text {i}", "status": "success" if i else "failed_to_resize"} for i in range(3)]
    write_img2dataset(tmp_path, "00000", rows, tar=False)
    table = pq.read_table(tmp_path / "00000.parquet")
    pq.write_table(
        table.append_column("jpg", pa.array([None, jpg(1), jpg(2)], pa.binary())), tmp_path / "00000.parquet"
    )
    shard = open_pool(tmp_path).shards[0]
    wanted = read_shard(shard)["image"].to_pylist()
    assert list(read_shard_images(shard)) == [(wanted[0], "jpg", jpg(1)), (wanted[1], "jpg", jpg(2))]
    assert [key for key, _, _ in read_shard_images(shard, lambda key: key == wanted[1])] == wanted[1:]
    pq.write_table(table, tmp_path / "00000.parquet")
    with pytest.raises(InputError, match="holds no images"):
        list(read_shard_images(shard))


def test_a_name_on_the_hub_goes_to_the_library(monkeypatch):
    asked = []

    def load(name: str, **options: object) -> datasets.IterableDataset:
        asked.append((name, options))
        return datasets.Dataset.from_dict({"text": ["a", "b"]}).to_iterable_dataset(num_shards=2)

    monkeypatch.setattr(datasets, "load_dataset", load)
    source = open_pool("someone/pairs", format="datasets")
    assert [texts_of(read_shard(shard)) for shard in source.shards] == [["a"], ["b"]]
    assert asked[0] == ("someone/pairs", {"split": "train", "streaming": True})
    monkeypatch.setattr(datasets, "load_dataset", lambda *a, **b: 1 / 0)
    with pytest.raises(InputError, match=r"someone/pairs.*division by zero"):
        open_pool("someone/pairs", format="datasets")


def write_packaged(folder: Path, pair_ids: list[int]) -> Path:
    folder.mkdir(parents=True)
    rows = len(pair_ids)
    table = pa.table([pair_ids, [9] * rows, ["noto/a"] * rows, ["ä"] * rows, ["de"] * rows], schema=POOL)
    pq.write_table(table, folder / "pairs-00000.parquet")
    pq.write_table(pa.table({"pair_id": pair_ids}), folder / "truth.parquet")
    write_tar(folder / "images-00000.tar", [("noto/a.png", b"png")])
    return folder


def test_the_packaged_pool_keeps_its_ids_and_languages(tmp_path):
    source = open_pool(write_packaged(tmp_path / "p", [5, 6]))
    table = read_shard(source.shards[0])
    assert (source.format, source.shards[0].name) == ("packaged", "pairs-00000")
    assert table == pq.read_table(tmp_path / "p" / "pairs-00000.parquet") and table.schema.equals(POOL)
    assert list(read_shard_images(source.shards[0])) == [("noto/a", "png", b"png")]


# ---------------------------------------------------------------------- ids and batches


def test_ids_outlast_another_split_of_the_files(tmp_path):
    texts = [f"text {i % 5}" for i in range(20)]
    uids = [f"{i * 977:032x}" for i in range(20)]
    write_commonpool(tmp_path / "one" / "0.parquet", uids, texts)
    for part in range(4):
        rows = slice(part * 5, part * 5 + 5)
        write_commonpool(tmp_path / "four" / f"{9 - part}.parquet", uids[rows], texts[rows])
    ids = {
        name: sorted(i for s in open_pool(tmp_path / name).shards for i in read_shard(s)["pair_id"].to_pylist())
        for name in ("one", "four")
    }
    assert ids["one"] == ids["four"] and len(set(ids["one"])) == 20


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_batches_hold_what_the_shard_holds(tmp_path, rows):
    write_commonpool(tmp_path / "0.parquet", [f"{i:032x}" for i in range(9)], [f"t{i}" for i in range(9)])
    write_tar(tmp_path / "w" / "0.tar", [m for i in range(9) for m in ((f"{i}.jpg", b"x"), (f"{i}.txt", b"t%d" % i))])
    for source in (open_pool(tmp_path / "0.parquet"), open_pool(tmp_path / "w")):
        batches = list(read_batches(source.shards[0], rows))
        assert max(batch.num_rows for batch in batches) == min(rows, 9)
        assert texts_of(pa.concat_tables(batches)) == [f"t{i}" for i in range(9)]


def test_long_texts_make_small_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("mc2lib.io.pools.parquet_tables.BYTES", 3 << 20)
    rng = np.random.default_rng(0)
    texts = [bytes(rng.integers(97, 123, 1 << 20, dtype=np.uint8)).decode() for _ in range(5)]
    write_commonpool(tmp_path / "0.parquet", [f"{i:032x}" for i in range(5)], texts)
    batches = list(read_batches(open_pool(tmp_path).shards[0]))
    assert [b.num_rows for b in batches] == [2, 2, 1] and texts_of(pa.concat_tables(batches)) == texts


# ---------------------------------------------------------------------- bad input


def test_unknown_folders_say_what_was_looked_for(tmp_path):
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(InputError, match=r"no pool is known here among 1 files\. Looked for .*\.wat\.gz.*state\.json"):
        open_pool(tmp_path)
    with pytest.raises(InputError, match=r"Looked for \*\.wat\.gz"):
        open_pool(tmp_path, "wat")
    with pytest.raises(InputError, match="Did you mean 'webdataset'"):
        open_pool(tmp_path, "webdatasets")
    with pytest.raises(InputError, match="no such folder"):
        open_pool(tmp_path / "absent")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="no column holds texts"):
        read_shard(open_pool(tmp_path).shards[0])


def test_one_broken_file_does_not_hide_the_pool(tmp_path):
    (tmp_path / "0.parquet").write_bytes(b"PAR1 not really")
    write_commonpool(tmp_path / "1.parquet", UIDS, ["a", "b", "c"])
    source = open_pool(tmp_path)
    assert source.format == "commonpool"
    with pytest.raises(InputError, match=r"0\.parquet, after row 0: cannot be read"):
        read_shard(source.shards[0])
    assert read_shard(source.shards[1]).num_rows == 3


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_of_a_repeated_id_the_first_row_stays_and_the_others_are_counted(rows, tmp_path):
    write_commonpool(tmp_path / "c" / "0.parquet", [UIDS[0], UIDS[1], UIDS[0], UIDS[0]], ["a", "b", "c", "a"])
    write_packaged(tmp_path / "p", [4, 4, 5])
    captions = [{"caption": "a", "key": "k"}, {"caption": "b", "key": "k"}]
    write_img2dataset(tmp_path / "i", "00000", captions, tar=False)
    for name, left, dropped in (("c", 2, 2), ("p", 2, 1), ("i", 1, 1)):
        tally = Counter()
        batches = list(read_batches(open_pool(tmp_path / name).shards[0], rows=rows, tally=tally))
        assert sum(len(batch) for batch in batches) == left == tally["pairs"]
        assert tally["dropped: id of an earlier row"] == dropped
        assert tally["rows"] + tally["more texts"] == tally["pairs"] + sum(
            count for what, count in tally.items() if what.startswith("dropped: ")
        )
        if name == "c":
            assert pa.concat_tables(batches)["alt_text"].to_pylist() == ["a", "b"]


def test_rows_that_share_a_hash_or_else_a_url_are_one_image(tmp_path):
    write_commonpool(tmp_path / "0.parquet", UIDS, ["a", "b", "c"])
    table = pq.read_table(tmp_path / "0.parquet")
    url = table.set_column(1, "url", pa.array(["u", "u", "v"]))
    for name, changed, images in (
        ("hashes", url, 3),
        ("url", url.drop_columns(["sha256"]), 2),
        ("one hash", table.set_column(8, "sha256", pa.array(["h", "x", "h"])), 2),
        ("no hash", url.set_column(8, "sha256", pa.array([None, "", None], pa.string())), 2),
    ):
        pq.write_table(changed, tmp_path / "0.parquet")
        found = read_shard(open_pool(tmp_path).shards[0])
        assert len(found) == 3 and len(set(found["image_id"].to_pylist())) == images, name
        assert len(set(found["pair_id"].to_pylist())) == 3


def test_members_that_lead_out_are_counted_and_never_read(tmp_path):
    path = tmp_path / "0.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("../up.jpg", "/root.jpg", "a/../../b.jpg", "C:/x.jpg", "ok.jpg"):
            tar.addfile(tarfile.TarInfo(name))
        for kind, name in ((tarfile.SYMTYPE, "s.jpg"), (tarfile.LNKTYPE, "l.jpg"), (tarfile.FIFOTYPE, "f.jpg")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        folder = tarfile.TarInfo("d")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    tally: Counter[str] = Counter()
    assert list(read_members(path, lambda name: True, tally)) == [("ok.jpg", b"")]
    assert tally == {"passed over: unsafe member name": 4, "passed over: link or device": 3}


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_every_tar_dialect_is_read_as_tarfile_reads_it(tmp_path, format, suffix):
    names = ["a.txt", "d/" * 60 + "deep.txt", "./here.txt"]
    names += [] if format == tarfile.USTAR_FORMAT else ["l" * 300 + ".txt", "ü.txt"]
    path = tmp_path / f"0{suffix}"
    with tarfile.open(path, "w:gz" if suffix.endswith("gz") else "w", format=format) as tar:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = 511 + number, 1.5 if format == tarfile.PAX_FORMAT else 1
            tar.addfile(info, io.BytesIO(bytes([65 + number]) * info.size))
    read = dict(read_members(path, lambda name: name != "a.txt"))
    with tarfile.open(path) as tar:
        expected = {m.name.removeprefix("./"): tar.extractfile(m).read() for m in tar}
    assert read == {**expected, "a.txt": None}


def test_damaged_tars_are_named_by_byte(tmp_path):
    whole = write_tar(tmp_path / "0.tar", [("a.txt", b"x"), ("b.txt", b"y")]).read_bytes()
    path = tmp_path / "1.tar"
    zeroed = whole[: 2 * BLOCK] + bytes(BLOCK) + whole[3 * BLOCK :]
    for content, fault in (
        (b"", "byte 0: the tar is cut here"),
        (whole[: 2 * BLOCK], "byte 1024: the tar is cut here"),
        (zeroed, "byte 1024: the tar goes on after"),
        (whole[: 2 * BLOCK] + b"?" + whole[2 * BLOCK + 1 :], "byte 1024: no tar header"),
        (whole + whole, "goes on after its end"),
        (b"this is no tar" * 100, "byte 0: no tar header"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"1\.tar, {fault}" if fault.startswith("byte") else fault):
            list(read_members(path, lambda name: True))


def test_huge_and_strange_texts(tmp_path):
    texts = ["x" * (1 << 20), "\0\1\x1b[31m", "\u202ebidi", "!!!", "a\tb\nc", "\u200b", "\ue000"]
    write_commonpool(tmp_path / "0.parquet", [f"{i:032x}" for i in range(7)], texts)
    assert texts_of(read_shard(open_pool(tmp_path).shards[0])) == texts
    invalid = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, 2, 3], np.int32)), pa.py_buffer(b"a\xffb")]
    )
    table = pq.read_table(tmp_path / "0.parquet").slice(0, 2).set_column(2, "text", invalid)
    pq.write_table(table, tmp_path / "1.parquet")
    tally: Counter[str] = Counter()
    assert texts_of(read_shard(open_pool(tmp_path).shards[1], tally)) == ["a\ufffd", "b"]
    assert tally["mended: invalid UTF-8"] == 1 and adds_up(tally)


def test_lists_of_texts_and_several_text_columns(tmp_path):
    table = {"id": ["a", "b", "c", "c"], "captions": [["x", None, ""], None, ["y", "z"], ["z"]]}
    pq.write_table(pa.table(table), tmp_path / "l.parquet")
    tally: Counter[str] = Counter()
    assert texts_of(read_shard(open_pool(tmp_path / "l.parquet").shards[0], tally)) == ["x", "y", "z"]
    assert adds_up(tally) and tally["dropped: no text"] == 2 and tally["dropped: same pair again"] == 1
    pq.write_table(pa.table({"id": ["a", "b"], "alt": ["x", None], "title": ["y", "z"]}), tmp_path / "m.parquet")
    assert texts_of(read_shard(open_pool(tmp_path / "m.parquet").shards[0])) == ["x", "y", "z"]


def test_columns_of_another_type_are_named(tmp_path):
    pq.write_table(pa.table({"uid": ["a"], "url": ["b"], "text": ["c"], "width": ["wide"]}), tmp_path / "0.parquet")
    with pytest.raises(InputError, match=r"0\.parquet, after row 0: column for 'width'"):
        read_shard(open_pool(tmp_path).shards[0])
    pq.write_table(
        pa.table({"uid": ["a"], "url": ["b"], "text": ["c"], "width": [float("nan")]}), tmp_path / "0.parquet"
    )
    assert read_shard(open_pool(tmp_path).shards[0])["width"].to_pylist() == [None]


def test_a_record_of_gigabytes_is_passed_over(tmp_path, monkeypatch):
    links = [{"path": "IMG@/src", "url": "/a.jpg", "alt": "a cat"}]
    bomb = wat_member("http://b.example/", b'{"IMG@/src": "' + b"0" * 3000 + b'"}')
    pages = [wat_record(f"http://{name}.example/", links) for name in "ac"]
    write_wat(tmp_path / "a.warc.wat.gz", [pages[0], bomb, pages[1]])
    monkeypatch.setattr("mc2lib.io.pools.common_crawl.LARGEST", 2000)
    tally = Counter()
    assert read_shard(open_pool(tmp_path).shards[0], tally).num_rows == 2
    assert tally["passed over: too large a record"] == 1


@pytest.mark.parametrize("place", [2357, 2341, 2287])
def test_a_damaged_footer_does_not_end_the_process(place, tmp_path):
    """A column of an unknown type: pyarrow aborts when asked for such a column's metadata."""
    write_commonpool(tmp_path / "a.parquet", [f"{i:032x}" for i in range(3)], ["a cat", "b", "c"], numbered=True)
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    shard = open_pool(tmp_path).shards[0]
    content[-place] ^= 2
    (tmp_path / "a.parquet").write_bytes(content)
    code = (
        f"from pathlib import PosixPath; from mc2lib.io.pools.open_pool import Shard, read_shard; read_shard({shard!r})"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1 and "InputError" in run.stderr and "a.parquet" in run.stderr


def test_one_rows_odd_number_does_not_cost_the_shard(tmp_path):
    sizes = [10.5, 1e12, float("nan"), None, 64.0]
    rows = [{"SAMPLE_ID": float(i) if i else float("nan"), "TEXT": "a", "WIDTH": size} for i, size in enumerate(sizes)]
    table = pa.Table.from_pylist([row | {"URL": f"http://c.example/{i}"} for i, row in enumerate(rows)])
    (tmp_path / "pool").mkdir()
    pq.write_table(table, tmp_path / "pool" / "a.parquet")
    found = read_shard(open_pool(tmp_path / "pool").shards[0])
    assert found["width"].to_pylist() == [10, None, None, None, 64]
    assert found["uid"].to_pylist() == [None, "1", "2", "3", "4"]


def test_folders_that_are_links_are_read_and_a_link_in_a_circle_is_not_walked_without_end(tmp_path):
    write_laion(tmp_path / "elsewhere" / "a.parquet", [{"TEXT": "a"}])
    write_laion(tmp_path / "pool" / "b.parquet", [{"TEXT": "b"}])
    (tmp_path / "pool" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "pool")
    assert [shard.name for shard in open_pool(tmp_path / "pool").shards] == ["b", "more/a"]


def test_a_file_name_that_is_no_text_is_refused(tmp_path):
    write_laion(tmp_path / "b.parquet", [{"TEXT": "b"}])
    (tmp_path / "b.parquet").rename(tmp_path / "b\udcff.parquet")
    with pytest.raises(InputError, match="no UTF-8"):
        open_pool(tmp_path)


def test_the_packaged_pools_texts_are_mended_and_its_nulls_named(tmp_path):
    bad = pa.Array.from_buffers(pa.string(), 1, pa.array([b"cat \xff"], pa.binary()).buffers())
    columns = [pa.array([7], pa.uint64()), pa.array([8], pa.uint64()), ["i"], bad, ["en"]]
    pq.write_table(pa.table(columns, POOL.names), tmp_path / "pairs-0.parquet")
    assert read_shard(open_pool(tmp_path).shards[0])["alt_text"].to_pylist() == ["cat \ufffd"]
    columns[3] = pa.array([None], pa.string())
    pq.write_table(pa.table(columns, POOL.names), tmp_path / "pairs-0.parquet")
    with pytest.raises(InputError, match="'alt_text' has 1 nulls"):
        read_shard(open_pool(tmp_path).shards[0])


def test_two_shards_of_one_name_are_refused(tmp_path):
    write_tar(tmp_path / "0.tar", [])
    (tmp_path / "0.tar.gz").write_bytes(gzip.compress((tmp_path / "0.tar").read_bytes()))
    with pytest.raises(InputError, match="two shards are called '0'"):
        open_pool(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.just("\ud83d"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("caption", "texts", "alt", "title", "uid", "url", "width", "nsfw", "similarity", "face_bboxes", "language")


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON, min_size=1, max_size=4))
def test_any_json_beside_an_image_gives_pairs_that_add_up(tmp_path, samples):
    members = [
        m
        for i, s in enumerate(samples)
        for m in ((f"{i}.jpg", b""), (f"{i}.txt", b"t"), (f"{i}.json", json.dumps(s).encode()))
    ]
    write_tar(tmp_path / "0.tar", members)
    tally: Counter[str] = Counter()
    table = read_shard(open_pool(tmp_path).shards[0], tally)
    table.validate(full=True)
    assert adds_up(tally) and tally["rows"] == len(samples) and texts_of(table).count("t") >= 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(links=JSON | st.lists(st.fixed_dictionaries({"path": st.just("IMG@/src"), "url": JSON, "alt": JSON})), head=JSON)
def test_any_json_of_a_page_gives_pairs_that_add_up(tmp_path, links, head):
    write_wat(tmp_path / "0.wat.gz", [wat_record("http://a/IMG@/src", links, head)])
    tally: Counter[str] = Counter()
    read_shard(open_pool(tmp_path).shards[0], tally).validate(full=True)
    assert adds_up(tally)


# ---------------------------------------------------------------------- cut input


def build(folder: Path) -> dict[str, Path]:
    """One small file a format, long enough that every part of the layout can be cut."""
    texts = [f"text {i}" for i in range(4)]
    members = [m for i, t in enumerate(texts) for m in ((f"{i}.jpg", bytes([i]) * 700), (f"{i}.txt", t.encode()))]
    files = {
        "webdataset": write_tar(folder / "0.tar", members),
        "commonpool": write_commonpool(folder / "c.parquet", [f"{i:032x}" for i in range(4)], texts),
        "wat": write_wat(
            folder / "0.warc.wat.gz",
            [
                wat_record(f"http://p/{i}", [{"path": "IMG@/src", "url": "i.jpg", "alt": t}])
                for i, t in enumerate(texts)
            ],
        ),
    }
    files["gz"] = folder / "1.tar.gz"
    files["gz"].write_bytes(gzip.compress(files["webdataset"].read_bytes(), mtime=0))
    files["datasets-saved"] = saved(folder / "d", 4) / "data-00000-of-00002.arrow"
    return files


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory) -> dict[str, tuple[Shard, bytes, list[str]]]:
    folder = tmp_path_factory.mktemp("whole")
    found = {}
    for name, path in build(folder).items():
        format = "webdataset" if name == "gz" else name
        cut = folder / "cut" / path.name
        cut.parent.mkdir(exist_ok=True)
        shard = Shard("s", format, (cut,))
        cut.write_bytes(path.read_bytes())
        found[name] = (shard, path.read_bytes(), texts_of(read_shard(shard)))
    return found


@pytest.mark.parametrize("format", ["webdataset", "commonpool", "wat", "gz", "datasets-saved"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_cut_file_is_an_error_or_all_of_its_rows(whole_files, format, data):
    shard, content, texts = whole_files[format]
    cut = data.draw(st.integers(0, len(content) - 1))
    shard.paths[0].write_bytes(content[:cut])
    try:
        read = texts_of(read_shard(shard))
    except InputError as error:
        assert shard.paths[0].name in error.place and error.remedy
        return
    if format == "wat":  # between two gzip members nothing says that more should follow
        assert read == texts[: len(read)] and (cut == 0 or gzip.decompress(content[:cut]))
    else:
        assert read == texts


@pytest.mark.parametrize("format", ["webdataset", "commonpool", "wat", "gz"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_raises_nothing_else(whole_files, format, data):
    shard, content, _ = whole_files[format]
    damaged = bytearray(content)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        damaged[place] ^= data.draw(st.integers(1, 255))
    shard.paths[0].write_bytes(bytes(damaged))
    try:
        table = read_shard(shard)
    except InputError as error:
        assert shard.paths[0].name in str(error)
    else:
        table.validate(full=True)


def test_a_tar_cut_between_two_members_is_an_error(whole_files):
    """What `tarfile`, and so most readers of webdataset shards, take for a shorter shard."""
    shard, content, _ = whole_files["webdataset"]
    shard.paths[0].write_bytes(content[: 2 * (BLOCK * 3) + 2 * (BLOCK * 2)])
    with tarfile.open(shard.paths[0]) as tar:
        assert len(tar.getmembers()) == 4
    with pytest.raises(InputError, match="it has no end-of-archive block"):
        read_shard(shard)
    with pytest.raises(InputError, match="it has no end-of-archive block"):
        list(read_images(shard.paths[0]))


def test_every_format_has_a_test_of_its_layout():
    assert set(FORMATS) == {
        "packaged", "img2dataset", "commonpool", "laion", "wat", "datasets-saved", "webdataset", "datasets",
    }  # fmt: skip
