"""Training on a curated pool: from tars as img2dataset writes them, curated online, killed and continued."""

import dataclasses
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from benchmarks.fidelity_files import count_lost, put_files
from mc2lib.commands.command_line import main
from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.io.curated_pool import open_curated
from mc2lib.io.epoch_draws import draw_shards
from mc2lib.io.files import read_json, write_json
from mc2lib.io.pools.open_pool import open_pool
from mc2lib.params import CuratePool, Machine
from mc2lib.pipeline.curate.curate_pool import curate_pool
from mc2lib.pipeline.train import start_run
from mc2lib.trainer.distributed import Rank
from mc2lib.trainer.encoder import load_encoder
from mc2lib.trainer.image_index import PoolImages, write_image_index
from mc2lib.trainer.pool_stream import read_epoch
from mc2lib.trainer.rank import open_stream
from mc2lib.trainer.recipe import read_recipe
from mc2lib.trainer.stream import cut_batches, shuffle_epochs
from tests.conftest import ROOT
from tests.pipeline.curate.test_curate_pool import TEXTS, recipe, write_metadata
from tests.pools import jpg, write_commonpool, write_tar

HERE = Machine(processes=1, checkpoint_seconds=0.0)  # a checkpoint after every step
SEED = 3  # of the curation; the run's is 0


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A pool of two tars whose keys begin anew, one image broken, and what became of it."""
    folder = tmp_path_factory.mktemp("study")
    for shard in range(2):
        members = []
        for i in range(30):
            image = b"no image" if (shard, i) == (1, 7) else jpg(8 * i + shard, 40)
            members += [(f"{i:05d}.jpg", image), (f"{i:05d}.txt", f"{TEXTS[i % 3]} {shard} {i}".encode())]
        write_tar(folder / "pool" / f"{shard:05d}.tar", members)
    metadata = write_metadata(folder / "metadata")
    curate_pool(open_pool(folder / "pool"), metadata, folder / "out", CuratePool(t_en=6, seed=SEED), HERE)
    return folder


def train(study, run, **changes):
    params = load_params(ROOT, "smoke")
    training = dataclasses.replace(params.training, batch_size=16, steps=5, **changes)
    params = dataclasses.replace(params, training=training, machine=HERE)
    start_run(ROOT, params, open_pool(study / "pool"), open_curated(study / "out"), run, "small", "bytes")


@pytest.fixture(scope="module")
def trained(study):
    train(study, study / "trained")
    return study / "trained"


def test_a_run_is_whole_by_itself(study, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "elsewhere")
    description = read_json(tmp_path / "elsewhere" / "model.json")
    assert (description["seen_pairs"], description["tokenizer"], description["vocabulary"]) == (80, "bytes", 259)
    encoder = load_encoder(tmp_path / "elsewhere")
    assert np.allclose(np.linalg.norm(encoder.encode_texts(["a cat", "ein Hund"]), axis=1), 1, atol=1e-5)
    assert encoder.encode_images(np.zeros((2, 32, 32, 3), np.uint8)).shape == (2, 32)
    skipped = read_json(trained / "skipped-0.json")
    assert [place.endswith("00001.tar: 00007") for place in skipped] == [True]


def test_a_done_run_is_neither_trained_again_nor_written_over(study, trained, tmp_path, capfd):
    shutil.copytree(trained, tmp_path / "run")
    before = (tmp_path / "run" / "weights.safetensors").read_bytes()
    command = ["train", str(study / "pool"), "--out", str(study / "out"), "--run", str(tmp_path / "run")]
    command += ["--scale", "smoke", "--tokenizer", "bytes", "--steps", "5", "--batch-size", "16"]
    assert main([*command, "--prepare"]) == 0
    prepared = capfd.readouterr().out
    assert "train small" not in prepared  # no rank was started, but how to start them is printed
    assert f"--module mc2lib.trainer.rank --sharding none --checkpoint-seconds auto {tmp_path / 'run'}" in prepared
    assert main(command) == 0
    assert "already done" in capfd.readouterr().out  # on another number of cores, which changes no run
    with pytest.raises(InputError, match=r"holds a finished run of other numbers, .*other code.*another RUN"):
        train(study, tmp_path / "run", learning_rate=1e-3)
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() == before


def test_an_epoch_is_a_draw_of_the_curation_and_the_first_is_the_one_that_it_wrote(study):
    written = [pq.read_table(path)["pair_id"].to_pylist() for path in open_curated(study / "out").draw(0).iterdir()]
    epochs = []
    for epoch in range(3):
        tables = list(read_epoch(open_curated(study / "out"), SEED, epoch, order_seed=0))
        epochs.append({one for table in tables for one in table["pair_id"].to_pylist()})
        drawn = draw_shards(open_curated(study / "out"), SEED, epoch)
        assert epochs[-1] == {one for table in drawn for one in table["pair_id"].to_pylist()}
    assert epochs[0] == set(itertools.chain(*written)) and epochs[1] not in (epochs[0], epochs[2])


def test_ranks_share_the_stream_and_a_later_step_needs_no_earlier_one(study, tmp_path):
    source = open_pool(study / "pool")
    write_image_index({shard.name: shard.images for shard in source.shards}, tmp_path, HERE)

    def batches(steps, rank=0, world=1):
        images = PoolImages(tmp_path, [shard.name for shard in source.shards], 32, threads=2)
        windows = shuffle_epochs(
            lambda epoch: read_epoch(open_curated(study / "out"), SEED, epoch, 0), "all", 0, "pool", window=9
        )
        return list(cut_batches(windows, images.take, 16, steps, rank, world))

    alone, (first, second) = batches(range(6)), (batches(range(6), rank, 2) for rank in range(2))
    for whole, even, odd in zip(alone, first, second, strict=True):
        assert (whole.texts[::2], whole.texts[1::2]) == (even.texts, odd.texts)
        assert (whole.images[::2] == even.images).all() and (whole.images[1::2] == odd.images).all()
        assert not any(text.endswith(" 1 7") for text in whole.texts)  # its image is broken
    assert [batch.texts for batch in batches(range(4, 6))] == [batch.texts for batch in alone[4:]]


def test_a_killed_run_continues_to_the_same_weights(study, trained, tmp_path):
    run = tmp_path / "run"
    code = "import sys; from tests.pipeline import test_train as t; import pathlib as p"
    code += "; t.train(p.Path(sys.argv[1]), p.Path(sys.argv[2]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(study), str(run)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (run / "checkpoint.pt").exists() and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert (run / "checkpoint.pt").exists() and not (run / "model.json").exists(), "killed too late to show anything"
    train(study, run)
    expected = load_file(trained / "weights.safetensors")
    found = load_file(run / "weights.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_what_was_skipped_before_a_stop_stays_named(study, tmp_path, capsys):
    run = prepare(study, tmp_path)
    write_json({"a.tar: 3": "cut"}, run / "skipped-0.json")
    here = Rank(0, 1, torch.device("cpu"))
    stream = open_pool_stream(run)
    next(stream.read(range(1, 2), here))
    stream.save(here)
    assert stream.skipped.items() >= {"a.tar: 3": "cut"}.items()
    assert read_json(run / "skipped-0.json") == stream.skipped
    stream.report(here)
    assert 'images could not be decoded: ["a.tar: 3"' in capsys.readouterr().out
    stream = open_pool_stream(run)
    next(stream.read(range(1), here))
    assert "a.tar: 3" not in stream.skipped  # a run from the start


def open_pool_stream(run):
    """The stream of a prepared run, as a rank opens it."""
    return open_stream(run, read_recipe(run))


def prepare(study, folder):
    """A run's folder with its recipe, no rank started; it trains on a copy of the curated pool."""
    shutil.copytree(study / "out", folder / "out", ignore=shutil.ignore_patterns("runs"))
    params = load_params(ROOT, "smoke")
    training = dataclasses.replace(params.training, batch_size=16, steps=5)
    params = dataclasses.replace(params, training=training, machine=HERE)
    chosen = ("small", "bytes")
    start_run(
        ROOT, params, open_pool(study / "pool"), open_curated(folder / "out"), folder / "run", *chosen, prepare=True
    )
    return folder / "run"


