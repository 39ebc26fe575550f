"""Each layout of docs/pools.md curated by the command, and the tables of what came out.

`make pools` writes the tables, `python -m tests.io.pools.curations`.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mc2lib.commands.command_line import main
from mc2lib.io.files import atomic
from tests.conftest import ROOT
from tests.io.pools.layouts import APART, PYTHON, READ, REFUSED, Layout, Workshop
from tests.io.pools.written import write_lists

PAGE = ROOT / "docs" / "pools.md"
BEGIN = "<!-- tables: written by `make pools`, do not edit -->"
END = "<!-- end of tables -->"


@dataclass(frozen=True)
class Outcome:
    """What became of a pool.

    Args:
        status: exit status of `curate`.
        message: its last words where it is not 0, or those of `export`, without this machine's paths.
        said: the same, as it was printed.
        steps: what each step of the table adds or takes, zeros left out.
        kept: the curated pairs.
        images: by text the image that `export` gives.
        remedied: what became of it after what the message asks for.
    """

    status: int
    message: str = ""
    said: str = ""
    steps: dict[str, int] | None = None
    kept: pa.Table | None = None
    images: dict[str, bytes] | None = None
    remedied: Outcome | None = None


class Curations:
    """Curates layouts, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shop = Workshop(folder)
        self.lists = write_lists(folder / "lists")
        self.done: dict[str, Outcome] = {}

    def of(self, layout: Layout) -> Outcome:
        """Write a layout and curate it; where it is refused, do as the message says and curate that."""
        if layout.title not in self.done:
            work = self.folder / f"layout-{len(self.done)}"
            work.mkdir()
            layout.write(work / "written", self.shop)
            first = self._curate(work / "written", work)
            remedied = self._remedy(layout, first, work) if layout.remedy else None
            self.done[layout.title] = replace(first, remedied=remedied)
        return self.done[layout.title]

    def _curate(self, pool: Path, work: Path, *options: str) -> Outcome:
        out = Path(tempfile.mkdtemp(dir=work))
        asked = ["--metadata", str(self.lists), "--processes", "1", "--t-en", "1000", *options]
        status, said, error = command("curate", str(pool), "--out", str(out / "out"), *asked)
        if status == 2:
            return Outcome(status, _without_paths(error, work), error)
        kept = [pq.read_table(path) for path in sorted((out / "out" / "isolated" / "curated" / "0").rglob("*.parquet"))]
        told, images = self._export(pool, out, options)
        message = told or (said.strip().splitlines()[-1] if status else "")
        return Outcome(
            status,
            _without_paths(message.replace(str(out / "out"), "OUT"), work),
            message,
            read_steps(out / "out"),
            pa.concat_tables(kept, promote_options="default"),
            images,
        )

    def _export(self, pool: Path, out: Path, options: Sequence[str]) -> tuple[str, dict[str, bytes] | None]:
        """What `export` says against it, and the images that it gives."""
        asked = [
            "--out",
            str(out / "out"),
            "--as",
            "webdataset",
            "--to",
            str(out / "tars"),
            "--processes",
            "1",
            *options,
        ]
        status, _, error = command("export", str(pool), *asked)
        return (error, None) if status else ("", read_exported(out / "tars"))

    def _remedy(self, layout: Layout, refusal: Outcome, work: Path) -> Outcome:
        if layout.remedy == "text":
            return self._curate(work / "written", work, "--text", re.findall(r"--text (\w+)", refusal.message)[0])
        line = re.findall(r"mkdir pool && .*", refusal.said)[0]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        subprocess.run(line, shell=True, check=True, cwd=work, env=os.environ | {"PATH": path})
        return self._curate(work / "pool", work)


def command(*arguments: str) -> tuple[int, str, str]:
    """Exit status, output and error of `python -m mc2lib`, in this process."""
    out, error = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(error):
        status = main(arguments)
    return status, out.getvalue(), error.getvalue()


def _without_paths(message: str, work: Path) -> str:
    places = {work / "written": "POOL", work.parent / "drawings": "ELSEWHERE"}
    for place, name in places.items():  # a path with a space is quoted in a command
        message = message.replace(f"'{place}'", name).replace(str(place), name)
    return " ".join(message.split())


def read_steps(out: Path) -> dict[str, int]:
    """The step table as `expect_steps` tells it."""
    table = pq.read_table(out / "isolated" / "steps.parquet").to_pylist()
    steps = {row["step"]: row["left"] if row["step"] == "kept" else row["change"] for row in table}
    lost = steps.pop("language without metadata", 0) + steps.pop("no entry matched", 0)
    return {step: change for step, change in (steps | {"matches nothing": lost}).items() if change}


def read_exported(folder: Path) -> dict[str, bytes]:
    """By its text the image of each pair of exported tars."""
    members: dict[str, dict[str, bytes]] = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                held = tar.extractfile(member)
                assert held is not None
                members.setdefault(member.name.split(".")[0], {})[member.name.split(".")[1]] = held.read()
    return {sample["txt"].decode(): sample["jpg"] for sample in members.values()}


# ---------------------------------------------------------------------- the page


@cache
def writer_name(writer: str) -> str:
    """A writer with its version."""
    if writer in APART:
        asked = f"import importlib.metadata as m; print(m.version({writer!r}))"
        return f"{writer} {subprocess.run([PYTHON, '-c', asked], capture_output=True, text=True).stdout.strip()}"
    return writer if " " in writer else f"{writer} {version(writer)}"


def table_row(layout: Layout, outcome: Outcome) -> str:
    """A layout's line: in the first table if it is read, else in the second."""
    cells = [layout.name, writer_name(layout.writer)]
    if layout in READ:
        assert outcome.steps is not None
        numbers = [str(abs(sum(outcome.steps.get(step, 0) for step in steps))) for steps in COLUMNS.values()]
        return _line([*cells, *numbers, "yes" if outcome.images else "no"])
    after = outcome.remedied or outcome
    message = f"`` {outcome.message.removeprefix('error: ')} ``"
    return _line([*cells, str(outcome.status), message, str(after.steps["kept"]) if after.steps else ""])


#: What the first table counts, and the steps of `expect_steps` that it is made of.
COLUMNS = {
    "rows read": ("rows of the pool",),
    "texts": ("rows of the pool", "further texts of a row"),
    "not downloaded": ("not downloaded",),
    "without text": ("no text", "empty text"),
    "no entry matched": ("matches nothing",),
    "image drew another": ("image drew another text",),
    "kept": ("kept",),
}


def _line(cells: Sequence[str]) -> str:
    """A line of a table; a bar in a cell would begin the next one."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


HEADS = (
    ["layout", "written by", *COLUMNS, "images"],
    ["layout", "written by", "exit status", "message", "kept in the end"],
)


def tables(curations: Curations) -> str:
    """Both tables."""
    parts = []
    for head, layouts in zip(HEADS, (READ, REFUSED), strict=True):
        rows = [table_row(layout, curations.of(layout)) for layout in layouts]
        parts.append("\n".join([_line(head), _line(["---"] * len(head)), *rows]))
    return "\n\n".join(parts)


def write_page(block: str) -> None:
    """Put the tables between the page's marks."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    with atomic(PAGE) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n\n{block}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp())
    try:
        write_page(tables(Curations(place)))
    finally:
        shutil.rmtree(place)
