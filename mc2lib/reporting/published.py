"""Figures that were published, each with its source, to put beside what is measured here."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """One figure: a share, as measures are here."""

    model: str
    benchmark: str
    language: str
    metric: str
    value: float
    source: str


PAPER = "MetaCLIP 2 (arXiv 2507.22062), abstract and §4"
WORLDWIDE, ENGLISH = "MetaCLIP 2 ViT-H/14, worldwide", "MetaCLIP ViT-H/14, English only"

PUBLISHED = (
    Published(WORLDWIDE, "imagenet", "en", "top1", 0.813, PAPER),
    Published(ENGLISH, "imagenet", "en", "top1", 0.805, PAPER),
    Published(WORLDWIDE, "xm3600", "macro", "i2t_r1", 0.643, PAPER),
    Published(WORLDWIDE, "babel-imagenet", "macro", "top1", 0.502, PAPER),
    Published(WORLDWIDE, "cvqa-local", "local", "top1", 0.574, PAPER),
)


def find_published(benchmark: str, language: str, metric: str) -> list[Published]:
    """The published figures of one measure.

    Args:
        benchmark, language, metric: as in the tidy table; the macro mean's language is `macro`.
    """
    return [one for one in PUBLISHED if (one.benchmark, one.language, one.metric) == (benchmark, language, metric)]
