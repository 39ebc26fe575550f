"""From a pool to a curated pool: against the study's own curation, and through every fault."""

from __future__ import annotations

import errno
import io
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from PIL import Image

from mc2lib.commands.command_line import main
from mc2lib.engine.lock import claim
from mc2lib.errors import InputError, RunError
from mc2lib.hashing import mix
from mc2lib.io import column_files
from mc2lib.io.curated_pool import CuratedPool, PoolFiles, open_curated, open_repeats, read_report
from mc2lib.io.epoch_draws import draw_shards
from mc2lib.io.files import is_temporary
from mc2lib.io.match_store import open_indices
from mc2lib.io.pools.open_pool import open_pool
from mc2lib.io.provenance import tell_full_disk
from mc2lib.params import CuratePool, Machine
from mc2lib.pipeline.curate import cross_shard_images, matching
from mc2lib.pipeline.curate import curate_pool as module
from mc2lib.pipeline.curate import setup as before_matching
from mc2lib.pipeline.curate.balancing import balance_shards
from mc2lib.pipeline.curate.count_reduction import SumCounts, add_up, read_counts, sum_group
from mc2lib.pipeline.curate.cross_shard_images import count_repeats, find_repeats
from mc2lib.pipeline.curate.curate_pool import curate_pool, curate_strategies
from mc2lib.pipeline.curate.datacard import Outcome
from mc2lib.pipeline.curate.decontamination import hash_images
from mc2lib.pipeline.curate.explanation import explain
from mc2lib.pipeline.curate.matching import MatchShard, find_languages, match_shard
from mc2lib.pipeline.curate.setup import ask_paper_hygiene, prepare
from mc2lib.pipeline.export import export_pool
from mc2lib.recipe.curation.strategies import STRATEGIES
from mc2lib.schemas import METADATA, POOL
from tests.conftest import ROOT
from tests.oracles.curation import curate as curate_slowly
from tests.oracles.matching import find_entries
from tests.pools import (
    jpg,
    wat_record,
    write_commonpool,
    write_img2dataset,
    write_laion,
    write_tar,
    write_wat,
)

pytestmark = pytest.mark.usefixtures("in_turn")

HERE = Machine(processes=1, checkpoint_seconds=1)
PARAMS = CuratePool(t_en=3)
ENTRIES = {
    "en": ["cat", "dog", "red", "red cat", "horse", "0"],
    "de": ["Katze", "Hund", "rot"],
    "ja": ["猫", "犬", "白い"],
}
WORDS = {
    "en": ["cat", "dog", "red cat", "a", "thing", "cat dog", "cats"],
    "de": ["Katze", "rot", "Hund Katze", "Ding", "Katze Katze"],
    "ja": ["白い猫", "猫と犬", "絵", "猫"],
    "sw": ["paka", "mbwa"],
}


