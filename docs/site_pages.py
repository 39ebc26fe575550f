"""Hooks of mkdocs: pages that are not in docs/, and one page of the API per folder of mc2lib."""

from __future__ import annotations

import ast
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]

#: Pages of the site that are files elsewhere in the repository.
ELSEWHERE = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "results/report.md": "results.md"}
#: Pictures of the report.
FIGURES = "results/figures"
#: Folders that are no API: the command line is described by its own --help.
LEFT_OUT = {"commands"}

IMAGE = re.compile(r"!\[([^\]]*)\]\(([^):\s]+)\)")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Add the API's pages to the navigation."""
    config.nav.append({"API": list(api_pages())})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs/, the report's figures and the API's pages."""
    for source, page in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    for figure in sorted(path for path in (ROOT / FIGURES).glob("*") if path.suffix in (".png", ".svg")):
        files.append(File.generated(config, f"figures/{figure.name}", abs_src_path=str(figure)))
    for page, content in api_pages().items():
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links to pages of the site where there is one, and keep only the label of the others."""
    sources = {there: source for source, there in ELSEWHERE.items()}
    folder = posixpath.dirname(sources.get(page.file.src_uri, f"docs/{page.file.src_uri}"))
    return translate_page(markdown, folder)


def translate_page(markdown: str, folder: str) -> str:
    """A page of the repository as one of the site.

    Args:
        markdown: of the page.
        folder: of the page, from the repository's root.
    """
    shown = IMAGE.sub(lambda match: place_figure(match, folder), markdown)
    return LINK.sub(lambda match: translate(match, folder), shown)


def place_figure(match: re.Match[str], folder: str) -> str:
    """A picture of the repository as one of the site: the report's figures are in its folder figures/.

    Args:
        match: of `IMAGE`.
        folder: of the page, from the repository's root.
    """
    path = posixpath.normpath(posixpath.join(folder, match[2]))
    return f"![{match[1]}](figures/{posixpath.basename(path)})" if posixpath.dirname(path) == FIGURES else match[0]


def translate(match: re.Match[str], folder: str) -> str:
    """A link of the repository as one of the site.

    Args:
        match: of `LINK`.
        folder: of the page, from the repository's root.
    """
    label, target, anchor = match[1], match[2], match[3] or ""
    path = posixpath.normpath(posixpath.join(folder, target))
    if path in ELSEWHERE:
        return f"[{label}]({ELSEWHERE[path]}{anchor})"
    if path.startswith("docs/"):
        return f"[{label}]({path.removeprefix('docs/')}{anchor})"
    return label


def api_pages() -> dict[str, str]:
    """The API's pages by name: one per folder of mc2lib, with what its modules' docstrings say."""
    package = ROOT / "mc2lib"
    ground = [path for path in sorted(package.glob("*.py")) if not path.stem.startswith("_")]
    pages = {"api/ground.md": api_page("mc2lib", ground)}
    for init in sorted(package.rglob("__init__.py")):
        parts = init.parent.relative_to(package).parts
        modules = [path for path in sorted(init.parent.glob("*.py")) if path != init]
        if parts and modules and parts[0] not in LEFT_OUT:
            pages[f"api/{'.'.join(parts)}.md"] = api_page(f"mc2lib.{'.'.join(parts)}", modules)
    return pages


def api_page(name: str, modules: list[Path]) -> str:
    """The page of one folder.

    Args:
        name: of the folder, as it is imported.
        modules: the files of its modules.
    """
    folder = ROOT.joinpath(*name.split("."))
    purpose = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    parts = [f"# {name}", purpose]
    options = "options: { show_root_heading: false, show_root_toc_entry: false }"
    parts += [f"## {module.stem}\n\n::: {name}.{module.stem}\n    {options}" for module in modules]
    return "\n\n".join(parts) + "\n"
