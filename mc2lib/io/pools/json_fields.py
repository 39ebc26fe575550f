"""JSON of samples that are read one by one: their texts, and the fields that pools agree on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mc2lib.io.pools.standard_rows import COLUMNS, MORE_TEXTS, NSFW, TEXTS, mend_surrogates

if TYPE_CHECKING:
    pass


def read_fields(content: bytes, tally: Counter[str]) -> dict[str, Any]:
    """The JSON object in `content`; an empty one, counted, where there is none."""
    try:
        fields = json.loads(content.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        tally["mended: broken json left out"] += 1
        return {}
    return fields


def texts_in(fields: Mapping[str, Any], key: str | None, tally: Counter[str]) -> list[str]:
    """All texts of a sample's json, under one key or the usual ones: strings, lists of them, or of (name, text)."""
    named = [fields[name] for name in ((key,) if key else TEXTS) if fields.get(name)][:1]
    more = () if key else MORE_TEXTS
    found: dict[str, None] = {}
    for value in named or [fields[name] for name in more if fields.get(name)]:
        for text in value if isinstance(value, list) else [value]:
            text = text[1] if isinstance(text, list) and len(text) == 2 else text
            if isinstance(text, str):
                found[mend_surrogates(text, tally)] = None
    return list(found)


def standard_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `schemas.WEB` that a sample's JSON holds under one of their usual names, None where it has none."""
    lowered = {name.lower(): value for name, value in fields.items()}
    chosen: dict[str, Any] = {}
    for name, known in COLUMNS.items():
        value = next((lowered[k] for k in known if lowered.get(k) is not None), None)
        if name in ("uid", "url", "sha256", "source_language"):
            chosen[name] = None if value is None else mend_surrogates(str(value), Counter())
        elif name in ("width", "height"):
            chosen[name] = int(value) if isinstance(value, int | float) and abs(value) < 1 << 31 else None
        elif name == "nsfw":
            chosen[name] = NSFW.get(value) if isinstance(value, str) else _float(value)
        elif name == "similarity":
            chosen[name] = _float(value)
        elif name == "faces":
            chosen[name] = value if _are_boxes(value) else None
    return chosen


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e30 else None


def _are_boxes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(box, list) and all(_float(edge) is not None for edge in box) for box in value
    )
