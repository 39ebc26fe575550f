"""The one error this package raises for input it cannot use, and near-miss suggestions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used; the message names the place and the remedy.

    Args:
        place: file, key or column the fault is in.
        fault: what is wrong there.
        remedy: what the person should do about it.
    """

    def __init__(self, place: str, fault: str, remedy: str) -> None:
        super().__init__(f"{place}: {fault}. {remedy}")
        self.place, self.fault, self.remedy = place, fault, remedy

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook: where it failed says nothing to its reader, so the message alone."""
        return [f"{self.place}: {self.fault}. {self.remedy}"]

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        """What a worker process raises must reach the one that waits for it."""
        return type(self), (self.place, self.fault, self.remedy)


class RunError(InputError):
    """A fault of what all shards share, such as the disk: it ends the whole run, where others set one shard aside."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence naming the known word closest to `name`, or all of them if none is close."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Known: {', '.join(known)}."