def write_metadata(folder: Path, **more: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for language, entries in (ENTRIES | more).items():
        columns = [pa.array(entries), pa.array(["wordnet"] * len(entries)), pa.array(range(len(entries)), pa.int32())]
        pq.write_table(pa.table(columns, schema=METADATA), folder / f"{language}.parquet")
    return folder


def make_pool(rows: int = 240, seed: int = 1) -> pa.Table:
    """Pairs of four languages; an image has one to four texts, and they lie far apart."""
    draws = mix(np.arange(rows), seed)
    names = list(WORDS)
    languages = [names[0 if d % 3 == 0 else d // 3 % 4] for d in draws.tolist()]
    texts = [WORDS[name][d // 64 % len(WORDS[name])] for name, d in zip(languages, draws.tolist(), strict=True)]
    images = mix(np.arange(rows) % (rows // 2 + 7), 7)
    columns = [mix(np.arange(rows), 5), images, [f"image-{i}" for i in images], texts, languages]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, POOL, strict=True)], schema=POOL)


def write_pool(folder: Path, shards: int = 4, pool: pa.Table | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    pool = make_pool() if pool is None else pool
    size = -(-pool.num_rows // shards)
    for number in range(shards):
        pq.write_table(pool.slice(number * size, size), folder / f"pairs-{number:05d}.parquet")
    return folder


def result_bytes(out: Path) -> dict[str, bytes]:
    """All that a run leaves but its cache and its locks."""
    found = {path.relative_to(out).as_posix(): path for path in sorted(out.rglob("*")) if path.is_file()}
    ours = ("cache/", ".lock", ".mc2lib.json", "index/")
    hidden = [name for name in found if Path(name).name.startswith(".") and name not in ours]
    assert not hidden, hidden
    return {name: p.read_bytes() for name, p in found.items() if not name.startswith(ours)}


def recipe(out: Path) -> CuratedPool:
    """What the recipe itself made of a pool."""
    return CuratedPool(out, STRATEGIES["isolated"])


def read_curated(out: Path, epoch: int = 0, strategy: str = "isolated") -> pa.Table:
    pool = CuratedPool(out, STRATEGIES[strategy])
    return pa.concat_tables([pq.read_table(path) for path in sorted(pool.draw(epoch).glob("*.parquet"))])


@pytest.fixture
def metadata(tmp_path: Path) -> Path:
    return write_metadata(tmp_path / "metadata")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return write_pool(tmp_path / "pool")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A run that nothing disturbs: the folder of pool, metadata and out, and what it said. Only to be read."""
    folder = tmp_path_factory.mktemp("finished")
    source, metadata = open_pool(write_pool(folder / "pool")), write_metadata(folder / "metadata")
    return folder, curate_pool(source, metadata, folder / "out", PARAMS, HERE)


@pytest.fixture(scope="module")
def fresh(finished: tuple[Path, Outcome]) -> dict[str, bytes]:
    """What a run that nothing disturbs leaves."""
    return result_bytes(finished[0] / "out")


# ---------------------------------------------------------------------- what it gives


def slow_matches(pool: pa.Table, metadata: str) -> list[list[int]]:
    """Each pair's entries, by the slow oracle."""
    texts, languages = pool["alt_text"].to_pylist(), pool["language"].to_pylist()
    if metadata == "none":
        return [[] for _ in texts]
    if metadata != "own":
        merged = list(dict.fromkeys(entry for name in ("en", "de", "ja") for entry in ENTRIES[name]))
        return find_entries(texts, ENTRIES["en"] if metadata == "english" else merged)
    of_list = {name: find_entries(texts, entries) for name, entries in ENTRIES.items()}
    return [of_list[name][row] if name in of_list else [] for row, name in enumerate(languages)]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Outcome]]:
    """A run of all six strategies. Only to be read."""
    folder = tmp_path_factory.mktemp("compared")
    source, metadata = open_pool(write_pool(folder / "pool")), write_metadata(folder / "metadata")
    params = replace(PARAMS, strategy="all", epochs=12)
    return folder, curate_strategies(source, metadata, folder / "out", params, HERE)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_is_what_the_oracle_says(name: str, compared: tuple[Path, list[Outcome]]):
    """Thresholds, candidates and keep probabilities over the whole pool, from a slow transcript of the recipe."""
    whole, strategy = make_pool(), STRATEGIES[name]
    matched, languages = slow_matches(whole, strategy.metadata), whole["language"].to_pylist()
    t, keep = curate_slowly(name, matched, languages, 3)
    report = read_report(CuratedPool(compared[0] / "out", strategy))
    assert report["t"] == {group: found for group, found in t.items() if group in report["t"]} != {} or name == "raw"
    by_pair = dict(zip(whole["pair_id"].to_pylist(), keep, strict=True))
    texts: dict[int, set[int]] = {}
    for pair, image in zip(whole["pair_id"].to_pylist(), whole["image_id"].to_pylist(), strict=True):
        if by_pair[pair]:
            texts.setdefault(image, set()).add(pair)
    seen: set[int] = set()
    for epoch in range(12):
        table = read_curated(compared[0] / "out", epoch, name)
        pairs = table["pair_id"].to_pylist()
        assert table["keep_probability"].to_pylist() == pytest.approx([by_pair[pair] for pair in pairs], abs=1e-12)
        assert all(by_pair[pair] for pair in pairs) and len(set(table["image"].to_pylist())) == len(pairs)
        seen |= set(pairs)
    sure = {pair for pairs in texts.values() if len(pairs) == 1 for pair in pairs if by_pair[pair] == 1}
    assert sure <= seen and len(seen) > 0.7 * sum(map(len, texts.values())) * sum(keep) / sum(map(bool, keep))
    [outcome] = [outcome for outcome in compared[1] if outcome.pool.strategy.name == name]
    sums = outcome.languages[outcome.languages["epoch"] == 0][["pairs", "matched", "drawn"]].sum().tolist()
    assert sums == [240, sum(map(len, texts.values())), len(texts)]
    assert (
        outcome.steps[outcome.steps["epoch"] == 0]["change"].sum()
        == outcome.steps["left"][outcome.steps["epoch"] == 0].iloc[-1]
    )


def test_one_strategy_alone_is_the_one_among_six(compared: tuple[Path, list[Outcome]], tmp_path: Path):
    folder, out = compared[0], tmp_path / "out"
    for name in ("english", "merged"):
        params = replace(PARAMS, strategy=name, epochs=12)
        curate_pool(open_pool(folder / "pool"), folder / "metadata", out, params, HERE)
        assert name == "merged" or open_curated(out).strategy.name == name
    alone, among = result_bytes(out), result_bytes(folder / "out")
    assert alone == {name: among[name] for name in alone}
    assert not [name for name in alone if name.split("/")[0] in ("isolated", "raw") or "/own/" in name]
    with pytest.raises(InputError, match=r"holds english, merged, and none is named\. Choose one: --strategy english"):
        open_curated(out)
    with pytest.raises(InputError, match="no curated pool here"):
        open_curated(out, "raw")


def test_strategies_are_matched_once_per_list_and_compared(
    compared: tuple[Path, list[Outcome]], tmp_path: Path, monkeypatch
):
    folder, out = compared[0], tmp_path / "out"
    assert sorted(path.name for path in (folder / "out" / "matches").iterdir()) == ["english", "merged", "none", "own"]
    table = pd.read_csv(PoolFiles(folder / "out").comparison, index_col="strategy")
    assert list(table.index) == list(STRATEGIES) and (table["pairs"] == 240).all()
    assert table.loc["english", "english_share"] == 1 and table.loc["english", "t"] == table.loc["merged", "t"] == 3
    assert table.loc["raw", ["matched", "kept"]].tolist() == [240, read_curated(folder / "out", 0, "raw").num_rows]
    for name in STRATEGIES:
        summary = read_report(CuratedPool(folder / "out", STRATEGIES[name]))["summary"]
        assert {column: summary[column] for column in table.columns} == pytest.approx(table.loc[name].to_dict())
    # a run of the recipe is taken up, and only the other lists are matched
    shutil.copytree(folder / "pool", tmp_path / "pool")
    curate_pool(open_pool(tmp_path / "pool"), folder / "metadata", out, replace(PARAMS, epochs=12), HERE)
    before = times(out)
    curate_strategies(
        open_pool(tmp_path / "pool"), folder / "metadata", out, replace(PARAMS, strategy="all", epochs=12), HERE
    )
    assert times(out) == before and result_bytes(out) == result_bytes(folder / "out")


def test_the_command_compares_strategies(pool: Path, metadata: Path, tmp_path: Path, capsys):
    command = ["curate", str(pool), "--out", str(tmp_path / "out"), "--metadata", str(metadata), "--processes", "1"]
    assert main([*command, "--t-en", "3", "--strategy", "all"]) == 0
    said = capsys.readouterr().out
    rows = [line.split() for line in said.splitlines() if line.split()[:1] and line.split()[0] in STRATEGIES]
    assert [row[0] for row in rows] == list(STRATEGIES) and "written to" in said.splitlines()[-1]
    assert main(["explain", str(tmp_path / "out"), "a red cat", "--language", "en", "--strategy", "merged"]) == 0
    assert "(pair)" in capsys.readouterr().out
    assert main(["explain", str(tmp_path / "out"), "rote Katze", "--language", "de", "--strategy", "english"]) == 0
    assert "dropped: not in English" in capsys.readouterr().out
    assert main(["explain", str(tmp_path / "out"), "x", "--language", "de", "--strategy", "raw"]) == 0
    assert "kept: nothing is asked of it" in capsys.readouterr().out


def test_a_folder_of_another_layout_is_refused_untouched(pool: Path, metadata: Path, tmp_path: Path):
    out = tmp_path / "out"
    (out / "curated" / "0").mkdir(parents=True)
    (out / "report.json").write_text("{}")
    with pytest.raises(InputError, match=r"was curated by an earlier version.*Set another OUT"):
        curate_pool(open_pool(pool), metadata, out, PARAMS, HERE)
    assert sorted(path.name for path in out.iterdir()) == ["curated", "report.json"]


def test_the_step_table_adds_up(finished: tuple[Path, Outcome]):
    out, steps = finished[0] / "out", finished[1].steps
    assert steps["step"].tolist()[0] == "rows of the pool" and steps["left"].iloc[0] == 240
    assert steps["change"].cumsum().tolist() == steps["left"].tolist()
    taken = dict(zip(steps["step"], steps["change"], strict=True))
    whole = make_pool()
    assert taken["language without metadata"] == -int(pc.sum(pc.equal(whole["language"], "sw")).as_py())
    assert taken["image drew another text"] < 0 and taken["sampled out"] < 0
    assert steps["left"].iloc[-1] == read_curated(out).num_rows
    report = read_report(recipe(out))
    assert report["kept"]["0"] == steps["left"].iloc[-1] and report["images_in_several_shards"] == 30
    assert pq.read_table(recipe(out).steps).to_pylist() == report["steps"]


@pytest.mark.usefixtures("workers")
def test_neither_shards_nor_workers_move_a_pair(pool: Path, metadata: Path, tmp_path: Path, fresh: dict[str, bytes]):
    curate_pool(open_pool(pool), metadata, tmp_path / "two", PARAMS, replace(HERE, processes=2))
    assert result_bytes(tmp_path / "two") == fresh
    one = write_pool(tmp_path / "one pool", shards=1)
    curate_pool(open_pool(one), metadata, tmp_path / "one", PARAMS, HERE)
    assert read_curated(tmp_path / "one").equals(read_curated(tmp_path / "two").combine_chunks())


def test_counts_are_added_up_however_they_are_grouped(finished: tuple[Path, Outcome], tmp_path: Path):
    paths = sorted((finished[0] / "out" / "counts" / "own").iterdir())
    tables = [list(read_counts(paths, rows)) for rows in (1, 25, 10**6)]
    assert [len(parts) for parts in tables][::2] == [4, 1] and 1 < len(tables[1]) < 4
    assert all(pa.concat_tables(parts).equals(pa.concat_tables(tables[0])) for parts in tables)
    rows = pa.concat_tables(tables[0]).to_pylist()
    sizes = {name: index.size for name, index in open_indices(finished[0] / "out" / "index" / "own").items()}
    wanted = {name: [0] * size for name, size in sizes.items()}
    for row in rows:
        wanted[row["language"]][row["entry"]] += row["count"]
    for at_once in (1, 25, 40, 10**6):
        found = add_up(tmp_path / "sums", paths, STRATEGIES["isolated"], sizes, HERE, at_once)
        assert {name: counts.tolist() for name, counts in found.items()} == wanted
        both = add_up(tmp_path / "sums", paths, STRATEGIES["merged"], {"all": 9, "en": 9}, HERE, at_once)
        assert [both[group].sum() for group in both] == [sum(map(sum, wanted.values())), sum(wanted["en"])]
    assert not (tmp_path / "sums").exists()


def test_sums_of_a_killed_run_are_taken_up_unless_counts_changed(finished: tuple[Path, Outcome], tmp_path: Path):
    paths = sorted((finished[0] / "out" / "counts" / "own").iterdir())
    sizes = {name: index.size for name, index in open_indices(finished[0] / "out" / "index" / "own").items()}
    target = tmp_path / "sum.parquet"
    sum_group(SumCounts(target, tuple(paths[:2]), STRATEGIES["isolated"], sizes))
    before = target.stat().st_mtime_ns, target.read_bytes()
    sum_group(SumCounts(target, tuple(paths[:2]), STRATEGIES["isolated"], sizes))
    assert (target.stat().st_mtime_ns, target.read_bytes()) == before
    sum_group(SumCounts(target, tuple(paths[1:]), STRATEGIES["isolated"], sizes))
    assert target.read_bytes() != before[1]


def test_a_pair_in_two_shards_is_kept_once(metadata: Path, tmp_path: Path):
    pool = write_pool(tmp_path / "pool", 2)
    (pool / "pairs-00002.parquet").write_bytes((pool / "pairs-00000.parquet").read_bytes())
    curate_pool(open_pool(pool), metadata, tmp_path / "out", CuratePool(t_en=1000), HERE)
    ids = read_curated(tmp_path / "out")["pair_id"]
    assert len(ids) == pc.count_distinct(ids).as_py() > 50
    assert pq.read_metadata(recipe(tmp_path / "out").curated("pairs-00002", 0)).num_rows == 0


SHARDS = [f"pairs-{number:05d}" for number in range(4)]


def test_repeats_are_all_pairs_of_images_in_several_shards(finished: tuple[Path, Outcome]):
    images, pairs, shards = (column.tolist() for column in open_repeats(recipe(finished[0] / "out")))
    assert len(images) == 60 and images == sorted(images)
    assert {count_repeats(recipe(finished[0] / "out"), at_once) for at_once in (1, 7, 59, 60, 1000)} == {30}
    # each of an image's pairs, and in more than one shard
    whole = make_pool().to_pandas().set_index("pair_id")
    assert (whole.loc[pairs, "image_id"].to_numpy() == images).all()
    assert pd.Series(shards).groupby(images).nunique().min() == 2


@pytest.mark.parametrize("at_once", [1, 30, 100, 10**6])
def test_repeats_do_not_depend_on_what_memory_holds(at_once: int, finished: tuple[Path, Outcome], tmp_path: Path):
    out = tmp_path / "out"
    shutil.copytree(finished[0] / "out", out)
    wanted = recipe(out).repeats.with_suffix(".bin").read_bytes()
    recipe(out).repeats.unlink()
    find_repeats(recipe(out), SHARDS, HERE, at_once=at_once)
    assert recipe(out).repeats.with_suffix(".bin").read_bytes() == wanted
    assert not recipe(out).repeats.with_suffix("").exists()


@pytest.mark.usefixtures("workers")
def test_repeats_go_on_where_they_were_killed(finished: tuple[Path, Outcome], tmp_path: Path, monkeypatch):
    out = tmp_path / "out"
    shutil.copytree(finished[0] / "out", out)
    wanted = recipe(out).repeats.with_suffix(".bin").read_bytes()
    recipe(out).repeats.unlink()
    with monkeypatch.context() as killed:
        killed.setattr(cross_shard_images, "join_columns", stop_here)
        with pytest.raises(KeyboardInterrupt):
            find_repeats(recipe(out), SHARDS, HERE, at_once=30)
    parts = {path: path.stat().st_mtime_ns for path in recipe(out).repeats.with_suffix("").rglob("*.bin")}
    last = max(parts, key=str)
    last.unlink()
    with monkeypatch.context() as killed:
        killed.setattr(cross_shard_images, "join_columns", stop_here)
        with pytest.raises(KeyboardInterrupt):
            find_repeats(recipe(out), SHARDS, HERE, at_once=30)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in parts.items() if path != last) and last.exists()
    find_repeats(recipe(out), SHARDS, replace(HERE, processes=2), at_once=30)
    assert recipe(out).repeats.with_suffix(".bin").read_bytes() == wanted


def stop_here(*_) -> None:
    raise KeyboardInterrupt


def test_a_full_disk_while_repeats_are_sorted_is_said(finished: tuple[Path, Outcome], tmp_path: Path, monkeypatch):
    out = tmp_path / "out"
    shutil.copytree(finished[0] / "out", out)
    recipe(out).repeats.unlink()
    monkeypatch.setattr(column_files, "atomic", full_disk)
    with pytest.raises(InputError, match="no room to write"):
        find_repeats(recipe(out), SHARDS, HERE, at_once=30)


def full_disk(path: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_online_draws_are_the_offline_ones(finished: tuple[Path, Outcome], tmp_path: Path):
    folder, out = finished[0], tmp_path / "out"
    shutil.copytree(folder / "out", out)
    source, metadata = open_pool(folder / "pool"), folder / "metadata"
    curate_pool(source, metadata, out, replace(PARAMS, epochs=2), HERE)
    online = [pa.concat_tables(draw_shards(recipe(out), 0, epoch)) for epoch in range(3)]
    for epoch in range(2):
        assert online[epoch].equals(read_curated(out, epoch))
    kept = [set(table["pair_id"].to_pylist()) for table in online]
    assert kept[0] != kept[1] != kept[2] and kept[0] & kept[1]
    # a second epoch that is no longer asked for goes
    curate_pool(source, metadata, out, PARAMS, HERE)
    assert not list(recipe(out).draw(1).glob("*.parquet"))


def test_the_threshold_can_follow_from_the_tail_share(finished: tuple[Path, Outcome], tmp_path: Path):
    folder, out = finished[0], tmp_path / "out"
    shutil.copytree(folder / "out", out)
    source, metadata = open_pool(folder / "pool"), folder / "metadata"
    kept = curate_pool(source, metadata, out, CuratePool(tail_share=0.9), HERE).languages["kept"].sum()
    strict = curate_pool(source, metadata, out, CuratePool(tail_share=0.01), HERE)
    assert 0 < strict.languages["kept"].sum() < kept


def test_language_id_is_asked_where_no_language_is_declared():
    texts = ["The quick brown fox jumps over the lazy dog", "Der Hund und die Katze schlafen im Garten", "これは猫です"]
    batch = pa.table({"alt_text": texts, "language": pa.array(["sw", None, None])})
    assert find_languages(batch, "auto", None, 0.0).to_pylist() == ["sw", "de", "ja"]
    assert find_languages(batch, "lid", None, 0.0).to_pylist() == ["en", "de", "ja"]


TEXTS = [
    "A red cat and a dog are sleeping in the house",
    "Der Hund und die Katze schlafen heute im Garten",
    "この猫は白いですね、犬もいます",
    "There is nothing here that we know of",
]


def write_format(name: str, folder: Path) -> None:
    """TEXTS as a pool of a format."""
    if name == "img2dataset":
        write_img2dataset(folder, "00000", [{"caption": text} for text in TEXTS])
    elif name == "commonpool":
        write_commonpool(folder / "a.parquet", [f"{i:032x}" for i in range(len(TEXTS))], TEXTS)
    elif name == "laion":
        write_laion(folder / "a.parquet", [{"TEXT": text} for text in TEXTS])
    elif name == "wat":
        links = [{"path": "IMG@/src", "url": f"/{i}.jpg", "alt": text} for i, text in enumerate(TEXTS)]
        write_wat(folder / "a.warc.wat.gz", [wat_record("http://a.example/", links)])
    elif name == "webdataset":
        members = [(f"{i}.txt", text.encode()) for i, text in enumerate(TEXTS)]
        write_tar(folder / "0.tar", sorted([*members, *((f"{i}.jpg", jpg(i)) for i in range(len(TEXTS)))]))
    elif name == "datasets-saved":
        datasets.Dataset.from_dict({"text": TEXTS}).save_to_disk(folder)
    else:
        folder.mkdir()
        lines = [json.dumps({"text": text}) for text in TEXTS]
        (folder / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["img2dataset", "commonpool", "laion", "wat", "webdataset", "datasets-saved", "datasets"]
)
def test_a_curated_pool_from_every_format(name: str, metadata: Path, tmp_path: Path):
    write_format(name, tmp_path / "pool")
    source = open_pool(tmp_path / "pool")
    assert source.format == name
    outcome = curate_pool(source, metadata, tmp_path / "out", CuratePool(t_en=1000), HERE)
    found = [pq.read_table(path) for path in recipe(tmp_path / "out").draw(0).rglob("*.parquet")]
    rows = {row["alt_text"]: row["language"] for table in found for row in table.to_pylist()}
    assert rows == dict(zip(TEXTS[:3], ["en", "de", "ja"], strict=True))
    assert outcome.steps.set_index("step").loc["no entry matched", "change"] == -1


def test_hygiene_is_off_until_it_is_asked_for(metadata: Path, tmp_path: Path):
    folder = tmp_path / "pool"
    folder.mkdir()
    rows = [(f"{i:032x}", f"web/{i}", "a cat and a dog", i / 10, [[0.1, 0.1, 0.2, 0.2]] * (i % 3)) for i in range(10)]
    columns = dict(
        zip(("uid", "url", "text", "punsafe", "face_bboxes"), map(list, zip(*rows, strict=True)), strict=True)
    )
    pq.write_table(pa.table(columns), folder / "a.parquet")
    source = open_pool(folder)
    out = tmp_path / "out"
    assert curate_pool(source, metadata, out, CuratePool(t_en=100), HERE).steps["left"].iloc[-1] == 10
    assert pq.read_schema(recipe(out).curated("a", 0)).names[-2:] == ["uid", "url"]
    # rows 6 to 9 are above 0.5, and of the others rows 2 and 5 hold two faces
    steps = curate_pool(source, metadata, out, CuratePool(t_en=100, nsfw=0.5, faces=1), HERE).steps
    assert steps.set_index("step").loc["marked by the pool (nsfw, faces)", "change"] == -6
    assert steps["left"].iloc[-1] == 4


def test_images_of_an_evaluation_are_kept_out(metadata: Path, tmp_path: Path):
    pool, evaluation = tmp_path / "pool", tmp_path / "evaluation"
    pool.mkdir()
    evaluation.mkdir()
    pictures = {name: draw_picture(number) for number, name in enumerate(("one", "two", "three"))}
    with tarfile.open(pool / "00000.tar", "w") as tar:
        for name, content in pictures.items():
            for suffix, data in (("png", content), ("txt", b"a red cat")):
                member = tarfile.TarInfo(f"{name}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    (evaluation / "held out.png").write_bytes(pictures["two"])
    params = CuratePool(t_en=100, language="lid", evaluation=str(evaluation))
    outcome = curate_pool(open_pool(pool), write_metadata(metadata), tmp_path / "out", params, HERE)
    assert outcome.steps.set_index("step").loc["image of the evaluation", "change"] == -1
    assert outcome.languages["pairs"].sum() == 2


def draw_picture(number: int) -> bytes:
    """A PNG of blurred noise."""
    noise = Image.fromarray((mix(np.arange(64), number) % 256).astype(np.uint8).reshape(8, 8))
    out = io.BytesIO()
    noise.resize((64, 64)).save(out, "PNG")
    return out.getvalue()


# ---------------------------------------------------------------------- doing only what is left


def times(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (out / "matches" / "own").glob("*.parquet")}


def test_a_second_run_makes_nothing_again_and_a_grown_pool_is_matched_where_it_is_new(
    metadata: Path, tmp_path: Path, fresh
):
    pool, out = write_pool(tmp_path / "pool"), tmp_path / "out"
    last = pool / "pairs-00003.parquet"
    content = last.read_bytes()
    last.unlink()
    curate_pool(open_pool(pool), metadata, out, PARAMS, HERE)
    before = times(out)
    curated = recipe(out).curated("pairs-00000", 0).stat().st_mtime_ns
    for cache in (None, "[1]", "{"):  # what was seen of files is read again where it is lost
        if cache:
            (out / "cache" / "digests.json").write_text(cache)
        curate_pool(open_pool(pool), metadata, out, PARAMS, HERE)
        assert times(out) == before
    assert recipe(out).curated("pairs-00000", 0).stat().st_mtime_ns == curated
    last.write_bytes(content)
    curate_pool(open_pool(pool), metadata, out, PARAMS, HERE)
    assert {name: stamp for name, stamp in times(out).items() if name in before} == before and len(times(out)) == 4
    assert result_bytes(out) == fresh


def test_a_data_set_that_changed_is_read_again(metadata: Path, tmp_path: Path):
    """Its shards are parts that a library finds, so no file of theirs is named."""
    folder = tmp_path / "pool"
    write_format("datasets", folder)
    first = curate_pool(open_pool(folder), metadata, tmp_path / "out", CuratePool(t_en=1000), HERE)
    with (folder / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"text": "A horse"}) + "\n")
    again = curate_pool(open_pool(folder), metadata, tmp_path / "out", CuratePool(t_en=1000), HERE)
    assert again.steps["left"].iloc[0] == first.steps["left"].iloc[0] + 1


def test_other_metadata_or_another_threshold_is_not_mixed_in(pool: Path, metadata: Path, tmp_path: Path, fresh):
    out = tmp_path / "out"
    curate_pool(open_pool(pool), metadata, out, CuratePool(t_en=5), HERE)
    before = times(out)
    curate_pool(open_pool(pool), metadata, out, PARAMS, HERE)
    assert times(out) == before  # thresholds come after matching
    assert result_bytes(out) == fresh
    write_metadata(metadata, sw=["paka"])
    outcome = curate_pool(open_pool(pool), metadata, out, PARAMS, HERE)
    assert not set(times(out).values()) & set(before.values())
    assert outcome.languages.set_index("language").loc["sw", "matched"] > 0


# ---------------------------------------------------------------------- faults


@pytest.mark.usefixtures("workers")
def test_a_bad_shard_is_quarantined_and_the_rest_goes_on(pool: Path, metadata: Path, tmp_path: Path, fresh, capsys):
    path = pool / "pairs-00001.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    out = tmp_path / "out"
    command = ["curate", str(pool), "--out", str(out), "--metadata", str(metadata), "--t-en", "3", "--processes", "1"]
    assert main(command) == 3
    said = capsys.readouterr().out
    assert "pairs-00001.parquet" in said and "Without pairs-00001, which could not be read" in said
    [row] = json.loads((out / "quarantine.json").read_text())
    assert row["shard"] == "pairs-00001" and "pairs-00001.parquet" in row["place"] and row["fault"]
    report = read_report(recipe(out))
    assert report["quarantined"] == [row] and report["pairs"] == 180
    path.write_bytes(content)
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "\nkept " in said and "make train" in said.splitlines()[-1]
    assert not (out / "quarantine.json").exists()
    assert result_bytes(out) == fresh


def test_a_pool_with_no_good_shard_is_refused(pool: Path, metadata: Path, tmp_path: Path):
    source = open_pool(pool)
    for path in pool.iterdir():
        path.write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match="none of 4 shards could be read"):
        curate_pool(source, metadata, tmp_path / "out", PARAMS, HERE)
    assert len(json.loads((tmp_path / "out" / "quarantine.json").read_text())) == 4


def test_metadata_that_changed_meanwhile_is_refused(pool: Path, metadata: Path, tmp_path: Path):
    out = tmp_path / "out"
    setup = prepare(metadata, out, PARAMS)
    write_metadata(metadata, de=["Katze"])
    with pytest.raises(RunError, match=r"de\.parquet: changed while the pool was being curated with it"):
        match_shard(MatchShard(open_pool(pool).shards[0], setup, {}))
    assert not list((out / "matches").rglob("*.parquet")) and not list((out / "counts").rglob("*.parquet"))


def test_metadata_that_changes_after_matching_leaves_no_report(
    pool: Path, metadata: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh
):
    def change_then_balance(*arguments):
        write_metadata(metadata, de=["Katze"])
        return balance_shards(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, "balance_shards", change_then_balance)
        with pytest.raises(InputError, match=r"de\.parquet: changed while"):
            curate_pool(open_pool(pool), metadata, tmp_path / "out", PARAMS, HERE)
    assert not recipe(tmp_path / "out").report.exists()
    curate_pool(open_pool(pool), write_metadata(metadata), tmp_path / "out", PARAMS, HERE)
    assert result_bytes(tmp_path / "out") == fresh


def test_a_full_disk_between_the_steps_is_said_too(
    pool: Path, metadata: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*arguments: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for where, name in ((matching, "write_json"), (module, "write_report"), (before_matching, "write_indices")):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, full)
            with pytest.raises(InputError, match="no room to write"):
                curate_pool(open_pool(pool), metadata, tmp_path / name, PARAMS, HERE)


def test_a_place_that_cannot_be_written_is_named(pool: Path, metadata: Path, tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match=r"file.*no access.*Not a directory"):
        curate_pool(open_pool(pool), metadata, tmp_path / "file" / "out", PARAMS, HERE)


def test_a_full_disk_is_known_by_numpys_word_for_it_too(tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="requested") as full, (tmp_path / "keep.npy").open("wb") as file:
            np.save(file, np.zeros(100_000), allow_pickle=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(RunError, match="no room to write"), tell_full_disk(tmp_path):
        raise full.value
    with pytest.raises(OSError, match="denied"), tell_full_disk(tmp_path):
        raise OSError(errno.EACCES, "denied")


def test_two_runs_on_one_output_are_refused(pool: Path, metadata: Path, tmp_path: Path):
    out = tmp_path / "out"
    with claim(out), pytest.raises(InputError, match=f"process {os.getpid()} on {socket.gethostname()}"):
        curate_pool(open_pool(pool), metadata, out, PARAMS, HERE)
    assert not (out / ".owner.json").exists()
    with FileLock(out / ".lock"):  # it was released
        pass


def start(pool: Path, metadata: Path, out: Path, *more: str, **options) -> subprocess.Popen[str]:
    """A run in its own process."""
    command = ["curate", str(pool), "--out", str(out), "--metadata", str(metadata), "--t-en", "3", "--processes", "1"]
    return subprocess.Popen(
        [sys.executable, "-m", "mc2lib", *command, *more],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_full_disk_is_said_and_leaves_nothing_half_written(pool: Path, metadata: Path, tmp_path: Path, fresh):
    def limit() -> None:  # the index fits, a shard's matches do not
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_500, resource.RLIM_INFINITY))

    out = tmp_path / "out"
    with claim(out):
        prepare(metadata, out, PARAMS)  # the index, which is larger
    run = start(pool, metadata, out, preexec_fn=limit)
    said, error = run.communicate(timeout=60)
    assert run.returncode == 2, said + error
    assert "no room to write" in error and "Free some space and run again" in error
    assert not [path for path in out.rglob("*") if is_temporary(path)]
    curate_pool(open_pool(pool), metadata, out, PARAMS, HERE)
    assert result_bytes(out) == fresh


@pytest.mark.parametrize("line", ["match", "sample"])
def test_a_killed_run_goes_on_to_the_same_bytes(line: str, pool: Path, metadata: Path, tmp_path: Path, fresh):
    out = tmp_path / "out"
    run = start(pool, metadata, out)
    assert run.stdout is not None
    while line not in run.stdout.readline():
        assert run.poll() is None
    run.send_signal(signal.SIGKILL)
    run.communicate()
    curate_pool(open_pool(pool), metadata, out, PARAMS, HERE)
    assert result_bytes(out) == fresh


def test_a_killed_worker_does_not_show(pool: Path, metadata: Path, tmp_path: Path, fresh):
    out = tmp_path / "out"
    run = start(pool, metadata, out)
    assert run.stdout is not None
    run.stdout.readline()
    killed = 0
    while run.poll() is None and killed < 2:
        for child in psutil.Process(run.pid).children(recursive=True):
            # a worker is a child of the fork server; the server and the resource tracker are ours
            if child.ppid() != run.pid and child.is_running():
                child.kill()
                killed += 1
    assert run.wait(timeout=60) == 0 and killed
    run.communicate()
    assert result_bytes(out) == fresh


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"t_en": 0}, "t_en"),
        ({"tail_share": 1.5}, "tail_share"),
        ({"epochs": 0}, "epochs"),
        ({"lid_confidence": 2.0}, "lid_confidence"),
        ({"evaluation_bits": 40}, "evaluation_bits"),
        ({"lid_model": "nowhere.bin"}, "nowhere.bin"),
    ],
)
def test_parameters_that_cannot_be_used_are_named(change: dict, fault: str, pool: Path, metadata: Path, tmp_path: Path):
    with pytest.raises(InputError, match=fault):
        curate_pool(open_pool(pool), metadata, tmp_path / "out", replace(PARAMS, **change), HERE)


