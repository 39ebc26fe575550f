import io

import numpy as np
import pytest
from PIL import Image

from mc2lib.errors import InputError
from mc2lib.io.drawings import decode, read_shards, write_shard


def png(colour, mode="RGBA", size=4) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (size, size), colour).save(out, "PNG")
    return out.getvalue()


def test_transparent_is_white():
    pixels = decode([png((0, 0, 0, 0)), png((255, 0, 0, 255))], "here")
    assert pixels.shape == (2, 4, 4, 3) and (pixels[0] == 255).all() and (pixels[1] == [255, 0, 0]).all()


@pytest.mark.parametrize("broken", [png((1, 2, 3, 255), size=64)[:60], b"", b"not an image"])
def test_a_truncated_image_is_named(broken):
    with pytest.raises(InputError, match=r"pool.tar: image 1.*not a whole image"):
        decode([png((0, 0, 0, 255)), broken], "pool.tar")


def test_shards_hold_what_was_written_and_are_the_same_bytes_again(tmp_path):
    images = {"noto/apple": png((1, 2, 3, 255)), "fluent/apple": png((3, 2, 1, 255))}
    for name in ("a.tar", "b.tar"):
        write_shard(iter(images.items()), tmp_path / name)
    assert read_shards([tmp_path / "a.tar"]) == images
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_truncated_shard_is_named(tmp_path):
    write_shard(iter({"a": np.random.default_rng(0).bytes(5000)}.items()), tmp_path / "a.tar")
    (tmp_path / "a.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:2000])
    with pytest.raises(InputError, match=r"a.tar: not a whole tar shard"):
        read_shards([tmp_path / "a.tar"])
    with pytest.raises(InputError, match=r"absent.tar"):
        read_shards([tmp_path / "absent.tar"])
