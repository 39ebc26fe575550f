"""Exports: each layout is read back by the tool it is for."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mc2lib.commands.command_line import main
from mc2lib.errors import InputError
from mc2lib.io.files import file_digest
from mc2lib.io.pools.open_pool import open_pool, read_shard
from mc2lib.io.pools.shards import PoolSource
from mc2lib.params import Machine
from mc2lib.pipeline import export
from mc2lib.pipeline.export import export_pool, pack_uids
from mc2lib.schemas import CURATED
from tests.pools import jpg, write_commonpool, write_tar

HERE = Machine(processes=1, checkpoint_seconds=1)
FORMATS = ("parquet", "webdataset", "datasets")


def curate(table: pa.Table) -> pa.Table:
    """A pool's pairs as if all were kept, with whatever more columns the pool has."""
    rows = table.num_rows
    table = table.drop_columns(["language"]).append_column("language", pa.array(["de"] * rows))
    table = table.append_column("keep_probability", pa.array([0.5] * rows))
    return table.select([*CURATED.names, *(n for n in table.column_names if n not in CURATED.names)])


def write_curated(path: Path, table: pa.Table) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def write_pool(folder: Path) -> tuple[PoolSource, Path]:
    """Two tars with three images, the second image with two texts, and their curated shards."""
    write_tar(
        folder / "pool" / "0.tar",
        [("a.jpg", jpg(1)), ("a.txt", b"eins"), ("b/b.png", b"png b"), ("b/b.json", b'{"texts": ["zwei", "deux"]}')],
    )
    write_tar(folder / "pool" / "1.tar", [("c.jpg", jpg(3)), ("c.txt", "drü".encode())])
    source = open_pool(folder / "pool")
    (folder / "curated").mkdir()
    for shard in source.shards:
        pq.write_table(curate(read_shard(shard)), folder / "curated" / f"{shard.name}.parquet")
    return source, folder / "curated"


def test_webdataset_copies_the_images_bytes(tmp_path):
    source, curated = write_pool(tmp_path)
    written = export_pool(curated, "webdataset", tmp_path / "out", HERE, source, rows=3)
    assert [path.name for path in written] == ["00000.tar", "00001.tar", "sizes.json"]
    assert json.loads(written.pop().read_text()) == {"00000.tar": 3, "00001.tar": 1}  # what open_clip counts by
    samples: dict[str, dict[str, bytes]] = {}
    for path in written:
        with tarfile.open(path) as tar:
            for member in tar:
                key, extension = member.name.split(".")
                samples.setdefault(key, {})[extension] = tar.extractfile(member).read()
    found = [(s["txt"].decode(), s.get("jpg") or s["png"]) for s in samples.values()]
    assert found == [("eins", jpg(1)), ("zwei", b"png b"), ("deux", b"png b"), ("drü", jpg(3))]
    fields = json.loads(samples[next(iter(samples))]["json"])
    assert fields["language"] == "de" and f"{fields['pair_id']:016x}" == next(iter(samples))
    again = read_shard(open_pool(tmp_path / "out").shards[0])
    assert again["alt_text"].to_pylist() == ["eins", "zwei", "deux"]


@pytest.mark.parametrize("format", FORMATS)
def test_an_export_is_the_same_bytes_again_from_more_workers(format, tmp_path):
    source, curated = write_pool(tmp_path)
    machines = (HERE, Machine(processes=2, checkpoint_seconds=1))
    first, second = (
        export_pool(curated, format, tmp_path / f"{machine.processes}", machine, source, rows=2) for machine in machines
    )
    assert [p.name for p in first] == [p.name for p in second] and len(first) >= 3
    assert [file_digest(p) for p in first] == [file_digest(p) for p in second]


@pytest.mark.parametrize("format", FORMATS)
def test_a_killed_export_goes_on(format, tmp_path, monkeypatch):
    source, curated = write_pool(tmp_path)
    whole = export_pool(curated, format, tmp_path / "whole", HERE, source, rows=2)
    finish = export._finish
    monkeypatch.setattr(export, "_finish", lambda *_: 1 / 0)  # all parts are written
    with pytest.raises(ZeroDivisionError):
        export_pool(curated, format, tmp_path / "again", HERE, source, rows=2)
    monkeypatch.setattr(export, "_finish", finish)
    work = tmp_path / ".again.export"
    assert not (tmp_path / "again").exists()
    (work / "done" / "1.json").unlink()
    stood = {path.name: path.stat().st_mtime_ns for path in (work / "files").iterdir() if "00000" in path.name}
    again = export_pool(curated, format, tmp_path / "again", HERE, source, rows=2)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in whole]
    assert stood and all(path.stat().st_mtime_ns == stood.get(path.name, path.stat().st_mtime_ns) for path in again)
    assert not work.exists()