def test_a_pool_that_was_curated_again_is_refused_at_the_next_epoch(study, tmp_path):
    run, here = prepare(study, tmp_path), Rank(0, 1, torch.device("cpu"))
    batches = open_pool_stream(run).read(range(40), here)
    next(batches)
    curate_pool(open_pool(study / "pool"), study / "metadata", tmp_path / "out", CuratePool(t_en=2, seed=SEED), HERE)
    with pytest.raises(InputError, match=r"curated again while the run trains on it.*another RUN") as refused:
        list(batches)
    assert "dvc" not in str(refused.value)
    with pytest.raises(InputError, match="curated again"):
        next(open_pool_stream(run).read(range(1), here))
    curate_pool(open_pool(study / "pool"), study / "metadata", tmp_path / "out", CuratePool(t_en=6, seed=SEED), HERE)
    assert len(list(open_pool_stream(run).read(range(40), here))) == 40


def test_matches_that_are_gone_are_named_with_the_command_that_makes_them(study, tmp_path):
    shutil.copytree(study / "out", tmp_path / "out", ignore=shutil.ignore_patterns("runs"))
    open_curated(tmp_path / "out").matches("00001").unlink()
    with pytest.raises(InputError, match=r"no such file\. Curate the pool again") as gone:
        list(read_epoch(open_curated(tmp_path / "out"), SEED, 0, order_seed=0))
    assert "dvc" not in str(gone.value)


def test_a_run_is_not_written_among_a_persons_files(study, tmp_path):
    mine = put_files(tmp_path / "run")
    with pytest.raises(InputError, match="not made by mc2lib"):
        train(study, tmp_path / "run")
    assert count_lost(mine) == 0


def test_what_cannot_be_trained_on_says_what_to_do(study, tmp_path):
    params, pool, curated = load_params(ROOT, "smoke"), open_pool(study / "pool"), recipe(study / "out")
    with pytest.raises(InputError, match=r"no curated pool here\. Run `make curate"):
        start_run(ROOT, params, pool, recipe(tmp_path / "none"), tmp_path / "run", "small", "bytes")
    with pytest.raises(InputError, match=r"no tower 'smal'.*small"):
        start_run(ROOT, params, pool, curated, tmp_path / "run", "smal", "bytes")
    write_commonpool(tmp_path / "addresses" / "a.parquet", ["0" * 32], ["a cat"])
    with pytest.raises(InputError, match=r"holds no tars with images.*img2dataset"):
        start_run(ROOT, params, open_pool(tmp_path / "addresses"), curated, tmp_path / "run", "small", "bytes")
    shutil.copytree(study / "pool", tmp_path / "less")
    (tmp_path / "less" / "00001.tar").unlink()
    with pytest.raises(InputError, match="no images of its shard '00001'"):
        start_run(ROOT, params, open_pool(tmp_path / "less"), curated, tmp_path / "run", "small", "bytes")
    with pytest.raises(InputError, match=r"gemma\.json: no such tokenizer. Run `python -m mc2lib sources`"):
        start_run(tmp_path, params, pool, curated, tmp_path / "run", "small", "gemma")
