"""Images that stand in a pool more than once: against all pairs, and against the pool without them."""

from __future__ import annotations

import errno
import io
import json
import shutil
import signal
from collections.abc import Set
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mc2lib.commands.command_line import main
from mc2lib.engine import shard_runs
from mc2lib.errors import InputError
from mc2lib.hashing import mix
from mc2lib.io.curated_pool import is_duplicate, read_report
from mc2lib.io.epoch_draws import draw_shards
from mc2lib.io.pools.open_pool import open_pool
from mc2lib.io.provenance import write_made
from mc2lib.params import CuratePool
from mc2lib.pipeline.curate import deduplication, duplicate_search, image_hashing
from mc2lib.pipeline.curate.curate_pool import curate_pool, curate_strategies
from mc2lib.pipeline.curate.decontamination import hash_images
from mc2lib.pipeline.curate.duplicate_search import find_duplicates
from mc2lib.pipeline.curate.image_hashing import HASHED
from mc2lib.recipe.curation.pair_ids import image_ids
from mc2lib.recipe.curation.perceptual_hash import near_duplicates
from mc2lib.schemas import POOL
from tests.engine.in_turn import run_in_turn
from tests.pipeline.curate.test_curate_pool import (
    HERE,
    read_curated,
    recipe,
    result_bytes,
    start,
    write_metadata,
)
from tests.pools import write_commonpool, write_img2dataset, write_tar

pytestmark = pytest.mark.usefixtures("in_turn")

PARAMS = CuratePool(t_en=3, language="lid", duplicates="near")
TEXTS = [
    "A red cat and a dog are sleeping in the house",
    "There is a red cat in the house",
    "A dog and a horse outside",
]


def draw(number: int, format: str = "PNG", side: int = 64, blot: int = 0) -> bytes:
    """Blurred noise of its own; saved another way, or with a blot, it looks nearly the same."""
    noise = (mix(np.arange(64), number) % 256).astype(np.uint8).reshape(8, 8)
    image = Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)
    image.paste(0, (0, 0, blot, blot))
    out = io.BytesIO()
    image.save(out, format)
    return out.getvalue()


