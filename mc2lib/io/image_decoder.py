"""Decoding images that nobody has vouched for."""

from __future__ import annotations

import io
import warnings

from PIL import Image

from mc2lib.errors import InputError

#: An image with more pixels is not decoded: a few kilobytes can claim gigabytes.
PIXELS = 1 << 26
#: What Pillow may take the bytes for; its other decoders are seldom used and seldom tested.
DECODERS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


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


def _over_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba).convert("RGB")
