"""Images that a model finds for a text in any language, and texts for an image; also as one HTML page."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from mc2lib.errors import InputError
from mc2lib.io.files import atomic, read_table
from mc2lib.io.image_decoder import decode
from mc2lib.io.pools.open_pool import open_pool, read_batches, read_shard_images
from mc2lib.pipeline.evaluate.models.model import Model
from mc2lib.schemas import DRAWINGS

Features = npt.NDArray[np.float32]

#: Vectors that are compared with the queries at a time: 32 MiB of 128 numbers each.
BLOCK = 1 << 16
#: Images that a model encodes at a time.
BATCH = 64
#: Endings of the files that are taken for images.
ENDINGS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
#: Side of a picture on a page, in pixels.
THUMBNAIL = 96
#: Images of a pool that are searched, unless more are asked for.
LIMIT = 20_000


@dataclass(frozen=True)
class Pictures:
    """Images to search, row by row.

    Args:
        names: of each image: its file, drawing or key.
        texts: what is said of it: its alt-text, or its name.
        contents: encoded.
    """

    names: list[str]
    texts: list[str]
    contents: list[bytes]


def read_pictures(place: Path, limit: int = LIMIT) -> Pictures:
    """Read images from a table of drawings, a folder of image files, or a pool that holds images.

    Args:
        place: drawings.parquet of the study, a folder, or a pool of any layout that `make curate` reads.
        limit: most images that are read; the first ones are.

    Raises:
        InputError: there is nothing there, or no image in it.
    """
    if not place.exists():
        raise InputError(str(place), "no such file or folder", "Name a folder of images, a pool or drawings.parquet.")
    if place.is_file() and place.suffix == ".parquet":
        table = read_table(place, DRAWINGS).slice(0, limit)
        concepts = [name.replace("-", " ") for name in table["concept"].to_pylist()]
        return Pictures(table["image"].to_pylist(), concepts, table["png"].to_pylist())
    files = sorted(path for path in place.rglob("*") if path.suffix.lower() in ENDINGS)[:limit]
    if files:
        names = [path.relative_to(place).as_posix() for path in files]
        return Pictures(names, [path.stem for path in files], [path.read_bytes() for path in files])
    return _read_pool(place, limit)


def _read_pool(place: Path, limit: int) -> Pictures:
    """The first images of a pool, each with the first of its texts."""
    names: list[str] = []
    texts: list[str] = []
    contents: list[bytes] = []
    for shard in open_pool(place).shards:
        said: dict[str, str] = {}
        for batch in read_batches(shard):
            for key, text in zip(batch["image"].to_pylist(), batch["alt_text"].to_pylist(), strict=True):
                said.setdefault(key, text)
        for key, _, content in read_shard_images(shard, said.__contains__):
            names.append(key)
            texts.append(said[key])
            contents.append(content)
            if len(names) == limit:
                return Pictures(names, texts, contents)
    if not names:
        raise InputError(str(place), "no image here", "Name a folder of images, a pool or drawings.parquet.")
    return Pictures(names, texts, contents)


def nearest(queries: Features, vectors: Features, k: int) -> tuple[Features, npt.NDArray[np.int64]]:
    """The vectors with the largest dot product with each query, exact, block by block.

    Args:
        queries: float32 [q, d].
        vectors: float32 [n, d], in memory or mapped from a file.
        k: how many; all, if there are fewer.

    Returns:
        float32 [q, k], the products, largest first; int64 [q, k], the rows of `vectors`. Equal products come in the
        order of their rows.

    Examples:
        >>> nearest(np.float32([[1, 0]]), np.float32([[0, 1], [1, 0], [0.5, 0]]), 2)[1].tolist()
        [[1, 2]]
    """
    k = min(k, len(vectors))
    best = np.empty((len(queries), 0), np.float32)
    rows = np.empty((len(queries), 0), np.int64)
    for begin in range(0, len(vectors), BLOCK):
        scores = queries @ np.asarray(vectors[begin : begin + BLOCK]).T
        places = np.broadcast_to(np.arange(begin, begin + scores.shape[1]), scores.shape)
        if scores.shape[1] > k:  # all that reach the k-th product stay, so that equal ones are told apart by row
            least = np.partition(scores, -k, axis=1)[:, -k]
            few = int((scores >= least[:, None]).sum(axis=1).max())
            chosen = np.argpartition(-scores, few - 1, axis=1)[:, :few]
            scores, places = np.take_along_axis(scores, chosen, 1), np.take_along_axis(places, chosen, 1)
        best, rows = np.concatenate([best, scores], axis=1), np.concatenate([rows, places], axis=1)
        order = np.lexsort((rows, -best))[:, :k]
        best, rows = np.take_along_axis(best, order, 1), np.take_along_axis(rows, order, 1)
    return best, rows


class ImageSearch:
    """A model's view of some images: each is encoded once, then any text finds its nearest ones.

    Args:
        model: of `open_model`.
        pictures: of `read_pictures`. Those that cannot be decoded are left out; `broken` counts them.
        tell: gets how many images were taken up, as it goes.

    Raises:
        InputError: no image can be decoded.
    """

    def __init__(self, model: Model, pictures: Pictures, tell: Callable[[int], None] = lambda done: None) -> None:
        parts: list[Features] = []
        kept: list[int] = []
        for begin in range(0, len(pictures.names), BATCH):
            batch = []
            for row in range(begin, min(begin + BATCH, len(pictures.names))):
                with suppress(InputError):
                    batch.append(model.prepare(pictures.contents[row]))
                    kept.append(row)
            if batch:
                parts.append(model.encode_images(torch.stack(batch)))
            tell(min(begin + BATCH, len(pictures.names)))
        if not kept:
            raise InputError("images", "none of them can be decoded", "Name JPEG, PNG, WebP, GIF, BMP or TIFF files.")
        self.model, self.broken = model, len(pictures.names) - len(kept)
        columns = (pictures.names, pictures.texts, pictures.contents)
        self.pictures = Pictures(*([column[row] for row in kept] for column in columns))  # type: ignore[arg-type]
        self.features: Features = np.concatenate(parts)
        self._texts = sorted(set(self.pictures.texts))
        self._text_features: Features | None = None

    def find(self, queries: Sequence[str], k: int = 8) -> pd.DataFrame:
        """The nearest images of each text.

        Args:
            queries: texts in any language.
            k: images of each.

        Returns:
            query; rank from 1; score, the cosine; row of `pictures`, and its image and text.
        """
        scores, rows = nearest(self.model.encode_texts(list(queries)), self.features, k)
        return self._table(list(queries), scores, rows, self.pictures.names, self.pictures.texts)

    def find_texts(self, row: int, k: int = 8) -> pd.DataFrame:
        """The nearest of all the pictures' texts for one image.

        Args:
            row: of `pictures`.
            k: texts.

        Returns:
            as `find`; `query` is the image's name, `image` and `text` are the text that was found.
        """
        if self._text_features is None:
            self._text_features = self.model.encode_texts(self._texts)
        scores, rows = nearest(self.features[row : row + 1], self._text_features, k)
        return self._table([self.pictures.names[row]], scores, rows, self._texts, self._texts)

    @staticmethod
    def _table(
        queries: list[str], scores: Features, rows: npt.NDArray[np.int64], names: list[str], texts: list[str]
    ) -> pd.DataFrame:
        found = [
            (query, rank, float(scores[i, rank - 1]), int(row), names[row], texts[row])
            for i, query in enumerate(queries)
            for rank, row in enumerate(rows[i], 1)
        ]
        return pd.DataFrame(found, columns=["query", "rank", "score", "row", "image", "text"])


def thumbnail(content: bytes, side: int = THUMBNAIL) -> str:
    """An encoded image as an address that a page holds itself: a PNG of at most `side` pixels."""
    image = decode(content, least=side).convert("RGB")
    image.thumbnail((side, side))
    written = io.BytesIO()
    image.save(written, "PNG")
    return f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode()}"


def picture_card(address: str, name: str, caption: str, width: int) -> str:
    """A picture with a caption as HTML.

    Args:
        address: of the picture, as `thumbnail` gives it.
        name: what it shows, for those who cannot see it.
        caption: HTML.
        width: of the card, in pixels.
    """
    return (
        f'<figure style="display:inline-block;margin:4px;width:{width}px;vertical-align:top">'
        f'<img src="{address}" alt="{html.escape(name)}">'
        f'<figcaption style="font-size:11px">{caption}</figcaption></figure>'
    )


def gallery_html(search: ImageSearch, found: pd.DataFrame) -> str:
    """What `ImageSearch.find` returned as HTML: one row of pictures per query, with scores and texts."""
    rows = []
    for query, part in found.groupby("query", sort=False):
        cells = "".join(
            picture_card(
                thumbnail(search.pictures.contents[hit.row]),
                hit.text,
                f"{hit.score:.2f} {html.escape(hit.text[:60])}",
                THUMBNAIL + 8,
            )
            for hit in part.itertuples()
        )
        rows.append(f'<h3 dir="auto">{html.escape(str(query))}</h3><div>{cells}</div>')
    return "".join(rows)


def write_page(search: ImageSearch, queries: Sequence[str], target: Path, k: int = 24) -> None:
    """Write one HTML page with the nearest images of some texts; it needs no other file.

    Args:
        search: of the images.
        queries: texts in any language.
        target: the page.
        k: images of each text.
    """
    title = html.escape(", ".join(queries))
    note = f"{len(search.pictures.names):,} images, model {html.escape(search.model.name)}; the number is the cosine."
    page = (
        f'<!doctype html><html><head><meta charset="utf-8"><title>{title}</title></head>'
        f'<body style="font-family:sans-serif;max-width:1000px;margin:2em auto">'
        f"<p>{note}</p>{gallery_html(search, search.find(queries, k))}</body></html>\n"
    )
    with atomic(target) as temporary:
        temporary.write_text(page, encoding="utf-8")
