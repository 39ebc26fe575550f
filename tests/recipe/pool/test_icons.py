import io

import numpy as np
import pytest
from PIL import Image

from mc2lib.errors import InputError
from mc2lib.recipe.pool.icons import render_icon


def pixels(icons: dict, name: str, size: int = 8) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(render_icon(icons, name, size))).convert("RGBA"))


ICONS = {
    "prefix": "test",
    "width": 8,
    "height": 8,
    "icons": {"left": {"body": '<rect width="4" height="8" fill="#f00"/>'}, "broken": {"body": "<rect"}},
    "aliases": {"right": {"parent": "left", "hFlip": True}, "top": {"parent": "left", "rotate": 1}},
}


def test_icons_and_their_aliases_are_rendered():
    assert (pixels(ICONS, "left")[:, :4] == [255, 0, 0, 255]).all() and (pixels(ICONS, "left")[:, 4:] == 0).all()
    assert (pixels(ICONS, "right") == pixels(ICONS, "left")[:, ::-1]).all()
    assert (pixels(ICONS, "top")[:4, :, 3] == 255).all() and (pixels(ICONS, "top")[4:, :, 3] == 0).all()


@pytest.mark.parametrize(("name", "words"), [("absent", "no icon 'absent'"), ("broken", "cannot be rendered")])
def test_a_bad_icon_is_named(name, words):
    with pytest.raises(InputError, match=words):
        render_icon(ICONS, name, 8)
