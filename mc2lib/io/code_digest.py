"""A digest of the code that a stored result was computed by, so that an edit of it is seen."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from mc2lib.errors import InputError

PACKAGE = Path(__file__).parent.parent


def code_digest(*parts: str, package: Path = PACKAGE) -> str:
    """SHA-256 of the syntax trees of some modules, in hex.

    Docstrings, comments, blank lines and quotes are not part of it: whoever edits only those keeps the results.
    Python 3.11 to 3.13 give the same digest.

    Args:
        parts: dotted names of modules or of packages with all their modules, such as `training`,
            `trainer.rank`; their order does not matter.
        package: the folder of `mc2lib`.

    Raises:
        InputError: there is no such module.
    """
    return _digest_modules(tuple(sorted(set(parts))), package)


@lru_cache(maxsize=64)
def _digest_modules(parts: tuple[str, ...], package: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted({path for part in parts for path in _modules(part, package)}):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        digest.update(f"{path.relative_to(package).as_posix()}\n{''.join(_canonical(tree))}\n".encode())
    return digest.hexdigest()


def _modules(part: str, package: Path) -> list[Path]:
    place = package / part.replace(".", "/")
    found = [*place.rglob("*.py")] if place.is_dir() else [path for path in [place.with_suffix(".py")] if path.exists()]
    if not found:
        raise InputError(str(place), "no such module", "Name a module or package of mc2lib.")
    return found


def _canonical(node: Any) -> Iterator[str]:
    """A syntax tree as text, without docstrings; fields that are empty are left out, as Python versions add such."""
    if isinstance(node, ast.AST):
        yield f"({type(node).__name__}"
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                value = value[ast.get_docstring(node, clean=False) is not None :]
            if value is not None and value != [] and name not in ("kind", "type_comment"):
                yield f" {name}="
                yield from _canonical(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in node:
            yield from _canonical(item)
        yield "]"
    else:
        yield f"{type(node).__name__}:{node!r}"
