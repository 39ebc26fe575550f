"""The Universal Declaration of Human Rights as running text."""

from __future__ import annotations

import html
import re
from pathlib import Path

from mc2lib.errors import InputError


def read_udhr(path: Path) -> list[str]:
    """Read the paragraphs of one UDHR text as plain text.

    Args:
        path: HTML file.

    Raises:
        InputError: there is no such file.
    """
    if not path.exists():
        raise InputError(str(path), "no such text", "Give the code of its language in mc2lib/languages.py.")
    found = re.findall(r"<p[^>]*>(.*?)</p>", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).split()) for text in found]
