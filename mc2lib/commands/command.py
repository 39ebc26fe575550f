"""What a command is: a name, a line of help, its arguments, and a function that runs it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def takes_nothing(parser: argparse.ArgumentParser) -> None:
    """Add no argument: the command has none."""


@dataclass(frozen=True)
class Command:
    """One command of `python -m mc2lib`.

    Args:
        name: as it is typed.
        help: one line.
        run: gets the folder it works in and the parsed options; returns the exit status. It imports what it needs
            itself, so that a command starts without the libraries of the others.
        add_arguments: adds the command's arguments to its parser.
        example: how it is typed, shown under its help.
        needs_study: whether it works inside a study's folder only; others take the packaged parameters elsewhere.
    """

    name: str
    help: str
    run: Callable[[Path, argparse.Namespace], int]
    add_arguments: Callable[[argparse.ArgumentParser], None] = takes_nothing
    example: str = ""
    needs_study: bool = True
