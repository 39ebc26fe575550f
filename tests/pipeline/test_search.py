"""Search by a model that knows colours by name, so that what it must find is plain."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mc2lib.commands.command_line import main
from mc2lib.errors import InputError
from mc2lib.io.files import write_table
from mc2lib.io.image_decoder import read_square
from mc2lib.pipeline import search as module
from mc2lib.pipeline.search import ImageSearch, nearest, read_pictures, write_page
from mc2lib.schemas import DRAWINGS
from tests.pools import write_img2dataset

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "rot": (255, 0, 0), "<b>": (0, 255, 0)}


class ColourModel:
    """Images are their mean colour, texts the colour that they name."""

    name, digest, device = "colours", "1", torch.device("cpu")

    def prepare(self, content: bytes) -> torch.Tensor:
        return torch.from_numpy(read_square(content, 4).copy())

    def encode_images(self, batch: torch.Tensor) -> np.ndarray:
        means = batch.float().mean(dim=(1, 2)).numpy()
        return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.float32([COLOURS[text] for text in texts]) / 255


def png(colour: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(out, "PNG")
    return out.getvalue()


def write_folder(folder: Path, *names: str) -> Path:
    """Images of the named colours, each file called by its colour."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / f"{name}.png").write_bytes(png(COLOURS[name]))
    return folder


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 9), st.integers(1, 7))
def test_blocked_search_is_exact(seed: int, count: int, k: int, block: int) -> None:
    """Against a stable sort of all products; products repeat, so ties are met."""
    generator = np.random.default_rng(seed)
    vectors = generator.integers(-2, 3, (count, 3)).astype(np.float32)
    queries = generator.integers(-2, 3, (2, 3)).astype(np.float32)
    before, module.BLOCK = module.BLOCK, block
    try:
        scores, rows = nearest(queries, vectors, k)
    finally:
        module.BLOCK = before
    products = [[sum(float(a) * float(b) for a, b in zip(q, v, strict=True)) for v in vectors] for q in queries]
    expected = [sorted(range(count), key=lambda row: (-line[row], row))[:k] for line in products]
    assert rows.tolist() == expected
    assert scores.tolist() == [[line[row] for row in part] for line, part in zip(products, expected, strict=True)]


def test_texts_of_two_languages_find_the_same_image_and_an_image_finds_its_text(tmp_path: Path) -> None:
    pictures = read_pictures(write_folder(tmp_path / "images", "red", "green", "blue"))
    search = ImageSearch(ColourModel(), pictures)
    found = search.find(["red", "rot"], k=2)
    assert found[found["rank"] == 1]["image"].tolist() == ["red.png", "red.png"]
    assert found.groupby("query").size().tolist() == [2, 2] and found["score"].iloc[0] == pytest.approx(1)
    assert search.find_texts(pictures.names.index("blue.png"), k=1)["text"].tolist() == ["blue"]


def test_broken_images_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "images", "red", "blue")
    (folder / "blue.png").write_bytes(b"no image")
    search = ImageSearch(ColourModel(), read_pictures(folder))
    assert search.pictures.names == ["red.png"] and search.broken == 1 and len(search.features) == 1
    (folder / "red.png").write_bytes(b"")
    with pytest.raises(InputError, match="none of them can be decoded"):
        ImageSearch(ColourModel(), read_pictures(folder))


def test_drawings_and_pools_are_read(tmp_path: Path) -> None:
    row = {"concept": "red-heart", "style": "noto", "family": "x"}
    rows = [row | {"image": f"noto/{name}", "png": png(COLOURS[name])} for name in ("red", "blue")]
    write_table(pa.Table.from_pylist(rows, schema=DRAWINGS), tmp_path / "drawings.parquet", DRAWINGS)
    drawings = read_pictures(tmp_path / "drawings.parquet", limit=1)
    assert drawings.names == ["noto/red"] and drawings.texts == ["red heart"]
    pool = write_img2dataset(tmp_path / "pool", "00000", [{"caption": text} for text in ("a cat", "a dog")])
    pictures = read_pictures(pool)
    assert pictures.texts == ["a cat", "a dog"] and all(content[:2] == b"\xff\xd8" for content in pictures.contents)
    with pytest.raises(InputError, match=r"no such file or folder\. Name a folder of images"):
        read_pictures(tmp_path / "none")


def test_the_page_holds_everything_and_escapes_what_people_type(tmp_path: Path) -> None:
    search = ImageSearch(ColourModel(), read_pictures(write_folder(tmp_path / "images", "red", "green")))
    write_page(search, ["<b>", "red"], tmp_path / "page.html", k=1)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2 and not re.findall(r'(?:src|href)="(?!data:)', page)
    assert html.escape("<b>") in page and "<b>" not in page
    assert page.index(">&lt;b&gt;<") < page.index("1.00 green") < page.index("1.00 red")


def test_the_command_writes_a_page_in_any_folder(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mc2lib.pipeline.evaluate.models.opening.open_model", lambda name: ColourModel())
    write_folder(tmp_path / "images", "red", "green")
    assert main(["search", "run", "rot", "--images", "images", "--to", "page.html"]) == 0
    assert "1.00 red" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert capsys.readouterr().out == "page.html: searched 2 images\n"
