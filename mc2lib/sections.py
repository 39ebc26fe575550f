"""Frozen dataclasses from plain mappings, strictly: what a YAML or JSON file holds, or an error that names the key.

A dataclass that defines `check(place)` is asked, once it is built, whether its values fit: ranges, sums, and names
that must be defined elsewhere.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from mc2lib.errors import InputError, nearest

Section = TypeVar("Section")


def build(kind: type[Section], content: Mapping[str, Any], place: str) -> Section:
    """A dataclass from a mapping.

    Args:
        kind: the dataclass; its fields may be dataclasses, Literals, unions, tuples, dicts and scalars.
        content: one entry per field; fields with a default may be left out.
        place: of the mapping, for the error: a file and a key.

    Raises:
        InputError: a key is unknown, missing or mistyped, or a value does not fit.
    """
    built: Section = _build(kind, content, place)
    return built


def require_positive(place: str, **numbers: float) -> None:
    """Refuse a number that is not above zero, or not finite.

    Args:
        place: of the section that holds them.
        numbers: by key.

    Raises:
        InputError: names the first such key.
    """
    for name, number in numbers.items():
        if not 0 < number < float("inf"):  # not `number <= 0`, which NaN passes
            raise InputError(f"{place}.{name}", f"{number} is not above zero", "Correct the number.")


def require_share(place: str, **shares: float) -> None:
    """Refuse a share that is not in 0..1, 1 itself left out; arguments and error as of `require_positive`."""
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise InputError(f"{place}.{name}", f"{share:g} is not in 0..1", "Correct the share.")


def _build(kind: Any, value: Any, place: str) -> Any:
    """`value` as `kind` (a dataclass, Literal, union, tuple, dict or scalar), strictly."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, place)
    if origin is Literal:
        if value not in inner:
            raise InputError(place, f"'{value}' is not allowed", nearest(str(value), map(str, inner)))
        return value
    if origin in (types.UnionType, typing.Union):
        return _build_union(inner, value, place)
    if origin is tuple:
        if not isinstance(value, (list, tuple)) or not value:
            raise InputError(place, f"{value!r} is not a list", "Write a non-empty list.")
        return tuple(_build(inner[0], item, f"{place}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise InputError(place, f"{value!r} is not a mapping", "Write `name: value` lines.")
        return {str(name): _build(inner[1], item, f"{place}.{name}") for name, item in value.items()}
    return _build_scalar(kind, value, place)


def _build_dataclass(kind: Any, value: Any, place: str) -> Any:
    if isinstance(value, kind):  # a section that was built on its own
        return value
    if not isinstance(value, Mapping):
        raise InputError(place, f"{value!r} is not a mapping", "Write `key: value` lines.")
    hints = typing.get_type_hints(kind)
    for name in value:
        if name not in hints:
            raise InputError(place, f"unknown key '{name}'", nearest(str(name), hints))
    required = {
        f.name
        for f in dataclasses.fields(kind)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    for name in sorted(required - set(value)):
        raise InputError(place, f"key '{name}' is missing", "Add it to params.yaml or the scale's file.")
    built = kind(**{name: _build(hints[name], item, f"{place}.{name}") for name, item in value.items()})
    if hasattr(built, "check"):
        built.check(place)
    return built


def _build_union(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    for kind in kinds:
        if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
            return _build(kind, value, place)  # what is wrong inside it is said, not that it is neither
        try:
            return _build(kind, value, place)
        except InputError:
            continue
    wanted = " or ".join(str(getattr(kind, "__name__", kind)) for kind in kinds)
    raise InputError(place, f"{value!r} is neither {wanted}", "Correct the value.")


def _build_scalar(kind: Any, value: Any, place: str) -> Any:
    if kind is type(None) and value is not None:
        raise InputError(place, f"{value!r} is not empty", "Leave the key out.")
    if kind is Any or kind is type(None):
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(place, f"{value!r} is {type(value).__name__}, not {kind.__name__}", "Correct the value.")
    return kind(value) if kind in (int, float, str) else value  # plain, not the YAML reader's subclass
