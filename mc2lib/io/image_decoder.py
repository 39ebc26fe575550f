"""Decoding images that nobody has vouched for: the only place where encoded bytes become pixels."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from mc2lib.errors import InputError

#: An image with more pixels is not decoded: a few kilobytes can claim gigabytes.
PIXELS = 1 << 26
#: What Pillow may take the bytes for; its other decoders are seldom used and seldom tested.
DECODERS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

Pixels = npt.NDArray[np.uint8]


def decode(content: bytes, pixels: int = PIXELS, least: int | None = None) -> Image.Image:
    """Decode an image, over white where it is transparent: such pixels carry any colour, often black, unseen.

    Args:
        content: an encoded image.
        pixels: most pixels that are decoded.
        least: pixels; a JPEG is then decoded to RGB, and no larger than its sides being at least this asks for.

    Returns:
        the image, in the mode of its file if nothing above asks for another.

    Raises:
        InputError: no image, a cut one, or one of too many pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own warning of bombs: the limit below is stricter
            with Image.open(io.BytesIO(content), formats=DECODERS) as opened:
                if opened.width * opened.height > pixels:
                    fault = f"{opened.width} x {opened.height} pixels"
                    raise InputError("image", fault, f"At most {pixels} are decoded.")
                if least is not None:
                    opened.draft("RGB", (least, least))
                opened.load()
                return _over_white(opened)
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError, MemoryError) as error:
        raise InputError("image", f"not a whole image ({error})", "Leave it out.") from error


def decode_pixels(images: Sequence[bytes], place: str, pixels: int = PIXELS) -> Pixels:
    """Decode images of one size, over white.

    Args:
        images: encoded, all of one size.
        place: the file they came from, for the error.
        pixels: most pixels of an image that are decoded.

    Returns:
        uint8 [n, height, width, 3].

    Raises:
        InputError: an image is truncated, no image or too large; the message names its number.
    """
    found: list[Pixels] = []
    for number, image in enumerate(images):
        try:
            found.append(np.asarray(decode(image, pixels).convert("RGB")))
        except InputError as error:
            remedy = "Delete the file and run the command that wrote it again."
            raise InputError(f"{place}: image {number}", error.fault, remedy) from error
    return np.stack(found) if found else np.zeros((0, 1, 1, 3), np.uint8)


def read_square(content: bytes, size: int, pixels: int = PIXELS) -> Pixels:
    """Decode an image over white, resize its shorter side, bicubic, and cut the square in the middle.

    Args:
        content: an encoded image.
        size: of a side, in pixels.
        pixels: most that are decoded.

    Returns:
        uint8 [size, size, 3].

    Raises:
        InputError: no image, a cut one, or one of too many pixels.
    """
    image = decode(content, pixels, least=2 * size).convert("RGB")
    scale = size / min(image.size)
    wide, high = (max(size, round(side * scale)) for side in image.size)
    left, top = (wide - size) // 2, (high - size) // 2
    resized = image.resize((wide, high), Image.Resampling.BICUBIC)
    return np.asarray(resized.crop((left, top, left + size, top + size)))


def _over_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba).convert("RGB")