def test_what_another_export_left_is_not_taken_up(tmp_path, monkeypatch):
    _, curated = write_pool(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(export, "_finish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export_pool(curated, "parquet", tmp_path / "out", HERE, rows=2)
    write_curated(curated / "0.parquet", pq.read_table(curated / "0.parquet").slice(0, 1))
    written = export_pool(curated, "parquet", tmp_path / "out", HERE, rows=2)
    assert [pq.read_metadata(path).num_rows for path in written] == [2]


def test_shards_that_differ_in_columns_come_with_all(tmp_path):
    _, curated = write_pool(tmp_path)
    table = pq.read_table(curated / "1.parquet")
    write_curated(curated / "1.parquet", table.append_column("url", pa.array(["u"] * len(table))))
    for rows, sizes in ((1, [1, 1, 1, 1]), (4, [4])):
        written = export_pool(curated, "parquet", tmp_path / str(rows), HERE, rows=rows)
        tables = [pq.read_table(path) for path in written]
        assert [len(table) for table in tables] == sizes
        assert pa.concat_tables(tables)["url"].to_pylist() == [None, None, None, "u"]
    write_curated(curated / "1.parquet", table.append_column("url", pa.array([1] * len(table))))
    export_pool(curated / "0.parquet", "parquet", tmp_path / "one", HERE)
    write_curated(curated / "0.parquet", pq.read_table(written[0]).slice(0, 2))
    with pytest.raises(InputError, match="its shards differ in their columns"):
        export_pool(curated, "parquet", tmp_path / "none", HERE)


def test_one_curated_file_finds_its_images_in_any_tar(tmp_path):
    source, curated = write_pool(tmp_path)
    whole = pa.concat_tables([pq.read_table(path) for path in sorted(curated.iterdir())])
    export_pool(write_curated(tmp_path / "all.parquet", whole), "webdataset", tmp_path / "out", HERE, source)
    with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
        assert len(tar.getmembers()) == 12


def test_parquet_shards_have_as_many_rows_as_asked(tmp_path):
    _, curated = write_pool(tmp_path)
    written = export_pool(curated, "parquet", tmp_path / "out", HERE, rows=3)
    tables = [pq.read_table(path) for path in written]
    assert [table.num_rows for table in tables] == [3, 1]
    assert pa.concat_tables(tables)["alt_text"].to_pylist() == ["eins", "zwei", "deux", "drü"]


def test_datasets_loads_what_was_written(tmp_path):
    _, curated = write_pool(tmp_path)
    export_pool(curated, "datasets", tmp_path / "out", HERE, rows=3)
    loaded = datasets.load_from_disk(str(tmp_path / "out"))
    assert loaded["alt_text"][:] == ["eins", "zwei", "deux", "drü"]
    assert loaded.features["pair_id"] == datasets.Value("uint64") and loaded[0]["keep_probability"] == 0.5
    source = open_pool(tmp_path / "out")
    assert source.format == "datasets-saved" and read_shard(source.shards[0])["alt_text"].to_pylist()[2] == "deux"


def test_datasets_tells_exports_apart_by_their_pairs(tmp_path):
    # it keeps what `map` computed under the names of the data sets that were joined
    pairs = pq.read_table(write_pool(tmp_path)[1])
    known = []
    for name, table in {"one": pairs, "again": pairs, "less": pairs.slice(0, 3), "other": pairs.slice(1)}.items():
        export_pool(write_curated(tmp_path / f"{name}.parquet", table), "datasets", tmp_path / name, HERE)
        known.append(datasets.load_from_disk(str(tmp_path / name))._fingerprint)
    assert known[0] == known[1] and len(set(known)) == 3


def uid_table(uids: list[str]) -> pa.Table:
    rows = len(uids)
    return pa.table({"pair_id": range(rows), "uid": uids, "image": uids, "alt_text": ["a"] * rows,
                     "language": ["en"] * rows, "keep_probability": [1.0] * rows})  # fmt: skip


def test_uids_are_datacomps(tmp_path, monkeypatch):
    uids = ["ff" * 16, "00000000000000010000000000000002", "ff" * 16, "0" * 31 + "a"]
    curated = write_curated(tmp_path / "curated.parquet", uid_table(uids))
    assert export_pool(curated, "uids", tmp_path / "subset.npy", HERE) == [tmp_path / "subset.npy"]
    subset = np.load(tmp_path / "subset.npy", allow_pickle=False)
    assert subset.dtype == np.dtype("u8,u8")
    assert subset.tolist() == sorted((int(uid[:16], 16), int(uid[16:], 16)) for uid in set(uids))
    write_commonpool(tmp_path / "pool" / "0.parquet", uids[1:3], ["x", "y"])
    curated = write_curated(tmp_path / "two", curate(read_shard(open_pool(tmp_path / "pool").shards[0])))
    export_pool(curated, "uids", tmp_path / "two.npy", HERE)
    assert np.load(tmp_path / "two.npy").tolist() == [(1, 2), (2**64 - 1, 2**64 - 1)]


def test_many_uids_are_sorted_range_by_range(tmp_path):
    halves = np.random.default_rng(0).integers(0, 2**64, (500, 2), np.uint64)
    uids = [f"{high:016x}{low:016x}" for high, low in halves.tolist()]
    uids += ["0" * 32, "f" * 32, "f" * 31 + "0", *uids[:100]]
    for number in range(4):
        write_curated(tmp_path / "curated" / f"{number}.parquet", uid_table(uids[number::4]))
    export_pool(tmp_path / "curated", "uids", tmp_path / "whole.npy", HERE, rows=150)
    wanted = np.load(tmp_path / "whole.npy")
    assert wanted.tolist() == sorted({(int(uid[:16], 16), int(uid[16:], 16)) for uid in uids})
    parts = []
    for number in range(4):
        packed = np.unique(pack_uids(pa.chunked_array([uids[number::4]])))
        parts.append(tmp_path / f"{number}.bin")
        export.write_columns(parts[-1], [packed["f0"], packed["f1"]])
    export._join_uids(parts, 603, tmp_path / "ranges.npy", at_once=40)
    assert (tmp_path / "ranges.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


@pytest.mark.parametrize("uid", ["ff", "g" * 32, "f" * 33, "f" * 32 + "\n", None])
def test_other_uids_are_named(uid):
    with pytest.raises(InputError, match="has not 32 hex digits"):
        pack_uids(pa.chunked_array([pa.array(["a" * 32, uid])]))


def test_what_cannot_be_exported_is_said_and_is_no_target(tmp_path):
    source, curated = write_pool(tmp_path)
    (tmp_path / "there").mkdir()
    write_curated(tmp_path / "other.parquet", pa.table({"a": [1]}))
    for arguments, fault in (
        ((curated, "webdatasets", tmp_path / "out", HERE), "Did you mean 'webdataset'"),
        ((curated, "parquet", tmp_path / "there", HERE), "exists already"),
        ((curated, "webdataset", tmp_path / "out", HERE), "wants the images"),
        ((curated, "parquet", tmp_path / "out", HERE, None, 0), "rows: 0 is not above zero"),
        ((curated, "uids", tmp_path / "out.npy", HERE), r"0\.parquet: column 'uid' is missing"),
        ((tmp_path / "there", "parquet", tmp_path / "out", HERE), "no curated pairs here"),
        ((tmp_path / "other.parquet", "parquet", tmp_path / "out", HERE), "column 'pair_id' is missing"),
    ):
        with pytest.raises(InputError, match=fault):
            export_pool(*arguments)
    (tmp_path / "pool" / "1.tar").write_bytes((tmp_path / "pool" / "1.tar").read_bytes()[:2048])
    with pytest.raises(InputError, match=r"1\.tar, byte \d+: the tar is cut here"):
        export_pool(curated, "webdataset", tmp_path / "out", HERE, source)
    write_tar(tmp_path / "pool" / "1.tar", [("other.jpg", b"x")])
    fault = r"curated/1\.parquet: 1 of 1 images are in none of the source's tars, such as 'c'"
    with pytest.raises(InputError, match=fault):
        export_pool(curated, "webdataset", tmp_path / "out", HERE, source)
    (curated / "1.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"1\.parquet: not a whole Parquet file"):
        export_pool(curated, "datasets", tmp_path / "out", HERE, source)
    visible = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert visible == {"pool", "curated", "there", "other.parquet"}


def test_a_shard_that_changes_meanwhile_is_said(tmp_path, monkeypatch):
    _, curated = write_pool(tmp_path)
    run = export.run_missing

    def run_and_change(*arguments):
        run(*arguments)
        write_curated(curated / "0.parquet", pq.read_table(curated / "0.parquet").slice(0, 1))

    monkeypatch.setattr(export, "run_missing", run_and_change)
    with pytest.raises(InputError, match="changed meanwhile"):
        export_pool(curated, "parquet", tmp_path / "out", HERE)
    assert not (tmp_path / "out").exists()


def test_an_image_that_two_tars_hold_is_named(tmp_path):
    for number in range(2):
        write_tar(tmp_path / "pool" / f"{number}.tar", [("a.jpg", jpg(number)), ("a.txt", b"x")])
    source = open_pool(tmp_path / "pool")
    curated = write_curated(tmp_path / "all.parquet", curate(read_shard(source.shards[0])))
    with pytest.raises(InputError, match=r"1\.tar: image 'a' stands here and before"):
        export_pool(curated, "webdataset", tmp_path / "out", HERE, source)


def test_the_command_exports_what_was_curated(tmp_path, capsys):
    source, curated = write_pool(tmp_path)
    command = ["export", str(source.root), "--out", str(tmp_path / "out"), "--as", "webdataset", "--processes", "1"]
    command += ["--to", str(tmp_path / "tars")]
    assert main(command) == 2 and "no curated pool here" in capsys.readouterr().err
    folder = tmp_path / "out" / "isolated"
    for shard in ("0.parquet", "1.parquet"):
        write_curated(folder / "curated" / "0" / shard, pq.read_table(curated / shard))
    (folder / "report.json").write_text('{"params": {"epochs": 1}}')
    assert main([*command, "--epoch", "1"]) == 2 and "--epochs 2" in capsys.readouterr().err
    assert main([*command, "--rows", "2"]) == 0
    assert "webdataset, 4 files" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "tars").iterdir()} == {
        "00000.tar",
        "00001.tar",
        "00002.tar",
        "sizes.json",
    }