def test_a_folder_without_metadata_is_named(pool: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"no <language>\.parquet"):
        curate_pool(open_pool(pool), tmp_path / "nothing", tmp_path / "out", PARAMS, HERE)


def write_texts(path: Path, texts: list[str] = TEXTS) -> Path:
    """One file of CommonPool; returns its folder."""
    write_commonpool(path, [f"{i:032x}" for i in range(len(texts))], texts)
    return path.parent


def test_a_folder_called_parquet_is_no_file(metadata: Path, tmp_path: Path):
    """Spark writes name.parquet/part-00000.parquet; the second run must not take its own such folder for a file."""
    write_texts(tmp_path / "pool" / "x.parquet" / "part-00000.parquet")
    for _ in range(2):
        outcome = curate_pool(open_pool(tmp_path / "pool"), metadata, tmp_path / "out", CuratePool(t_en=1000), HERE)
    assert outcome.steps["left"].iloc[-1] == 3
    exported = export_pool(recipe(tmp_path / "out").draw(0), "parquet", tmp_path / "exported", HERE)
    assert [pq.read_metadata(path).num_rows for path in exported] == [3]


def test_an_output_inside_the_pool_is_refused(metadata: Path, tmp_path: Path):
    """The next run would count this one's matches as pairs of the pool."""
    pool = write_texts(tmp_path / "pool" / "a.parquet")
    for out in (pool / "out", pool):
        with pytest.raises(InputError, match="lies in the pool"):
            curate_pool(open_pool(pool), metadata, out, PARAMS, HERE)
    assert [path.name for path in pool.iterdir()] == ["a.parquet"]


