"""The site of `make docs`: built strictly, whole, and without a word to the network."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from tests.conftest import ROOT, run

pytest.importorskip("mkdocs", reason="`make docs` installs it")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = run("-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_and_every_room_is_there(site: Path) -> None:
    pages = {f"{page.stem}.html" for page in (ROOT / "docs").glob("*.md")}
    assert pages | {"contributing.html", "changelog.html", "results.html", "gallery.html"} <= {
        page.name for page in site.glob("*.html")
    }
    rooms = {path.parent for path in (ROOT / "mc2lib").rglob("*.py") if path.stem != "__init__"}
    names = {".".join(room.relative_to(ROOT / "mc2lib").parts) or "ground" for room in rooms} - {"commands"}
    assert names == {page.stem for page in (site / "api").glob("*.html")}


def test_the_api_shows_what_docstrings_say(site: Path) -> None:
    page = (site / "api" / "recipe.curation.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", "", page)
    assert "threshold_for_share" in text and "The cumulative shares are 0.01, 0.03, 0.06 and 1." in text
    assert "_draw_least" not in text  # not public


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?https?:|<link[^>]*rel=\"?stylesheet[^>]*https?:")
    assert not [page for page in site.rglob("*.html") if loaded.search(page.read_text(encoding="utf-8"))]


def test_the_report_shows_its_figures(site: Path) -> None:
    page = (site / "results.html").read_text(encoding="utf-8")
    shown = re.findall(r'<img[^>]*src="([^"]+)"', page)
    assert "figures/headline.png" in shown
    assert not [image for image in shown if not (site / image).exists()]


def load_hook(name: str) -> ModuleType:
    """A module of docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook


def test_the_gallery_shows_executed_notebooks_and_loads_nothing(tmp_path: Path) -> None:
    gallery = load_hook("gallery_pages")
    assert "make repro" in gallery.write_page([])
    for name in ("0_pool", "4_train.raw", "4_train.large-worldwide-scaled"):
        output = nbformat.v4.new_output("stream", text="three\nlines\nof output\n")
        cells = [nbformat.v4.new_markdown_cell(f"# Title of {name}"), nbformat.v4.new_code_cell("1", outputs=[output])]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
    shown = gallery.find_executed(tmp_path)
    assert [path.stem for path in shown] == ["0_pool", "4_train.large-worldwide-scaled"]
    assert "- [Title of 0_pool](gallery/0_pool.html)" in gallery.write_page(shown)
    page = gallery.to_html(shown[0])
    assert "of output" in page and not re.search(r"<(?:script|link|img)[^>]*(?:src|href)=\"https?:", page)


@pytest.fixture(scope="module")
def translated() -> Callable[[str, str], str]:
    """What a page of some folder says once it is on the site."""
    translate: Callable[[str, str], str] = load_hook("site_pages").translate_page
    return translate


@pytest.mark.parametrize(
    ("folder", "markdown", "wanted"),
    [
        ("docs", "[a](study.md#commands)", "[a](study.md#commands)"),
        ("docs", "[a](../CONTRIBUTING.md)", "[a](contributing.md)"),
        ("docs", "[`params.yaml`](../params.yaml) asks", "`params.yaml` asks"),
        ("", "[log](docs/log.md)", "[log](log.md)"),
        ("", "[`mc2lib/`](mc2lib)", "`mc2lib/`"),
        ("docs", "[paper](https://arxiv.org/abs/2507.22062)", "[paper](https://arxiv.org/abs/2507.22062)"),
        ("results", "![figure](figures/headline.png)", "![figure](figures/headline.png)"),
        ("docs", "![pool](../results/figures/pool.png)", "![pool](figures/pool.png)"),
    ],
)
def test_links_are_translated(translated: Callable[[str, str], str], folder: str, markdown: str, wanted: str) -> None:
    assert translated(markdown, folder) == wanted
