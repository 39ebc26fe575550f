"""Decoding images and reading them from webdataset shards."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from mc2lib.errors import InputError
from mc2lib.io.files import atomic

Pixels = npt.NDArray[np.uint8]


def decode(pngs: Sequence[bytes], place: str) -> Pixels:
    """Decode images of one size over white.

    Args:
        pngs: encoded images (PNG, JPEG or WebP), all of one size; transparent pixels become white.
        place: the file they came from, for the error.

    Returns:
        uint8 array [n, height, width, 3].

    Raises:
        InputError: an image is truncated or no image; the message names its number.
    """
    decoded = [_decode_one(png, f"{place}: image {i}") for i, png in enumerate(pngs)]
    return np.stack(decoded) if decoded else np.zeros((0, 1, 1, 3), np.uint8)


def _decode_one(png: bytes, place: str) -> Pixels:
    try:
        with Image.open(io.BytesIO(png)) as opened:
            opened.load()
            rgba = opened.convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(place, f"not a whole image ({error})", "Delete the file and run `dvc repro`.") from error
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))


def write_shard(images: Iterator[tuple[str, bytes]], path: Path) -> None:
    """Write (key, png) pairs as one webdataset shard, byte for byte the same from the same images."""
    with atomic(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as shard:
        for key, png in images:
            member = tarfile.TarInfo(f"{key}.png")
            member.size = len(png)
            shard.addfile(member, io.BytesIO(png))


def read_shards(paths: Sequence[Path]) -> dict[str, bytes]:
    """All images of webdataset shards, key to encoded bytes.

    Raises:
        InputError: a shard is missing or truncated.
    """
    images: dict[str, bytes] = {}
    for path in paths:
        try:
            with tarfile.open(path, "r:") as shard:
                for member in shard:
                    content = shard.extractfile(member)
                    if content is not None:
                        images[member.name.rsplit(".", 1)[0]] = content.read()
        except (tarfile.TarError, OSError) as error:
            raise InputError(str(path), f"not a whole tar shard ({error})", "Delete it and run `dvc repro`.") from error
    return images