@pytest.mark.parametrize("texts", [[], ["", " "]])
def test_a_pool_without_a_pair_is_accounted_for_too(texts: list[str], metadata: Path, tmp_path: Path):
    pool = write_texts(tmp_path / "pool" / "a.parquet", texts)
    steps = curate_pool(open_pool(pool), metadata, tmp_path / "out", CuratePool(), HERE).steps
    assert steps["left"].iloc[0] == len(texts) and steps["left"].iloc[-1] == steps["change"].sum() == 0


def test_a_tar_that_changed_is_looked_at_again_where_images_matter(metadata: Path, tmp_path: Path):
    """img2dataset's rows stand in the table, its images in the tar beside it."""
    pool = write_img2dataset(tmp_path / "pool", "00000", [{"caption": text} for text in TEXTS])
    np.save(tmp_path / "held out.npy", np.unique(hash_images([("", draw_picture(1))])["hash"].to_numpy()))
    params = CuratePool(t_en=1000, evaluation=str(tmp_path / "held out.npy"))
    run = [curate_pool(open_pool(pool), metadata, tmp_path / "out", params, HERE)]
    write_tar(pool / "00000.tar", [(f"00000{i:04d}.jpg", draw_picture(i)) for i in range(len(TEXTS))])
    run.append(curate_pool(open_pool(pool), metadata, tmp_path / "out", params, HERE))
    found = [outcome.steps.set_index("step")["change"].get("image of the evaluation", 0) for outcome in run]
    assert found == [0, -1]


