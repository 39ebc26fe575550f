import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from mc2lib.errors import InputError
from mc2lib.params import Machine, RandomResizedCrop
from mc2lib.trainer import image_index
from mc2lib.trainer.image_index import PoolImages, write_image_index
from tests.pools import write_tar

HERE = Machine(processes=1, checkpoint_seconds=30.0)


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    monkeypatch.setattr(image_index, "run_tasks", lambda work, tasks, machine, describe: enumerate(map(work, tasks)))


def encode(colour, size=(8, 8), mode="RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, "PNG")
    return out.getvalue()


def window(*pairs):
    shards, keys = zip(*pairs, strict=True)
    texts = [f"text {i}" for i in range(len(keys))]
    return pa.table({"shard": pa.array(shards, pa.int32()), "image": pa.array(keys), "alt_text": texts})


def test_keys_that_begin_anew_in_each_tar_are_told_apart(tmp_path):
    red = write_tar(tmp_path / "a.tar", [("0.jpg", encode((255, 0, 0))), ("0.txt", b"red"), ("0.json", b"{}")])
    blue = write_tar(tmp_path / "b.tar", [("0.txt", b"blue"), ("0.png", encode((0, 0, 255), (20, 10)))])
    write_image_index({"a": [red], "b": [blue]}, tmp_path / "index", HERE)
    images = PoolImages(tmp_path / "index", ["b", "a"], 4, threads=2)
    pixels, texts = images.take(window((1, "0"), (0, "0"), (1, "0")), np.array([1, 0, 2]), np.arange(3))
    assert pixels.shape == (3, 4, 4, 3) and texts == ["text 1", "text 0", "text 2"]
    assert pixels[:, 0, 0].tolist() == [[0, 0, 255], [255, 0, 0], [255, 0, 0]]


def test_a_shard_may_have_several_tars(tmp_path):
    tars = [write_tar(tmp_path / f"{i}.tar", [(f"{i}.png", encode((i, i, i)))]) for i in range(3)]
    write_image_index({"pairs": tars, "more": tars[:1]}, tmp_path / "index", HERE)
    pixels, _ = PoolImages(tmp_path / "index", ["pairs", "more"], 4).take(
        window((0, "2"), (1, "0")), np.array([0, 1]), np.arange(2)
    )
    assert pixels[:, 0, 0, 0].tolist() == [2, 0]


def test_what_cannot_be_decoded_gives_its_turn_to_the_next(tmp_path):
    members = [("0.jpg", b"no image"), ("1.jpg", encode((9, 9, 9))), ("2.jpg", encode((7, 7, 7)))]
    tar = write_tar(tmp_path / "a.tar", members)
    write_image_index({"a": [tar]}, tmp_path / "index", HERE)
    images = PoolImages(tmp_path / "index", ["a"], 4)
    pairs = window((0, "2"), (0, "0"), (0, "1"))
    for rows in ([0, 1, 2], [1]):
        pixels, texts = images.take(pairs, np.array(rows), np.arange(len(rows)))
        assert texts[-1] == "text 2" and (pixels[-1] == 9).all()
    assert list(images.skipped) == [f"{tar}: 0"] and "not a whole image" in images.skipped[f"{tar}: 0"]
    with pytest.raises(InputError, match="none of 1 images can be decoded"):
        images.take(window((0, "0")), np.array([0]), np.arange(1))


def test_a_missing_image_is_named_with_its_tar(tmp_path):
    tar = write_tar(tmp_path / "a.tar", [("1.png", encode((1, 1, 1)))])
    write_image_index({"a": [tar]}, tmp_path / "index", HERE)
    with pytest.raises(InputError, match=r"a\.tar: no image 'x' here"):
        PoolImages(tmp_path / "index", ["a"], 4).take(window((0, "x")), np.array([0]), np.arange(1))


def test_a_cut_or_compressed_tar_is_refused(tmp_path):
    tar = write_tar(tmp_path / "a.tar", [("1.png", np.random.default_rng(0).bytes(5000))])
    tar.write_bytes(tar.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"a\.tar"):
        write_image_index({"a": [tar]}, tmp_path / "index", HERE)
    tar.write_bytes(b"\x1f\x8b" + bytes(600))
    with pytest.raises(
        InputError, match=r"no tar header stands here\. Fetch it again; a compressed tar must be unpacked"
    ):
        write_image_index({"a": [tar]}, tmp_path / "index", HERE)


def test_an_index_is_made_again_if_a_tar_changed(tmp_path):
    tar = write_tar(tmp_path / "a.tar", [("1.png", encode((1, 1, 1)))])
    write_image_index({"a": [tar]}, tmp_path / "index", HERE)
    made = (tmp_path / "index" / "keys.npy").stat().st_mtime_ns
    write_image_index({"a": [tar]}, tmp_path / "index", HERE)
    assert (tmp_path / "index" / "keys.npy").stat().st_mtime_ns == made
    write_tar(tar, [("0.txt", b"moves it"), ("1.png", encode((5, 5, 5)))])
    write_image_index({"a": [tar]}, tmp_path / "index", HERE)
    pixels, _ = PoolImages(tmp_path / "index", ["a"], 4).take(window((0, "1")), np.array([0]), np.arange(1))
    assert (pixels == 5).all()


def test_a_crop_is_of_the_whole_image_and_follows_from_the_place_in_the_stream(tmp_path):
    """A photograph twice as wide as high: the middle square would be half of it, a crop of 0.9 to 1 of it is not."""
    wide = np.repeat(np.arange(0, 240, 2, dtype=np.uint8)[None, :, None], 60, axis=0).repeat(3, axis=2)
    out = io.BytesIO()
    Image.fromarray(wide).save(out, "PNG")
    write_tar(tmp_path / "a.tar", [("0.png", out.getvalue())])
    write_image_index({"a": [tmp_path / "a.tar"]}, tmp_path / "index", HERE)
    how = RandomResizedCrop((0.9, 1.0), (1.0, 2.2))
    pairs, rows = window(*[(0, "0")] * 64), np.arange(64)
    pixels, _ = PoolImages(tmp_path / "index", ["a"], 16, 2, how, seed=1).take(pairs, rows, rows)
    shown = pixels[..., 0].astype(int)
    assert shown.shape == (64, 16, 16) and (shown.max((1, 2)) - shown.min((1, 2)) > 0.8 * 238).all()
    again, _ = PoolImages(tmp_path / "index", ["a"], 16, 1, how, seed=1).take(pairs, rows[40:], rows[40:])
    assert (again == pixels[40:]).all() and len(np.unique(shown, axis=0)) > 20
    other, _ = PoolImages(tmp_path / "index", ["a"], 16, 1, how, seed=2).take(pairs, rows, rows)
    assert (other != pixels).any()
