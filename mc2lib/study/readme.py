"""README's block of results, written from the files in results/."""

from __future__ import annotations

from pathlib import Path

from mc2lib.errors import InputError
from mc2lib.io.files import atomic
from mc2lib.params import Params
from mc2lib.reporting.headline import write_headline
from mc2lib.study.report import find_effects, read_controls, read_measures

#: What README's block of results stands between.
BEGIN = "<!-- results: written by `make readme` from results/, do not edit -->"
END = "<!-- end of results -->"


def write_readme(root: Path, params: Params) -> None:
    """Write README.md's block of results anew, and leave all else as it is.

    Args:
        root: the study's folder, with README.md and results/.
        params: the study's parameters.

    Raises:
        InputError: no arm was evaluated, a file is missing or broken, or README.md lacks the block's marks.
    """
    path = Path(root) / "README.md"
    text = replace_block(path.read_text(encoding="utf-8"), headline_block(root, params), str(path))
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def headline_block(root: Path, params: Params) -> str:
    """What stands between the marks: see `write_headline`.

    Raises:
        InputError: no arm was evaluated, or a file is missing or broken.
    """
    measures, controls = read_measures(root, params), read_controls(root)
    findings = find_effects(measures, controls)
    return write_headline(measures, controls, findings, params.table("main"))


def replace_block(text: str, block: str, place: str) -> str:
    """A text with another block between its marks.

    Args:
        text: of README.md.
        block: the new one.
        place: where the text came from, for the error.

    Raises:
        InputError: a mark is missing, stands twice, or the end comes first.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        fault = "its block of results is not marked"
        raise InputError(place, fault, f"Put the lines `{BEGIN}` and `{END}` around it.")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{block}\n{END}{rest.split(END)[1]}"