# ---------------------------------------------------------------------- one text explained


def test_explain_says_what_the_recipe_does(finished: tuple[Path, Outcome]):
    out = finished[0] / "out"
    rows = explain(recipe(out), "a red cat", "en").set_index("entry")
    assert list(rows.index) == ["cat", "red", "red cat", "(pair)"]
    whole = make_pool()
    english = whole.filter(pc.equal(whole["language"], "en"))["alt_text"].to_pylist()
    count = sum("cat" in text.split() for text in english)
    assert rows.loc["cat", "count"] == count > 3
    assert rows.loc["cat", ["source", "t", "part"]].tolist() == ["wordnet", 3, "head"]
    assert rows.loc["cat", "keep"] == pytest.approx(3 / count)
    lost = np.prod(1 - rows.loc[["cat", "red", "red cat"], "keep"].to_numpy(dtype=float))
    assert rows.loc["(pair)", "keep"] == pytest.approx(1 - lost)
    assert "all its entries are common" in rows.loc["(pair)", "decision"]
    kept = {row["alt_text"]: row["keep_probability"] for row in read_curated(out).to_pylist()}
    assert kept["red cat"] == pytest.approx(rows.loc["(pair)", "keep"])
    assert explain(recipe(out), "a horse", "en")["decision"].iloc[-1] == "kept: it holds a tail entry"
    assert explain(recipe(out), "cats", "en")["decision"].iloc[-1] == "dropped: no entry matched"
    assert explain(recipe(out), "paka", "sw")["decision"].iloc[-1] == "dropped: no metadata in this language"
    assert explain(recipe(out), " \t", "en")["decision"].iloc[-1] == "dropped: empty text"
    assert explain(recipe(out), "a horse \udcff", "en")["decision"].iloc[-1] == "kept: it holds a tail entry"
    # without a language, language id is asked
    assert explain(recipe(out), "Der rote Hund und die Katze schlafen im Garten")["language"].iloc[-1] == "de"


