"""A search box over images: the same text in several languages next to each other, and an image's nearest texts."""

from __future__ import annotations

import html
from collections.abc import Sequence

import ipywidgets

from mc2lib.pipeline.search import ImageSearch, gallery_html, thumbnail


class ImageSearchBox:
    """Widgets over `ImageSearch`.

    Args:
        search: of the images.
        queries: to begin with, one per line: each line gets a row of images of its own.
        k: images of each text.
    """

    def __init__(self, search: ImageSearch, queries: Sequence[str] = ("a red heart", "ein rotes Herz"), k: int = 8):
        self.search = search
        layout = ipywidgets.Layout(width="640px")
        self.queries = ipywidgets.Textarea(
            "\n".join(queries), description="texts", rows=3, layout=layout, continuous_update=False
        )
        self.count = ipywidgets.IntSlider(k, min=1, max=24, description="images", continuous_update=False)
        self.image = ipywidgets.Dropdown(
            options=[(name, row) for row, name in enumerate(search.pictures.names[:1000])], description="image"
        )
        self.found = ipywidgets.HTML()
        self.texts = ipywidgets.HTML()
        self.queries.observe(self._find, "value")
        self.count.observe(self._find, "value")
        self.image.observe(self._find_texts, "value")
        self._find()
        self._find_texts()

    def show(self) -> ipywidgets.VBox:
        """The widgets, to be the last line of a cell."""
        return ipywidgets.VBox([self.queries, self.count, self.found, self.image, self.texts])

    def _find(self, _: object = None) -> None:
        queries = [line.strip() for line in self.queries.value.splitlines() if line.strip()]
        self.found.value = gallery_html(self.search, self.search.find(queries, self.count.value)) if queries else ""

    def _find_texts(self, _: object = None) -> None:
        found = self.search.find_texts(self.image.value)
        picture = thumbnail(self.search.pictures.contents[self.image.value])
        rows = "".join(f"<li>{hit.score:.2f} {html.escape(hit.text)}</li>" for hit in found.itertuples())
        self.texts.value = f'<img src="{picture}" alt=""><ol>{rows}</ol>'
