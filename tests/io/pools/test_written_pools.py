"""Pools as the real libraries write them, curated by the command: docs/pools.md holds what comes out.

The libraries are in an environment of their own, which `make writers` makes; what it would write is skipped without it.
"""

from __future__ import annotations

import pytest

from tests.io.pools.curations import BEGIN, END, PAGE, Curations, Outcome, table_row
from tests.io.pools.layouts import APART, LAYOUTS, PYTHON, WITHOUT, Layout
from tests.io.pools.written import ALL, DRAWING_OF, LANGUAGE_OF, expect_steps


@pytest.fixture(scope="module")
def curations(tmp_path_factory: pytest.TempPathFactory) -> Curations:
    return Curations(tmp_path_factory.mktemp("written pools"))


@pytest.fixture(params=LAYOUTS, ids=lambda layout: layout.title)
def layout(request: pytest.FixtureRequest) -> Layout:
    if request.param.writer in APART and not PYTHON.exists():
        pytest.skip(WITHOUT)
    return request.param


def test_a_layout_ends_as_it_should_and_keeps_what_was_written(layout: Layout, curations: Curations) -> None:
    found = curations.of(layout)
    assert found.status == layout.status, found.message
    assert [part for part in layout.says if part not in found.message] == []
    assert layout.says or not found.message or not layout.images
    if layout.rows:
        check(layout, found.remedied if layout.remedy else found)
    assert table_row(layout, found) in block(), "docs/pools.md says something else: `make pools` writes it anew"


def check(layout: Layout, found: Outcome | None) -> None:
    """That all that was written is accounted for, and of each image one text is kept, in its language."""
    assert found is not None and found.kept is not None and found.status != 2
    assert found.steps == expect_steps(layout.rows, layout.lost)
    whose = {text: row.whose for row in layout.rows for text in row.texts if text in LANGUAGE_OF}
    texts = found.kept["alt_text"].to_pylist()
    assert sorted(whose[text] for text in texts) == sorted(set(whose.values()))
    assert found.kept["language"].to_pylist() == [LANGUAGE_OF[text] for text in texts]
    assert len(set(found.kept["pair_id"].to_pylist())) == len(texts)
    assert (found.images is not None) is layout.images, found.message
    for text, image in (found.images or {}).items():
        assert image == DRAWING_OF[text].content, text
    assert found.images is None or found.images.keys() == set(texts)


def block() -> list[str]:
    """The lines of the page between its marks."""
    return PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].splitlines()


def test_the_page_has_a_line_for_each_layout_and_no_other() -> None:
    lines = [line for line in block() if line.startswith("| ")]
    assert len(lines) == len(LAYOUTS) + 4  # and head and rule of both tables
    assert len({layout.title for layout in LAYOUTS}) == len(LAYOUTS)


def test_what_is_written_can_be_told_apart() -> None:
    texts = [text for drawing in ALL for text in drawing.texts if text is not None]
    assert len(set(texts)) == len(texts) and len({drawing.sha256 for drawing in ALL}) == len(ALL)
    assert len(LANGUAGE_OF.keys() & set(texts)) == len(texts) - 2  # the blanks and the file's name