def test_other_has_a_list_counts_and_a_threshold_of_its_own(metadata: Path, pool: Path, tmp_path: Path):
    write_metadata(metadata, other=["paka", "ndege"])
    outcome = curate_pool(open_pool(pool), metadata, tmp_path / "out", PARAMS, HERE)
    languages = outcome.languages.set_index("language")
    whole = make_pool()
    swahili = whole.filter(pc.equal(whole["language"], "sw"))["alt_text"].to_pylist()
    cats = swahili.count("paka")
    assert "sw" not in languages.index and languages.loc["other", "pairs"] == len(swahili)
    assert languages.loc["other", ["matched", "entries"]].tolist() == [cats, 1] and cats > 3
    assert outcome.steps["left"].iloc[-1] == languages["kept"].sum()
    t = languages.loc["other", "t"]
    assert t == cats  # the only count there is
    rows = explain(recipe(tmp_path / "out"), "paka", "sw")
    assert rows["language"].tolist() == ["other", "other"] and rows["part"].tolist() == ["tail", ""]
    assert rows["decision"].iloc[-1] == "kept: it holds a tail entry"


def test_an_empty_list_of_other_hides_no_language(metadata: Path, pool: Path, tmp_path: Path):
    write_metadata(metadata, other=[])
    outcome = curate_pool(open_pool(pool), metadata, tmp_path / "out", PARAMS, HERE)
    assert "sw" in set(outcome.languages["language"])


