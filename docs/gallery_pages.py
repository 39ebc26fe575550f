"""Hook of mkdocs: the executed notebooks of reports/ as pages, with their figures, and a page that lists them.

The notebooks are those of the last `make repro` in this checkout. Without one, the page says how to get them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / "reports"
PAGE = "gallery.md"
#: Stages with a notebook per arm; the recipe's arm stands for all of them.
PER_ARM = ("4_train", "5_evaluate")
RECIPE_ARM = "large-worldwide-scaled"
#: Scripts that nbconvert would load from the network; no figure of ours needs them.
SCRIPTS = (
    "require_js_url",
    "jquery_url",
    "mathjax_url",
    "mermaid_js_url",
    "mermaid_layout_elk_js_url",
    "widget_renderer_url",
)

EMPTY = """# Gallery

No notebook was executed in this checkout yet. `make repro` executes all seven, and `make docs` then shows them here.
"""
OPENING = """# Gallery

The study's notebooks as the last `make repro` of this checkout executed them, with every figure. Of the stages that run
once per arm, the recipe's arm is shown.
"""


def on_files(files: Files, config: Any) -> Files:
    """Add the gallery and its notebooks."""
    executed = find_executed()
    files.append(File.generated(config, PAGE, content=write_page(executed)))
    for path in executed:
        files.append(File.generated(config, f"gallery/{path.stem}.html", content=to_html(path)))
    return files


def find_executed(reports: Path = REPORTS) -> list[Path]:
    """The executed notebooks to show, in the order of the study."""
    found = sorted(reports.glob("*.ipynb"))
    shown = {f"{stage}.{RECIPE_ARM}" for stage in PER_ARM}
    return [path for path in found if path.stem.partition(".")[0] not in PER_ARM or path.stem in shown]


def write_page(executed: list[Path]) -> str:
    """The gallery's own page, in Markdown."""
    if not executed:
        return EMPTY
    lines = [f"- [{read_title(path)}](gallery/{path.stem}.html)" for path in executed]
    return OPENING + "\n" + "\n".join(lines) + "\n"


def read_title(path: Path) -> str:
    """A notebook's heading, or its name where it has none."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    lines = [line for cell in cells if cell["cell_type"] == "markdown" for line in "".join(cell["source"]).splitlines()]
    return next((line.removeprefix("# ") for line in lines if line.startswith("# ")), path.stem)


def to_html(path: Path) -> str:
    """A notebook as one HTML page that loads nothing from the network."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="lab", sanitize_html=False, **dict.fromkeys(SCRIPTS, ""))
    return str(exporter.from_filename(str(path))[0])
