"""Encoded bytes become pixels in one place, never more of them than the limit."""

import ast
import io

import numpy as np
import pytest
from PIL import Image

from mc2lib.errors import InputError
from mc2lib.io.code_digest import PACKAGE
from mc2lib.io.image_decoder import PIXELS, decode, decode_pixels, read_square


def png(colour, mode="RGBA", size=(4, 4)) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, "PNG")
    return out.getvalue()


def test_transparent_is_white():
    pixels = decode_pixels([png((0, 0, 0, 0)), png((255, 0, 0, 255))], "here")
    assert pixels.shape == (2, 4, 4, 3) and (pixels[0] == 255).all() and (pixels[1] == [255, 0, 0]).all()


@pytest.mark.parametrize("broken", [png((1, 2, 3, 255), size=(64, 64))[:60], b"", b"not an image"])
def test_a_truncated_image_is_named(broken):
    with pytest.raises(InputError, match=r"pool.tar: image 1.*not a whole image"):
        decode_pixels([png((0, 0, 0, 255)), broken], "pool.tar")


def test_the_square_is_cut_from_the_middle_and_transparency_is_white():
    wide = np.zeros((4, 12, 3), np.uint8)
    wide[:, 4:8] = 200
    out = io.BytesIO()
    Image.fromarray(wide).save(out, "PNG")
    assert (read_square(out.getvalue(), 4) == 200).all()
    assert (read_square(png((0, 0, 0, 0)), 4) == 255).all()


def test_a_bomb_is_not_decoded():
    for read in (
        lambda image, pixels: decode(image, pixels),
        lambda image, pixels: decode_pixels([image], "here", pixels),
        lambda image, pixels: read_square(image, 4, pixels),
    ):
        with pytest.raises(InputError, match="8 x 8 pixels"):
            read(png((1, 1, 1), "RGB", (8, 8)), 63)
        read(png((1, 1, 1), "RGB", (8, 8)), 64)


def test_a_bomb_of_a_few_kilobytes_is_refused_unread():
    bomb = png(0, "1", (1 << 14, (1 << 12) + 1))
    assert len(bomb) < 20_000 and PIXELS < (1 << 14) * ((1 << 12) + 1)
    with pytest.raises(InputError, match="16384 x 4097 pixels"):
        decode(bomb)


def test_no_other_module_opens_images():
    """`Image.open` without a limit is how a bomb gets in."""
    opening = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "Image.open"
    ]
    assert opening == ["io/image_decoder.py"]