def samples() -> dict[str, tuple[bytes, str]]:
    """Forty images by key, some of them again: the same bytes, another format and size, a blot, and no image."""
    drawn: dict[str, tuple[bytes, str]] = {}
    for i in range(40):
        content = draw(i)
        if i % 5 == 1:
            content = draw(i - 1)
        elif i % 5 == 2:
            content = draw(i - 2, "JPEG", 96)
        elif i % 5 == 3:
            content = draw(i - 3, blot=5 + i // 2)
        drawn[f"{mix([i], 3)[0]:016x}"] = (content, TEXTS[i % 3])
    drawn["broken 1"] = drawn["broken 2"] = (b"no image", TEXTS[0])
    return drawn


def sample(key: str, image: bytes, text: str) -> list[tuple[str, bytes]]:
    """Members of a tar; `uid` makes the image the same in every tar."""
    return [(f"{key}.json", json.dumps({"uid": key}).encode()), (f"{key}.png", image), (f"{key}.txt", text.encode())]


def write_samples(folder: Path, drawn: dict[str, tuple[bytes, str]], shards: int = 3, without: Set[str] = frozenset()):
    """A webdataset; what is left out changes no other sample's shard."""
    for number in range(shards):
        keys = [key for key in sorted(drawn)[number::shards] if key not in without]
        parts = [sample(key, *drawn[key]) for key in keys]
        write_tar(folder / f"{number:05d}.tar", [member for part in parts for member in part])
    return folder


def slow_gone(drawn: dict[str, tuple[bytes, str]], within: int | None) -> set[str]:
    """Keys of the images that go: all pairs, one by one; None compares the bytes."""
    keys = list(drawn)
    ids = dict(zip(keys, image_ids({"uid": pa.array(keys)})[0].tolist(), strict=True))
    hashes = dict(zip(keys, hash_images((k, drawn[k][0]) for k in keys)["hash"].to_pylist(), strict=True))

    def alike(a: str, b: str) -> bool:
        if within is None:
            return drawn[a][0] == drawn[b][0]
        return None not in (hashes[a], hashes[b]) and (hashes[a] ^ hashes[b]).bit_count() <= within

    return {a for a in keys if any(ids[b] < ids[a] and alike(a, b) for b in keys)}


@pytest.fixture(scope="module")
def metadata(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_metadata(tmp_path_factory.mktemp("metadata") / "lists")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, metadata: Path) -> Path:
    """A run that nothing disturbs. Only to be read."""
    folder = tmp_path_factory.mktemp("finished")
    pool = open_pool(write_samples(folder / "pool", samples()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_runs, "run_tasks", run_in_turn)
        curate_pool(pool, metadata, folder / "out", PARAMS, HERE)
    return folder


def run(pool: Path, metadata: Path, out: Path, params: CuratePool = PARAMS, machine=HERE):
    return curate_pool(open_pool(pool), metadata, out, params, machine)


# ---------------------------------------------------------------------- what it gives


@pytest.mark.parametrize(("kind", "bits"), [("near", 0), ("near", 4), ("near", 16), ("exact", 4)])
def test_it_is_the_pool_without_them(kind, bits, metadata: Path, tmp_path: Path):
    """Curated with `duplicates`, a pool gives what it gives without the images that all pairs, one by one, name."""
    drawn = samples()
    gone = slow_gone(drawn, None if kind == "exact" else bits)
    params = replace(PARAMS, duplicates=kind, duplicate_bits=bits)
    outcome = run(write_samples(tmp_path / "pool", drawn), metadata, tmp_path / "out", params)
    write_samples(tmp_path / "left", drawn, without=gone)
    run(tmp_path / "left", metadata, tmp_path / "wanted", replace(params, duplicates=None))
    assert 8 <= len(gone) <= 33
    found, wanted = result_bytes(tmp_path / "out"), result_bytes(tmp_path / "wanted")
    assert read_curated(tmp_path / "out").equals(read_curated(tmp_path / "wanted"))
    assert found["isolated/entries.parquet"] == wanted["isolated/entries.parquet"]
    assert found["isolated/balance/keep.npy"] == wanted["isolated/balance/keep.npy"]
    report = json.loads(found["isolated/report.json"])["duplicates"]
    assert report == {
        "kind": kind,
        "bits": bits if kind == "near" else 0,
        "stays": "the lowest image_id",
        "looked_at": 42,
        "without_hash": 2 if kind == "near" else 0,
        "images_removed": len(gone),
        "pairs_removed": len(gone),
    }
    steps = outcome.steps.set_index("step")["change"]
    assert steps["duplicate image"] == -len(gone) and steps["rows of the pool"] == 42
    assert outcome.steps["left"].iloc[-1] == steps.sum() == read_curated(tmp_path / "out").num_rows
    assert outcome.languages["matched"].sum() - outcome.languages["unique"].sum() == len(gone)


def test_every_strategy_takes_out_the_duplicates_among_its_own_pairs(metadata: Path, tmp_path: Path):
    """An image is hashed once, and compared with those that a strategy looks at: as if it were curated alone."""
    pool = write_samples(tmp_path / "pool", samples())
    outcomes = curate_strategies(
        open_pool(pool), metadata, tmp_path / "out", replace(PARAMS, duplicates="exact", strategy="all"), HERE
    )
    gone = {o.pool.strategy.name: -o.steps.set_index("step").loc["duplicate image", "change"] for o in outcomes}
    assert gone["raw"] == 9 and 0 < gone["english"] <= gone["isolated"]
    for outcome in outcomes:
        name = outcome.pool.strategy.name
        curate_pool(
            open_pool(pool), metadata, tmp_path / name, replace(PARAMS, duplicates="exact", strategy=name), HERE
        )
        alone = result_bytes(tmp_path / name)
        among = result_bytes(tmp_path / "out")
        assert alone == {path: among[path] for path in alone}


@pytest.mark.parametrize("format", ["packaged", "datasets-saved", "datasets"])
def test_every_format_that_holds_images(format: str, metadata: Path, tmp_path: Path):
    drawn, pool = samples(), tmp_path / "pool"
    keys, (images, texts) = list(drawn), zip(*drawn.values(), strict=True)
    if format == "packaged":  # the images lie in tars of their own
        for number in range(2):
            write_tar(pool / f"images-{number}.tar", [(f"{key}.png", drawn[key][0]) for key in keys[number::2]])
        ids = image_ids({"uid": pa.array(keys)})[0]
        columns = [pa.array(range(len(keys)), pa.uint64()), ids, keys, texts, ["en"] * len(keys)]
        pq.write_table(pa.table([pa.array(c) for c in columns], schema=POOL), pool / "pairs-00000.parquet")
    else:
        table = datasets.Dataset.from_dict({"image": images, "text": texts})
        pool.mkdir()
        table.save_to_disk(pool) if format == "datasets-saved" else table.to_parquet(pool / "train.parquet")
    source = open_pool(pool)
    assert source.format == format
    outcome = curate_pool(source, metadata, tmp_path / "out", replace(PARAMS, duplicates="exact"), HERE)
    gone = len(keys) - len(set(images))
    assert gone == 9 and outcome.steps.set_index("step").loc["duplicate image", "change"] == -gone


def test_one_image_in_several_shards_is_no_duplicate_of_itself(metadata: Path, tmp_path: Path):
    """It draws one of its texts, as it does where nobody asks for duplicates."""
    for number in range(2):
        write_tar(tmp_path / "pool" / f"{number}.tar", sample("a", draw(1), TEXTS[number]))
    steps = run(tmp_path / "pool", metadata, tmp_path / "out").steps.set_index("step")["change"]
    assert steps["duplicate image"] == 0 and steps["image drew another text"] == -1


def test_an_image_that_goes_goes_from_all_its_shards(metadata: Path, tmp_path: Path):
    ids = dict(zip("abcdef", image_ids({"uid": pa.array(list("abcdef"))})[0].tolist(), strict=True))
    high, low = max(ids, key=ids.get), min(ids, key=ids.get)
    for number in range(2):
        write_tar(tmp_path / "pool" / f"{number}.tar", sample(high, draw(1), TEXTS[number]))
    write_tar(tmp_path / "pool" / "2.tar", sample(low, draw(1), TEXTS[2]))
    outcome = run(tmp_path / "pool", metadata, tmp_path / "out")
    assert outcome.steps.set_index("step").loc["duplicate image", "change"] == -2
    report = read_report(recipe(tmp_path / "out"))
    assert (report["images_in_several_shards"], report["duplicates"]["images_removed"]) == (0, 1)


def test_an_image_whose_texts_match_nothing_takes_no_other_with_it(metadata: Path, tmp_path: Path):
    keys = ["a", "b"]
    ids = image_ids({"uid": pa.array(keys)})[0]
    low, high = (keys[i] for i in np.argsort(ids))
    texts = {low: "There is nothing that we know of", high: TEXTS[0]}
    write_tar(tmp_path / "pool" / "0.tar", [member for key in keys for member in sample(key, draw(1), texts[key])])
    steps = run(tmp_path / "pool", metadata, tmp_path / "out").steps.set_index("step")["change"]
    assert steps["no entry matched"] == -1 and steps["duplicate image"] == 0


def test_it_is_off_until_it_is_asked_for_and_can_be_taken_back(finished: Path, metadata: Path, tmp_path: Path):
    shutil.copytree(finished / "out", tmp_path / "out")
    off = replace(PARAMS, duplicates=CuratePool().duplicates)
    outcome = run(finished / "pool", metadata, tmp_path / "out", off)
    run(finished / "pool", metadata, tmp_path / "fresh", off)
    assert outcome.steps.set_index("step").loc["duplicate image", "change"] == 0
    found = {name: content for name, content in result_bytes(tmp_path / "out").items() if "hashes/" not in name}
    assert found == result_bytes(tmp_path / "fresh")
    # and asked for again
    run(finished / "pool", metadata, tmp_path / "fresh", PARAMS)
    assert result_bytes(tmp_path / "fresh") == result_bytes(finished / "out")


def test_online_draws_leave_them_out_too(finished: Path):
    out = finished / "out"
    assert pa.concat_tables(draw_shards(recipe(out), 0, 0)).equals(read_curated(out))
    gone = np.fromfile(recipe(out).duplicates.with_suffix(".bin"), np.uint64)
    assert len(gone) > 10 and (gone[1:] > gone[:-1]).all()
    assert is_duplicate(recipe(out), gone).all() and not is_duplicate(recipe(out), gone + np.uint64(1)).any()


# ---------------------------------------------------------------------- however it is made


def write_hashes(out: Path, hashes: np.ndarray, ids: np.ndarray, shards: int) -> list[str]:
    names = [f"{number:03d}" for number in range(shards)]
    for number, name in enumerate(names):
        columns = [ids[number::shards], hashes[number::shards], np.zeros_like(hashes[number::shards])]
        with write_made(recipe(out).hashes(name), HASHED, {"from": f"{name} of {shards}"}) as writer:
            writer.write_table(pa.table(columns, schema=HASHED))
    return names


@pytest.mark.parametrize("within", [0, 3, 6])
def test_neither_memory_nor_shards_choose(within: int, tmp_path: Path):
    """Thousands of hashes, half of them near another, whatever is held at once."""
    base = mix(np.arange(1500), 1)
    flips = np.zeros(1500, np.uint64)
    for bit in range(7):  # none to seven bits apart
        flips ^= np.where(mix(np.arange(1500), 10 + bit) % 8 > bit, np.uint64(1) << mix(np.arange(1500), bit) % 64, 0)
    hashes = np.concatenate([base, base ^ flips.astype(np.uint64), base[:200]])
    ids = mix(np.arange(len(hashes)), 2)
    ids[-50:] = ids[:50]  # an image twice
    wanted = np.unique(ids[near_duplicates(hashes, ids, within)])
    assert 150 <= len(wanted) < 1800
    for shards, at_once in ((1, 10**6), (4, 10**6), (7, 300), (3, 97)):
        names = write_hashes(tmp_path / f"{shards}", hashes, ids, shards)
        found = find_duplicates(recipe(tmp_path / f"{shards}"), names, "near", within, HERE, at_once)
        assert (
            np.fromfile(recipe(tmp_path / f"{shards}").duplicates.with_suffix(".bin"), np.uint64).tolist()
            == wanted.tolist()
        )
        assert (found["images_removed"], found["hashes"]) == (len(wanted), len(np.unique(hashes)))
        assert [path.name for path in recipe(tmp_path / f"{shards}").duplicates.parent.iterdir() if path.is_dir()] == []


@pytest.mark.usefixtures("workers")
def test_a_long_search_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    names = write_hashes(tmp_path, mix(np.arange(9), 1), mix(np.arange(9), 2), 1)
    monkeypatch.setattr(duplicate_search, "FEW", 8)
    monkeypatch.setattr("mc2lib.engine.progress.FIRST_SECONDS", 0.0)
    monkeypatch.setattr("mc2lib.engine.progress.LATER_SHARE", 0.0)
    find_duplicates(recipe(tmp_path), names, "near", 4, HERE)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("duplicates: compare 9 hashes")]
    assert f" 1/{len(lines)} masks" in lines[0] and f" {len(lines)}/{len(lines)} masks" in lines[-1]


def test_a_killed_search_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hashes, ids = mix(np.arange(200) // 2, 1), mix(np.arange(200), 2)
    names = write_hashes(tmp_path, hashes, ids, 3)
    with monkeypatch.context() as killed:
        killed.setattr(duplicate_search, "outranked", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            find_duplicates(recipe(tmp_path), names, "near", 3, HERE, at_once=70)
    assert list(recipe(tmp_path).duplicates.with_suffix("").rglob("lowest-*"))
    monkeypatch.setattr(duplicate_search, "lowest_images", lambda *_: 1 / 0)
    assert find_duplicates(recipe(tmp_path), names, "near", 3, HERE, at_once=70)["hashes"] == 100


@pytest.mark.usefixtures("workers")
def test_neither_workers_nor_the_engine_show(finished: Path, metadata: Path, tmp_path: Path):
    run(finished / "pool", metadata, tmp_path / "out", machine=replace(HERE, processes=2))
    assert result_bytes(tmp_path / "out") == result_bytes(finished / "out")


def test_the_cut_into_shards_does_not_show(finished: Path, metadata: Path, tmp_path: Path):
    run(write_samples(tmp_path / "pool", samples(), 1), metadata, tmp_path / "out")
    found, wanted = (read_curated(out).sort_by("pair_id") for out in (tmp_path / "out", finished / "out"))
    assert found.equals(wanted) and found.num_rows > 5


def test_a_grown_pool_is_hashed_where_it_is_new(finished: Path, metadata: Path, tmp_path: Path):
    pool, out = tmp_path / "pool", tmp_path / "out"
    shutil.copytree(finished / "pool", pool)
    (pool / "00000.tar").unlink()
    run(pool, metadata, out)
    before = {path.name: path.stat().st_mtime_ns for path in (out / "hashes" / "own").iterdir()}
    shutil.copy2(finished / "pool" / "00000.tar", pool)
    run(pool, metadata, out)
    after = {path.name: path.stat().st_mtime_ns for path in (out / "hashes" / "own").iterdir()}
    assert len(after) == 3 and {name: after[name] for name in before} == before
    assert result_bytes(out) == result_bytes(finished / "out")


def test_a_run_that_goes_on_makes_nothing_again(finished: Path, metadata: Path, tmp_path: Path, monkeypatch):
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)

    def refuse(*arguments: object) -> None:
        raise AssertionError("made again")

    for where, name in (
        (image_hashing, "_hash_pairs"),
        (duplicate_search, "_keep_lowest"),
        (deduplication, "count_matches"),
    ):
        monkeypatch.setattr(where, name, refuse)
    run(finished / "pool", metadata, out)
    assert result_bytes(out) == result_bytes(finished / "out")


@pytest.mark.parametrize("line", ["hash ", "duplicates "])
def test_a_killed_run_goes_on_to_the_same_bytes(line: str, finished: Path, metadata: Path, tmp_path: Path):
    more = ("--duplicates", "near", "--language", "lid")
    process = start(finished / "pool", metadata, tmp_path / "out", *more)
    assert process.stdout is not None
    while not process.stdout.readline().startswith(line):
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run(finished / "pool", metadata, tmp_path / "out")
    assert result_bytes(tmp_path / "out") == result_bytes(finished / "out")


# ---------------------------------------------------------------------- faults


def test_a_pool_without_images_is_refused_at_once(metadata: Path, tmp_path: Path, capsys):
    write_commonpool(tmp_path / "pool" / "a.parquet", ["0" * 32], ["a cat"])
    command = ["curate", str(tmp_path / "pool"), "--out", str(tmp_path / "out"), "--metadata", str(metadata)]
    assert main([*command, "--duplicates", "exact"]) == 2
    assert "this pool holds no images" in capsys.readouterr().err and not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="duplicate_bits"):
        run(tmp_path / "pool", metadata, tmp_path / "out", replace(PARAMS, duplicate_bits=17))


def test_a_cut_tar_beside_a_whole_table_is_quarantined(metadata: Path, tmp_path: Path):
    pool = tmp_path / "pool"
    for shard in ("00000", "00001"):
        write_img2dataset(pool, shard, [{"caption": text} for text in TEXTS])
    content = (pool / "00001.tar").read_bytes()
    (pool / "00001.tar").write_bytes(content[:700])
    outcome = run(pool, metadata, tmp_path / "out")
    [row] = outcome.quarantined
    assert row["shard"] == "00001" and "00001.tar" in row["place"]
    assert json.loads((tmp_path / "out" / "quarantine.json").read_text()) == [row]
    assert outcome.steps["left"].iloc[0] == 3
    (pool / "00001.tar").write_bytes(content)
    run(pool, metadata, tmp_path / "out")
    run(pool, metadata, tmp_path / "fresh")
    assert result_bytes(tmp_path / "out") == result_bytes(tmp_path / "fresh")
    assert pq.read_table(recipe(tmp_path / "out").hashes("00001")).num_rows == 3


def test_a_tar_that_changes_while_it_is_hashed_is_quarantined(metadata: Path, tmp_path: Path, monkeypatch):
    pool = write_img2dataset(tmp_path / "pool", "00000", [{"caption": text} for text in TEXTS])
    write_img2dataset(pool, "00001", [{"caption": text} for text in TEXTS])
    hash_pairs = image_hashing._hash_pairs

    def change(pairs, shard, kind):
        if shard.name == "00001":
            with (pool / "00001.tar").open("ab") as tar:
                tar.write(b"\0" * 512)
        return hash_pairs(pairs, shard, kind)

    monkeypatch.setattr(image_hashing, "_hash_pairs", change)
    [row] = run(pool, metadata, tmp_path / "out").quarantined
    assert row["shard"] == "00001" and "changed while" in row["fault"]
    assert not recipe(tmp_path / "out").hashes("00001").exists()


@pytest.mark.parametrize("where", [image_hashing, deduplication])
def test_a_full_disk_is_said(where, metadata: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """At the first file of hashes, and at the counts."""
    pool = write_samples(tmp_path / "pool", samples(), 1)

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(where, "write_made", full)
        with pytest.raises(InputError, match="no room to write"):
            run(pool, metadata, tmp_path / "out")
    run(pool, metadata, tmp_path / "out")
    run(pool, metadata, tmp_path / "fresh")
    assert result_bytes(tmp_path / "out") == result_bytes(tmp_path / "fresh")
