"""Where a webdataset's texts stand, if not in `.txt` members or under the usual keys of `.json` ones."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mc2lib.io.tars import IMAGES, read_members, split_name

#: Names that stand for an alt-text in the field's pools.
LIKELY = ("caption", "text", "alt", "prompt", "description", "title")
#: Members of a tar that are looked at.
MEMBERS = 400
#: Characters of an example that a message shows.
SHOWN = 40


@dataclass(frozen=True)
class TextField:
    """Something in a sample that may hold its text.

    Args:
        name: a member's extension or a JSON key.
        kind: which of both.
        example: the first content that was met.
    """

    name: str
    kind: str
    example: str

    @property
    def like_text(self) -> bool:
        """Whether the example looks like words, rather than like a number, an address or a hash."""
        letters = sum(character.isalpha() for character in self.example)
        alone = " " not in self.example.strip()
        return letters * 2 > len(self.example) and "://" not in self.example and not (alone and len(self.example) > 30)

    def __str__(self) -> str:
        shown = self.example if len(self.example) <= SHOWN else self.example[:SHOWN] + "…"
        return f"{'.' if self.kind == 'member' else ''}{self.name} ({self.kind}, such as {shown!r})"


def find_fields(path: Path) -> list[TextField]:
    """What the first members of a tar hold beside images: extensions, and keys of JSON members with strings.

    Raises:
        InputError: the tar cannot be read.
    """
    found: dict[tuple[str, str], TextField] = {}
    members = read_members(path, lambda name: split_name(name)[1] not in IMAGES)
    for name, content in islice(members, MEMBERS):
        extension = split_name(name)[1]
        if content is None or not extension or extension in IMAGES:
            continue
        text = content.decode("utf-8", "replace")
        if extension == "json":
            fields = [TextField(key, "JSON key", value.strip()) for key, value in _strings(text)]
        else:
            fields = [TextField(extension, "member", text.strip())] if "\ufffd" not in text else []
        for field in fields:
            if field.example:
                found.setdefault((field.kind, field.name), field)
    return list(found.values())


def likely_fields(fields: Iterable[TextField]) -> list[str]:
    """The names among LIKELY that fields have, in the order of LIKELY."""
    names = {field.name for field in fields}
    return [name for name in LIKELY if name in names]


def tell_fields(fields: Sequence[TextField], among: Collection[str] = ()) -> str:
    """A sentence that names fields with an example each, those that look like text first."""
    chosen = [field for field in fields if not among or field.name in among]
    like = [str(field) for field in chosen if field.like_text]
    other = [str(field) for field in chosen if not field.like_text]
    parts = ([f"These look like text: {', '.join(like)}"] if like else []) + (
        [f"{'Others' if like else 'There'} are {', '.join(other)}"] if other else []
    )
    return ". ".join(parts) or "There is nothing beside images"


def _strings(content: str) -> list[tuple[str, str]]:
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return []
    if not isinstance(fields, dict):
        return []
    return [(key, value) for key, value in fields.items() if isinstance(value, str)]
