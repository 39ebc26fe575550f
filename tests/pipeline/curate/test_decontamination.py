"""Hashing images: bombs, broken images, sets of hashes on disk."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib

import imagehash
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mc2lib.errors import InputError
from mc2lib.io.pools.open_pool import open_pool
from mc2lib.pipeline.curate.decontamination import (
    HASHES,
    hash_folder,
    hash_images,
    hash_shard,
    read_hashes,
    thumbnail,
    write_hashes,
)
from tests.pools import jpg, write_laion, write_tar


def picture(seed: int, format: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (90, 70)) -> bytes:
    """Random blobs in colour, with one side longer than the other."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 7, len(Image.new(mode, (1, 1)).getbands())), np.uint8)
    image = Image.fromarray(small.squeeze(), mode).resize(size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, format)
    return out.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of a hundred bytes whose header claims `side` x `side` pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_opaque_images_hash_as_imagehash_hashes_them(format, mode):
    contents = [picture(seed, format, mode) for seed in range(3)]
    found = hash_images([(str(i), content) for i, content in enumerate(contents)])
    expected = [str(imagehash.phash(Image.open(io.BytesIO(content)))) for content in contents]
    assert [f"{value:016x}" for value in found["hash"].to_pylist()] == expected


def test_what_is_transparent_is_white():
    """Two drawings in black, whose transparent pixels are black too: alike to `imagehash`, not to the eye."""
    shapes = np.zeros((2, 32, 32, 4), np.uint8)
    shapes[0, 4:20, 2:9, 3] = shapes[1, 16:30, 12:30, 3] = 255
    contents = []
    for shape in shapes:
        out = io.BytesIO()
        Image.fromarray(shape, "RGBA").save(out, "PNG")
        contents.append(out.getvalue())
    black = {str(imagehash.phash(Image.open(io.BytesIO(content)))) for content in contents}
    hashes = hash_images([("a", contents[0]), ("b", contents[1])])["hash"].to_pylist()
    assert len(black) == 1 and hashes[0] != hashes[1]
    assert thumbnail(contents[0])[0, 0] == 255 and thumbnail(contents[0])[10, 5] == 0


def test_bombs_and_broken_images_are_named_and_the_rest_is_hashed():
    whole = picture(1)
    images = [("whole", whole), ("big", bomb(9_000)), ("bomb", bomb(60_000)), ("cut", whole[:200]), ("text", b"hello")]
    table = hash_images(images)
    assert table.schema.equals(HASHES)
    assert [value is None for value in table["hash"].to_pylist()] == [False, True, True, True, True]
    assert table["fault"].to_pylist()[:2] == [None, "9000 x 9000 pixels"]
    assert all(fault.startswith("not a whole image") for fault in table["fault"].to_pylist()[2:])
    assert table["sha256"].to_pylist()[4] == hashlib.sha256(b"hello").digest()
    with pytest.raises(InputError, match="90 x 70 pixels"):
        thumbnail(whole, pixels=6000)
    assert thumbnail(whole, pixels=6300).shape == (32, 32)


def test_batches_do_not_show(monkeypatch):
    images = [(str(i), picture(i)) for i in range(5)]
    whole = hash_images(images)
    monkeypatch.setattr("mc2lib.pipeline.curate.decontamination.BATCH", 2)
    assert hash_images(images).combine_chunks() == whole.combine_chunks()
    monkeypatch.setattr("mc2lib.pipeline.curate.decontamination.BYTES", 1)  # large images are not held by the thousand
    assert hash_images(images)["image"].num_chunks == 6
    assert hash_images(images).combine_chunks() == whole.combine_chunks()
    assert hash_images([]).num_rows == 0


def test_a_shards_images(tmp_path):
    write_tar(tmp_path / "w" / "0.tar", [("b.png", picture(2)), ("b.txt", b"x"), ("a.jpg", jpg(3))])
    table = hash_shard(open_pool(tmp_path / "w").shards[0])
    assert table["image"].to_pylist() == ["b", "a"]
    write_laion(tmp_path / "l" / "0.parquet", [{"TEXT": "a"}])
    with pytest.raises(InputError, match="holds no images"):
        hash_shard(open_pool(tmp_path / "l").shards[0])


def test_an_evaluations_hashes_come_from_files_tars_and_tables(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "0.png").write_bytes(picture(0))
    (tmp_path / "d" / "again.PNG").write_bytes(picture(0))
    (tmp_path / "d" / "labels.csv").write_text("0,dog")
    write_tar(tmp_path / "1.tar", [("k.png", picture(1)), ("l.png", b"broken")])
    pq.write_table(pa.table({"name": [b"no image"], "png": [picture(2)]}), tmp_path / "2.parquet")
    pq.write_table(pa.table({"image": [{"bytes": picture(3), "path": "x"}, None]}), tmp_path / "3.parquet")
    hashes, broken = hash_folder(tmp_path)
    expected = hash_images([(str(i), picture(i)) for i in range(4)])["hash"].to_pylist()
    assert hashes.tolist() == sorted(expected) and broken == [f"{tmp_path / '1.tar'}: l"]
    with pytest.raises(InputError, match="no images"):
        hash_folder(tmp_path / "d" / "labels.csv")


def test_sets_of_hashes_on_disk(tmp_path):
    path = tmp_path / "h.npy"
    write_hashes(np.array([9, 1, 9, 2**64 - 1], np.uint64), path)
    assert read_hashes(path).tolist() == [1, 9, 2**64 - 1]
    content = path.read_bytes()
    for number in (0, 7, len(content) - 1):
        path.write_bytes(content[:number])
        with pytest.raises(InputError, match=r"h\.npy: not a set of hashes"):
            read_hashes(path)
    for array, fault in (
        (np.array([1, 2]), "not a vector of uint64"),
        (np.array([[1]], np.uint64), "not a vector of uint64"),
        (np.array([2, 1], np.uint64), "not sorted"),
        (np.array([1, 1], np.uint64), "not sorted"),
        (np.array([{}], object), "not a set of hashes"),
    ):
        np.save(path, array)
        with pytest.raises(InputError, match=fault):
            read_hashes(path)
    with pytest.raises(InputError, match=r"absent\.npy"):
        read_hashes(tmp_path / "absent.npy")
