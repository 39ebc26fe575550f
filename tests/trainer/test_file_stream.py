"""The stream of curated files: its order, its ranks, its images."""

import dataclasses
import itertools

import numpy as np
import pyarrow as pa
import pytest
import torch

from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.io.files import write_table
from mc2lib.io.tars import write_images
from mc2lib.params import Augmentation, RandomResizedCrop
from mc2lib.recipe.training.budget import Plan
from mc2lib.schemas import CURATED
from mc2lib.trainer.distributed import Rank
from mc2lib.trainer.file_stream import FileStream, ImageStore, stream_windows
from mc2lib.trainer.recipe import CuratedFiles, locate
from tests.io.test_image_decoder import png
from tests.tiny import REPOSITORY
from tests.trainer.test_recipe import make_recipe


@pytest.fixture
def pool(tmp_path):
    paths = []
    for shard in range(3):
        ids = np.arange(shard * 10, shard * 10 + 10, dtype=np.uint64)
        columns = [
            ids,
            ["noto/a"] * 10,
            [f"text {i}" for i in ids],
            ["en" if i % 2 else "de" for i in ids],
            np.ones(10),
        ]
        paths.append(tmp_path / f"{shard}.parquet")
        write_table(pa.table(columns, schema=CURATED), paths[-1], CURATED)
    write_images([("noto/a", png((9, 8, 7, 255)))], tmp_path / "images.tar")
    return paths, tmp_path / "images.tar"


def ids(table):
    return table["pair_id"].to_pylist()


def test_an_epoch_holds_every_pair_once_in_an_order_of_its_own(pool):
    first, second = itertools.islice(stream_windows(pool[0], "all", seed=0), 2)
    assert sorted(ids(first)) == sorted(ids(second)) == list(range(30))
    assert ids(first) != ids(second) and ids(first) != sorted(ids(first))
    assert ids(next(stream_windows(pool[0], "all", seed=1))) != ids(first)


def test_windows_bound_what_is_held_and_lose_nothing(pool):
    windows = list(itertools.islice(stream_windows(pool[0], "all", seed=0, window=10), 3))
    assert [table.num_rows for table in windows] == [10, 10, 10]
    assert sorted(itertools.chain(*map(ids, windows))) == list(range(30))


@pytest.mark.parametrize(("languages", "left"), [("english", 1), ("other", 0)])
def test_languages_are_selected(pool, languages, left):
    assert {i % 2 for i in ids(next(stream_windows(pool[0], languages, seed=0)))} == {left}


def test_no_pair_left_is_an_error(pool, tmp_path):
    table = pa.table([np.array([1], np.uint64), ["x"], ["t"], ["en"], [1.0]], schema=CURATED)
    write_table(table, tmp_path / "en.parquet")
    with pytest.raises(InputError, match="no pair left for languages 'other'"):
        next(stream_windows([tmp_path / "en.parquet"], "other", 0))


def open_stream(pool, **changes):
    """The stream of a run of eight pairs per step, in the folder of the pool."""
    run = pool[1].parent
    data = CuratedFiles(tuple(locate(path, run) for path in pool[0]), (locate(pool[1], run),))
    return FileStream(run, make_recipe(plan=Plan(8, 20), data=data, **changes), data)


def read(pool, steps, rank=0, world=1, **changes):
    return list(open_stream(pool, **changes).read(steps, Rank(rank, world, torch.device("cpu"))))


def texts(pool, steps, rank=0, world=1):
    return [batch.texts for batch in read(pool, steps, rank, world)]


def test_ranks_share_each_batch(pool):
    whole = texts(pool, range(9))
    parts = [texts(pool, range(9), rank, 2) for rank in range(2)]
    for step in range(9):
        assert sorted(whole[step]) == sorted(parts[0][step] + parts[1][step])
        assert len(parts[0][step]) == len(parts[1][step]) == 4


def test_a_run_continues_where_it_stopped(pool):
    assert texts(pool, range(5, 12)) == texts(pool, range(12))[5:]


HALF = RandomResizedCrop((0.5, 1.0))


def test_crops_are_the_same_on_any_ranks_and_after_a_stop(pool, monkeypatch):
    """Of one image of noise, so that only crops differ."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    monkeypatch.setattr(ImageStore, "take", lambda self, keys: np.stack([noise] * len(keys)))
    plain = load_params(REPOSITORY, "smoke").training

    def images(steps, rank=0, world=1, crop=HALF):
        training = dataclasses.replace(plain, augmentation=Augmentation(random_resized_crop=crop))
        return np.stack([batch.images for batch in read(pool, steps, rank, world, training=training)])

    whole = images(range(6))
    assert len(np.unique(whole.reshape(48, -1), axis=0)) > 40
    assert (images(range(4, 6)) == whole[4:]).all() and (images(range(6), crop=None) == noise).all()
    assert (images(range(6), 0, 2) == whole[:, ::2]).all() and (images(range(6), 1, 2) == whole[:, 1::2]).all()


def test_positions_count_on_over_epochs(pool):
    batches = read(pool, range(3, 5))
    assert [batch.positions.tolist() for batch in batches] == [list(range(24, 32)), list(range(32, 40))]


def test_an_image_that_no_shard_holds_is_named(pool):
    with pytest.raises(InputError, match="no image 'noto/b'"):
        ImageStore([pool[1]]).take(["noto/a", "noto/b"])


def test_images_beyond_the_limit_are_decoded_again(tmp_path, pool):
    store = ImageStore([tmp_path / "images.tar"], limit=0)
    assert (store.take(["noto/a"]) == [9, 8, 7]).all() and not store.decoded


def test_a_truncated_shard_is_named(pool, tmp_path):
    broken = pool[0][0]
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be read"):
        list(itertools.islice(stream_windows(pool[0], "all", 0), 1))
