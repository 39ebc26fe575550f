"""What Numba compiled and keeps beside the sources."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mc2lib.io.files import atomic


def forget_stale_kernels(package: Path) -> bool:
    """Remove what Numba compiled from sources that have changed since.

    Numba looks at the file of a function alone: it would go on with old code of another file that was compiled in.

    Args:
        package: a folder of Python files, whose `__pycache__` keeps what the code was compiled from.

    Returns:
        whether anything was stale. A folder that cannot be written to is left alone.
    """
    compiled = [path for path in package.rglob("*.nb[ic]") if path.parent.name == "__pycache__"]
    sources = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        if b"numba" in content:
            sources.update(path.relative_to(package).as_posix().encode() + b"\0" + content)
    note = package / "__pycache__" / "kernels.sha256"
    try:
        if note.exists() and note.read_text(encoding="utf-8") == sources.hexdigest():
            return False
        for path in compiled:
            path.unlink(missing_ok=True)
        with atomic(note) as temporary:
            temporary.write_text(sources.hexdigest(), encoding="utf-8")
    except OSError:  # of somebody else: Numba keeps its files elsewhere then
        return False
    return bool(compiled)