def test_explain_needs_a_curated_pool(tmp_path: Path, capsys):
    assert main(["explain", str(tmp_path), "text"]) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path}: no curated pool here" in error and "make curate" in error


def test_tars_whose_keys_begin_anew_hold_different_images(metadata: Path, tmp_path: Path):
    for number, text in enumerate(TEXTS[:2]):
        write_tar(tmp_path / "pool" / f"{number}.tar", [("0.jpg", jpg(number)), ("0.txt", text.encode())])
    outcome = curate_pool(open_pool(tmp_path / "pool"), metadata, tmp_path / "out", CuratePool(t_en=1000), HERE)
    assert outcome.steps["left"].iloc[-1] == 2


def test_a_shard_that_says_nothing_of_its_images_loses_none(metadata: Path, tmp_path: Path):
    for number, fields in enumerate([b"{}", b'{"nsfw": "NSFW"}', b'{"nsfw": "UNLIKELY"}']):
        members = [("0.jpg", jpg(number)), ("0.json", fields), ("0.txt", TEXTS[0].encode())]
        write_tar(tmp_path / "pool" / f"{number}.tar", members)
    source = open_pool(tmp_path / "pool")
    outcome = curate_pool(source, metadata, tmp_path / "out", CuratePool(t_en=1000, nsfw=0.5), HERE)
    assert not outcome.quarantined and outcome.steps["left"].iloc[-1] == 2
    with pytest.raises(InputError, match="no row of the pool has the field 'faces'"):
        curate_pool(source, metadata, tmp_path / "out", CuratePool(t_en=1000, faces=1), HERE)


