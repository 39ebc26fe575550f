"""The digest of code: an edit that can change a result changes it, one that cannot does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from mc2lib.errors import InputError
from mc2lib.io.code_digest import code_digest

SOURCE = '''"""A module."""

RATE = 0.5  # of learning


def step(x: float) -> float:
    """One step."""
    return x - RATE * x
'''


def digest_of(folder: Path, text: str) -> str:
    """The digest of a package whose one module holds `text`."""
    package = folder / str(len(list(folder.iterdir())))
    (package / "training").mkdir(parents=True)
    (package / "training" / "steps.py").write_text(text, encoding="utf-8")
    return code_digest("training", package=package)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""One step."""', '"""Another word."""'),
        ('"""A module."""\n', ""),
        ("  # of learning", ""),
        ("\n\n\n", "\n"),
        ('    """One step."""\n', "    # no docstring\n"),
    ],
)
def test_docstrings_comments_and_blank_lines_keep_it(tmp_path: Path, old: str, new: str) -> None:
    assert old in SOURCE
    assert digest_of(tmp_path, SOURCE) == digest_of(tmp_path, SOURCE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"), [("0.5", "0.25"), ("x - RATE", "x + RATE"), ("0.5", "'0.5'"), ("float:", "int:")]
)
def test_code_changes_it(tmp_path: Path, old: str, new: str) -> None:
    assert old in SOURCE
    assert digest_of(tmp_path, SOURCE) != digest_of(tmp_path, SOURCE.replace(old, new))


def test_it_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such module"):
        code_digest("training", package=tmp_path)


def test_order_and_repeats_do_not_matter() -> None:
    assert code_digest("trainer", "hashing") == code_digest("hashing", "trainer", "hashing")
