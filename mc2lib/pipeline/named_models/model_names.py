"""The configurations of this package, and how open_clip comes to know them."""

from __future__ import annotations

import functools
from pathlib import Path

import open_clip

CONFIGS = Path(__file__).parent / "configs"

#: The paper's models that open_clip 3.3 knows by itself.
OPEN_CLIPS = (
    "ViT-H-14-worldwide-quickgelu",
    "ViT-H-14-worldwide-378",
    "ViT-bigG-14-worldwide",
    "ViT-bigG-14-worldwide-378",
)


def list_own_names() -> list[str]:
    """The names of this package's configurations, the smallest model first."""
    return sorted((path.stem for path in CONFIGS.glob("*.json")), key=_by_size)


def _by_size(name: str) -> tuple[int, str]:
    return "SMBL".index(name.removeprefix("metaclip2-ViT-")[0]), name


@functools.cache
def register_names() -> None:
    """Let open_clip know this package's configurations by their names; a second call does nothing."""
    open_clip.add_model_config(CONFIGS)
