"""Links, commands and names in README and docs/ lead somewhere."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mc2lib.commands.command_line import parse_arguments
from tests.conftest import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as Markdown renderers make them."""
    headings = re.findall(r"^#+ (.+)$", read(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    dead = []
    for link in LINK.findall(read(page)):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = page.parent / target if target else page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            dead.append(link)
    assert not dead


def test_every_page_is_in_the_sites_navigation() -> None:
    nav = YAML(typ="safe", pure=True).load(read(ROOT / "mkdocs.yml"))["nav"]
    listed = {page for entry in nav for page in ([entry] if isinstance(entry, str) else next(iter(entry.values())))}
    elsewhere = {"contributing.md", "changelog.md", "results.md", "gallery.md"}  # of the hooks in docs/
    assert listed - elsewhere == {page.name for page in DOCS.glob("*.md")}


def commands(text: str) -> list[list[str]]:
    """The command lines of `python -m mc2lib` and `mc2lib` in a page, without their comments."""
    found = re.findall(r"python -m mc2lib (?!COMMAND)([^`\n]*)", text)
    return [shlex.split(line.split(" #")[0].rstrip(",;.")) for line in found]


CURRENT = [page for page in PAGES if page.name not in ("log.md", "CHANGELOG.md")]


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: page.name)
def test_every_command_parses(page: Path) -> None:
    for command in commands(read(page)):
        if "…" not in " ".join(command) and "--help" not in command:
            parse_arguments(command)


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: page.name)
def test_every_make_target_is_there(page: Path) -> None:
    targets = set(re.findall(r"(?:`|^|; do )make ([a-z]+)", read(page), re.MULTILINE))
    makefile = read(ROOT / "Makefile")
    assert not [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)]


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: page.name)
def test_every_name_of_the_library_is_there(page: Path) -> None:
    text = read(page)
    names = set(re.findall(r"(?<![.\w])mc2lib(?:\.[a-z_]\w*)+", text))
    names |= {f"{module}.{name.strip()}" for module, imported in re.findall(
        r"from (mc2lib[.\w]+) import ([\w, ]+)", text
    ) for name in imported.split(",")}  # fmt: skip
    assert not [name for name in names if not is_there(name)]


def is_there(name: str) -> bool:
    """Whether a dotted name is a module or something in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: page.name)
def test_every_path_of_the_repository_is_there(page: Path) -> None:
    """Paths in code spans, such as `mc2lib/io/pools/` and `tests/oracles/`."""
    paths = re.findall(r"`((?:mc2lib|tests|docs|scales|notebooks|examples|benchmarks)/[\w./-]*)`", read(page))
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_dead_links_and_names_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[a](gone.md) [b](#there) [c](#gone)\n\n# There\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=re.escape("['gone.md', '#gone']")):
        test_every_link_within_the_repository_leads_somewhere(page)
    assert is_there("mc2lib.io.files.atomic") and not is_there("mc2lib.io.files.atomically")
    assert not is_there("mc2lib.effects")


def test_the_glossary_defines_every_term_once() -> None:
    terms = re.findall(r"^- \*\*(.+?)\*\*: ", read(DOCS / "glossary.md"), re.MULTILINE)
    assert len(terms) == len(set(terms)) > 40
    told = " ".join(terms).lower()
    field = [
        "metadata",
        "entry",
        "alt-text",
        "pool",
        "shard",
        "head",
        "tail",
        "`t`",
        "`p`",
        "tower",
        "zero-shot",
        "recall@k",
        "funnel",
        "provenance",
    ]
    field += ["keep probability", "seen pairs", "logit scale", "deduplication", "decontamination"]
    assert not [term for term in field if term not in told]
