"""The command line: `python -m mc2lib COMMAND`, or `mc2lib COMMAND` where the package is installed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import mc2lib
from mc2lib.commands.evaluation_commands import EVALUATION_COMMANDS
from mc2lib.commands.model_commands import MODEL_COMMANDS
from mc2lib.commands.pool_commands import POOL_COMMANDS
from mc2lib.commands.study_commands import STUDY_COMMANDS
from mc2lib.errors import InputError

#: Every command, by name.
COMMANDS = {
    command.name: command for command in (*STUDY_COMMANDS, *POOL_COMMANDS, *EVALUATION_COMMANDS, *MODEL_COMMANDS)
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        its exit status: 0 done, 1 failed, 2 the input cannot be used, 3 done without the shards that
        could not be read, or without the benchmarks that are not here.
    """
    options = parse_arguments(arguments)
    try:
        return run(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:  # a stage failed; its own output says more
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the next run continues", file=sys.stderr)
        return 130


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line as options; exits with 2 and the usage if it is not one."""
    parser = argparse.ArgumentParser(prog="mc2lib", description="The MetaCLIP 2 recipe that anyone can run.")
    parser.add_argument("--version", action="version", version=f"mc2lib {mc2lib.__version__}")
    parsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS.values():
        command.add_arguments(parsers.add_parser(command.name, help=command.help, description=command.help))
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> int:
    """Run the command that `options` names; returns its exit status."""
    from mc2lib.engine.kernels import forget_stale_kernels
    from mc2lib.io.config import find_root

    root = find_root().resolve()
    forget_stale_kernels(Path(mc2lib.__file__).parent)
    return COMMANDS[options.command].run(root, options)
