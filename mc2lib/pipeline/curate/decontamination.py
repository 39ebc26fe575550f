"""Hashing the images of pools and evaluations, and files of hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from mc2lib.errors import InputError
from mc2lib.io.files import atomic
from mc2lib.io.image_decoder import PIXELS, decode
from mc2lib.io.pools.open_pool import read_shard_images
from mc2lib.io.pools.shards import Shard
from mc2lib.io.tars import IMAGES, SUFFIXES, read_images
from mc2lib.recipe.curation.perceptual_hash import THUMBNAIL, perceptual_hash

BATCH = 1024
#: Bytes of encoded images at which a batch ends before.
BYTES = 1 << 26
#: One image of a shard. `image` is its key; the hash is null and `fault` says why if it cannot be decoded.
HASHES = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("hash", pa.uint64()),
        pa.field("sha256", pa.binary(32), nullable=False),
        pa.field("fault", pa.string()),
    ]
)


def thumbnail(content: bytes, pixels: int = PIXELS) -> npt.NDArray[np.uint8]:
    """The grey thumbnail that `imagehash.phash` looks at, of an image over white as training shows it.

    Args:
        content: an encoded image.
        pixels: most pixels that are decoded.

    Returns:
        uint8 [32, 32].

    Raises:
        InputError: no image, a cut one, or one of too many pixels.
    """
    grey = decode(content, pixels).convert("L")
    return np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS))


def hash_images(images: Iterable[tuple[str, bytes]], pixels: int = PIXELS) -> pa.Table:
    """Hash images one batch at a time.

    Args:
        images: (key, encoded bytes).
        pixels: most pixels that are decoded.

    Returns:
        HASHES, in the order given; an image that cannot be decoded has a fault and no hash.
    """
    parts: list[pa.Table] = []
    held: list[tuple[str, bytes]] = []
    size = 0
    for image in images:
        held.append(image)
        size += len(image[1])
        if len(held) == BATCH or size >= BYTES:
            parts.append(_hash_batch(held, pixels))
            held, size = [], 0
    return pa.concat_tables([*parts, _hash_batch(held, pixels)])


def _hash_batch(images: Sequence[tuple[str, bytes]], pixels: int) -> pa.Table:
    thumbnails, faults = np.zeros((len(images), THUMBNAIL, THUMBNAIL), np.uint8), list[str | None]()
    for row, (_, content) in enumerate(images):
        try:
            thumbnails[row] = thumbnail(content, pixels)
            faults.append(None)
        except InputError as error:
            faults.append(error.fault)
    broken = np.array([fault is not None for fault in faults], bool)
    return pa.table(
        [
            [key for key, _ in images],
            pa.array(perceptual_hash(thumbnails), pa.uint64(), mask=broken),
            pa.array([hashlib.sha256(content).digest() for _, content in images], pa.binary(32)),
            pa.array(faults, pa.string()),
        ],
        schema=HASHES,
    )


def hash_shard(shard: Shard, pixels: int = PIXELS) -> pa.Table:
    """Hash all images of a pool's shard (HASHES).

    Raises:
        InputError: the pool holds no images, or a tar is cut or damaged.
    """
    return hash_images(((key, content) for key, _, content in read_shard_images(shard)), pixels)


def hash_folder(folder: Path, pixels: int = PIXELS) -> tuple[npt.NDArray[np.uint64], list[str]]:
    """Build a hash set from evaluation images: image files, tars, and Parquet with a column of images.

    Args:
        folder: of any depth, or one file.
        pixels: most pixels that are decoded.

    Returns:
        (uint64, sorted and each once; the names of images that could not be decoded).

    Raises:
        InputError: there are no images.
    """
    table = hash_images(_folder_images(folder), pixels)
    if not table.num_rows:
        raise InputError(str(folder), "no images", f"Give a folder with {', '.join(sorted(IMAGES))}, tars or Parquet.")
    broken = table.filter(table["hash"].is_null())["image"].to_pylist()
    return np.unique(table["hash"].drop_null().to_numpy()), broken


def _folder_images(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.suffix.lower().lstrip(".") in IMAGES:
            yield str(path), path.read_bytes()
        elif path.name.endswith(SUFFIXES):
            yield from ((f"{path}: {key}", content) for key, _, content in read_images(path))
        elif path.suffix == ".parquet":
            yield from _table_images(path)


def _table_images(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with pq.ParquetFile(path) as file:
            names = [f.name for f in file.schema_arrow if _holds_images(f)]
            for batch in file.iter_batches(batch_size=BATCH, columns=names[:1]) if names else []:
                for row, value in enumerate(batch.column(0).to_pylist()):
                    content = value.get("bytes") if isinstance(value, dict) else value
                    if content is not None:
                        yield f"{path}, row {row}", content
    except (pa.ArrowException, OSError) as error:
        raise InputError(str(path), f"not a whole Parquet file ({error})", "Fetch it again.") from error


def _holds_images(field: pa.Field) -> bool:
    """Bytes, or the (bytes, path) of a Hugging Face data set, by the name of a format or of an image."""
    if pa.types.is_struct(field.type):
        return field.type.get_field_index("bytes") >= 0
    return field.name.lower() in IMAGES | {"image", "img"} and pa.types.is_binary(field.type)


def write_hashes(hashes: npt.NDArray[np.uint64], path: Path) -> None:
    """Write a hash set as a .npy file of sorted uint64, each once."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.unique(hashes), allow_pickle=False)


def read_hashes(path: Path) -> npt.NDArray[np.uint64]:
    """Read a hash set.

    Raises:
        InputError: the file is missing, cut, of another type, or not sorted.
    """
    try:
        hashes = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(str(path), f"not a set of hashes ({error})", "Build it from the images again.") from error
    if not isinstance(hashes, np.ndarray) or hashes.dtype != np.uint64 or hashes.ndim != 1:
        raise InputError(str(path), "not a vector of uint64", "Build it from the images again.")
    if (hashes[1:] <= hashes[:-1]).any():
        raise InputError(str(path), "hashes are not sorted or stand twice", "Build it from the images again.")
    return hashes
