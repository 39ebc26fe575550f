"""Webdataset shards: what is written is read, and where its images are."""

import numpy as np
import pytest

from mc2lib.errors import InputError
from mc2lib.io.tars import locate_images, read_shards, write_images
from tests.io.test_image_decoder import png
from tests.pools import write_tar


def test_shards_hold_what_was_written_and_are_the_same_bytes_again(tmp_path):
    images = {"noto/apple": png((1, 2, 3, 255)), "fluent/apple": png((3, 2, 1, 255))}
    for name in ("a.tar", "b.tar"):
        write_images(images.items(), tmp_path / name)
    assert read_shards([tmp_path / "a.tar"]) == images
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_images_are_where_they_are_said_to_be(tmp_path):
    members = [("a.txt", b"no image"), ("./a.png", b"first" * 200), ("b/" + "c" * 90 + ".jpg", b"second")]
    content = write_tar(tmp_path / "a.tar", members).read_bytes()
    found = {key: content[offset : offset + size] for key, offset, size in locate_images(tmp_path / "a.tar")}
    assert found == {"a": b"first" * 200, "b/" + "c" * 90: b"second"}


def test_a_truncated_or_missing_shard_is_named(tmp_path):
    write_images([("a", np.random.default_rng(0).bytes(5000))], tmp_path / "a.tar")
    (tmp_path / "a.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:2000])
    for read in (lambda path: read_shards([path]), lambda path: list(locate_images(path))):
        with pytest.raises(InputError, match=r"a\.tar, byte \d+: the tar is cut here"):
            read(tmp_path / "a.tar")
        with pytest.raises(InputError, match=r"absent\.tar"):
            read(tmp_path / "absent.tar")
