"""A pool of one's own, from curation over training to evaluation: what is measured with was never trained on."""

import dataclasses
import unicodedata

import numpy as np
import pandas as pd
import pytest

from mc2lib.commands.command_line import main
from mc2lib.errors import InputError
from mc2lib.io.benchmarks.held_out_pool import FEWEST, open_held_out
from mc2lib.io.config import load_params
from mc2lib.io.curated_pool import CuratedPool, hold_out, open_curated, pool_identity, read_held_out, read_matches
from mc2lib.io.epoch_draws import draw_shards, is_held_out
from mc2lib.io.files import digest
from mc2lib.io.pools.open_pool import open_pool
from mc2lib.params import CuratePool, Machine
from mc2lib.pipeline.curate.curate_pool import curate_pool
from mc2lib.pipeline.train import start_run
from mc2lib.recipe.curation.strategies import STRATEGIES
from tests.conftest import ROOT
from tests.pipeline.curate.test_curate_pool import TEXTS, write_metadata
from tests.pools import jpg, write_tar

HERE = Machine(processes=1, checkpoint_seconds=1e9)
SHARE, SEED = 0.3, 3


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two tars; every fifth text is one that many images have, in other case and width."""
    folder = tmp_path_factory.mktemp("own")
    for shard in range(2):
        members = []
        for i in range(150):
            text = f"{TEXTS[i % 3]} {shard} {i}" if i % 5 else (TEXTS[0], f"{TEXTS[0]} ", TEXTS[0].title())[i % 3]
            members += [(f"{i:05d}.jpg", jpg(i + shard, 40)), (f"{i:05d}.txt", text.encode())]
        write_tar(folder / "pool" / f"{shard:05d}.tar", members)
    metadata = write_metadata(folder / "metadata")
    curate_pool(open_pool(folder / "pool"), metadata, folder / "out", CuratePool(t_en=50, seed=SEED), HERE)
    hold_out(open_curated(folder / "out"), SHARE)
    return folder


def plain(text):
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def test_no_image_and_no_text_of_the_set_is_in_any_epoch_of_training(study):
    benchmark = open_held_out(open_pool(study / "pool"), open_curated(study / "out"))
    trained_texts, trained_images = set(), set()
    for epoch in range(30):
        for table in draw_shards(open_curated(study / "out"), SEED, epoch):
            trained_texts |= set(map(plain, table["alt_text"].to_pylist()))
            trained_images |= set(table["pair_id"].to_pylist())
    asked = {plain(text) for language in benchmark.languages for text in benchmark.task.captions(language).texts}
    assert len(asked) > FEWEST and len(trained_texts) > 50
    assert not asked & trained_texts and plain(TEXTS[0]) in trained_texts
    held = [read_matches(open_curated(study / "out"), name, ["pair_id", "image_id"]) for name in ("00000", "00001")]
    mask = [is_held_out(table["image_id"].to_numpy(), SHARE) for table in held]
    ids = {one for table, of in zip(held, mask, strict=True) for one in table["pair_id"].to_numpy()[of].tolist()}
    assert ids and not ids & trained_images
    count = sum(map(len, held))
    assert 0.2 < len(ids) / count < 0.4  # about the share


def test_each_caption_is_of_its_own_image(study):
    benchmark = open_held_out(open_pool(study / "pool"), open_curated(study / "out"))
    for language in benchmark.languages:
        captions = benchmark.task.captions(language)
        for image, text in zip(captions.images.tolist(), captions.texts, strict=True):
            shard, number = map(int, text.split()[-2:])
            assert benchmark.images.read(image) == jpg(number + shard, 40)
    assert benchmark.images.find_missing() == [] and len(set(benchmark.images.names)) == len(benchmark.images.names)
    assert "0.3 of the images are held out" in benchmark.remarks[0]


def test_a_share_cannot_be_changed_and_is_part_of_the_pools_identity(study):
    pool = open_curated(study / "out")
    assert read_held_out(pool) == SHARE and pool_identity(pool)["held_out"] == SHARE
    hold_out(pool, SHARE)
    with pytest.raises(InputError, match=r"0.3 of the images are held out already, not 0.01"):
        hold_out(pool, 0.01)
    with pytest.raises(InputError, match=r"1.5 is no share"):
        hold_out(pool, 1.5)


@pytest.mark.parametrize("before", ["isolated/runs/small/0", "raw/runs/large/7", "elsewhere"])
def test_a_pool_that_a_run_has_seen_whole_holds_nothing_out(tmp_path, before):
    pool = CuratedPool(tmp_path / "out", STRATEGIES["isolated"])
    run = (tmp_path if before == "elsewhere" else pool.out) / before
    run.mkdir(parents=True)
    (run / "recipe.json").write_text("{}")
    hold_out(pool, 0.5, run)
    assert read_held_out(pool) == 0.0
    other = CuratedPool(tmp_path / "other", STRATEGIES["isolated"])
    hold_out(other, 0.5, tmp_path / "new")
    assert read_held_out(other) == 0.5


def test_all_strategies_of_a_folder_hold_the_same_images_out(study):
    pools = [CuratedPool(study / "out", strategy) for strategy in STRATEGIES.values()]
    assert {read_held_out(pool) for pool in pools} == {SHARE}


def test_a_pool_that_holds_nothing_out_is_told_how(study, tmp_path):
    with pytest.raises(InputError, match=r"no images are held out of training here. Train with `make train`"):
        open_held_out(open_pool(study / "pool"), CuratedPool(tmp_path, STRATEGIES["isolated"]))


def test_from_training_to_the_report_by_the_commands(study, tmp_path, capsys):
    params = load_params(ROOT, "smoke")
    training = dataclasses.replace(params.training, batch_size=16, steps=3)
    params = dataclasses.replace(params, training=training, machine=HERE)
    pool = open_curated(study / "out")
    run = pool.folder / "runs" / "small" / "0"
    start_run(ROOT, params, open_pool(study / "pool"), pool, run, "small", "bytes")
    capsys.readouterr()
    command = ["evaluate", "--pool", str(study / "pool"), "--curated", str(study / "out"), "--out", str(tmp_path / "a")]
    command += ["--cache", str(tmp_path / "cache")]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "0.3 of the images are held out" in said and "training draws from" in said
    table = pd.read_csv(tmp_path / "a" / "report.csv")
    assert set(table["benchmark"]) == {"held-out"} and (table["n"] >= 10).all()
    hits = table[table["metric"].str.contains("_r")]["value"]
    assert ((hits >= 0) & (hits <= 1)).all() and np.isfinite(hits).all()
    recipe = (run / "recipe.json").read_text()
    (run / "recipe.json").write_text(recipe.replace(digest(pool_identity(pool)), "of another pool"))
    assert main(command) == 2
    assert "was not trained on" in capsys.readouterr().err