def test_paper_hygiene_asks_for_all_that_the_paper_did_or_says_what_is_missing(tmp_path: Path):
    write_img2dataset(tmp_path / "pool", "00000", [{"caption": "cat", "punsafe": 0.1, "face_bboxes": [[0.1] * 4]}])
    source = open_pool(tmp_path / "pool")
    with pytest.raises(InputError, match=r"no images of ImageNet.*--evaluation FOLDER"):
        ask_paper_hygiene(PARAMS, source)
    given = replace(PARAMS, evaluation="imagenet")
    asked = ask_paper_hygiene(given, source)
    assert (asked.nsfw, asked.faces, asked.duplicates, asked.evaluation) == (0.5, 0, "near", "imagenet")
    kept = ask_paper_hygiene(replace(given, nsfw=0.9, faces=2, duplicates="exact"), source)
    assert (kept.nsfw, kept.faces, kept.duplicates) == (0.9, 2, "exact")
    for number, (field, remedy) in enumerate((("punsafe", "'nsfw' or 'punsafe'"), ("face_bboxes", "'face_bboxes'"))):
        row = {"caption": "cat", "punsafe": 0.1, "face_bboxes": [[0.1] * 4]}
        del row[field]
        write_img2dataset(tmp_path / str(number), "00000", [row])
        with pytest.raises(InputError, match=f"has no field.*Add a column {remedy}"):
            ask_paper_hygiene(given, open_pool(tmp_path / str(number)))
    write_commonpool(tmp_path / "meta" / "0.parquet", ["a" * 32], ["cat"])
    table = pq.read_table(tmp_path / "meta" / "0.parquet").append_column("punsafe", pa.array([0.1]))
    pq.write_table(table, tmp_path / "meta" / "0.parquet")
    with pytest.raises(InputError, match="this pool holds no images"):
        ask_paper_hygiene(given, open_pool(tmp_path / "meta"))


@pytest.mark.parametrize("shards", [1, 3])
def test_rows_of_one_url_draw_one_text_and_the_steps_add_up(shards: int, metadata: Path, tmp_path: Path):
    for shard in range(shards):
        rows = range(shard, 30, shards)
        uids = [f"{i:032x}" for i in rows]
        path = write_commonpool(tmp_path / "pool" / f"{shard}.parquet", [*uids, uids[0]], ["x"] * (len(rows) + 1))
        urls = [f"http://u.example/{i // 6}" for i in rows] + ["http://u.example/x"]
        texts = [f"a red cat {i}" for i in rows] + ["a cat"]
        table = pq.read_table(path).drop_columns(["sha256"])
        table = table.set_column(1, "url", pa.array(urls)).set_column(2, "text", pa.array(texts))
        pq.write_table(table.append_column("language", pa.array(["en"] * len(table))), path)
    params = replace(PARAMS, t_en=1_000)
    outcome = curate_pool(open_pool(tmp_path / "pool"), metadata, tmp_path / "out", params, HERE)
    steps = outcome.steps.set_index("step")
    matched = steps.loc["no entry matched", "left"]
    kept = read_curated(tmp_path / "out")
    assert 0 < len(set(kept["url"].to_pylist())) == len(kept) <= 5 < matched
    assert steps.loc["id of an earlier row", "change"] == -shards
    assert steps.loc["image drew another text", "change"] == -25 and matched == 30
    assert steps["change"].sum() == steps.loc["kept", "left"] == len(kept)
