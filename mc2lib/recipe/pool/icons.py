"""Drawings: an icon of an Iconify set, rendered at the size that the pool asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import resvg_py

from mc2lib.errors import InputError


def render_icon(icons: Mapping[str, Any], name: str, size: int) -> bytes:
    """Render one icon of an Iconify set as a square RGBA PNG.

    Args:
        icons: an Iconify set (icons.json); aliases, their flips and their rotations are followed.
        name: of an icon or alias.
        size: side of the image in pixels.

    Raises:
        InputError: the set does not have the icon, or its SVG cannot be rendered.
    """
    icon: dict[str, Any] = {}
    while name not in icons["icons"]:
        if name not in icons.get("aliases", {}):
            raise InputError(
                f"icon set {icons['prefix']}", f"no icon '{name}'", "Lock the package version that has it."
            )
        alias = icons["aliases"][name]
        icon = alias | icon
        name = alias["parent"]
    icon = icons["icons"][name] | icon
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    left, top = icon.get("left", 0), icon.get("top", 0)
    body = icon["body"]
    if icon.get("hFlip"):
        body = f'<g transform="translate({2 * left + width} 0) scale(-1 1)">{body}</g>'
    if icon.get("vFlip"):
        body = f'<g transform="translate(0 {2 * top + height}) scale(1 -1)">{body}</g>'
    if icon.get("rotate"):
        body = f'<g transform="rotate({icon["rotate"] * 90} {left + width / 2} {top + height / 2})">{body}</g>'
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}" width="{size}" height="{size}">{body}</svg>'
    )
    try:
        return bytes(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True))
    except ValueError as error:
        raise InputError(
            f"icon {icons['prefix']}:{name}", f"cannot be rendered ({error})", "Fetch the sources again."
        ) from error
