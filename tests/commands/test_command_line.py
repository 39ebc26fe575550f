"""Every command says what it does, and each starts where it should."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

import mc2lib
from mc2lib.commands.command_line import COMMANDS, main, make_parser
from tests.conftest import ROOT, run

#: Commands of the study alone; all others work in any folder.
OF_THE_STUDY = {
    "repro", "arms", "arm", "prepare", "clean", "smoke", "trial", "plan", "readme", "lab", "notebook",
}  # fmt: skip


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The parser of each command."""
    (commands,) = [action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction)]
    yield from commands.choices.items()


def unexplained(parser: argparse.ArgumentParser) -> list[str]:
    """The options of a parser without a text of at least two words."""
    return [action.dest for action in parser._actions if len((action.help or "").split()) < 2]


@pytest.mark.parametrize(("name", "parser"), list(parsers()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_and_option_is_explained(name: str, parser: argparse.ArgumentParser) -> None:
    assert parser.description and parser.description.endswith(".") and parser.description[0].isupper()
    assert unexplained(parser) == []
    example = COMMANDS[name].example.split()
    assert example[:2] == ["mc2lib", name], "each command's help ends with an example"
    assert COMMANDS[name].example in parser.format_help()
    options = [word for word in example if word.startswith("--") and word != "--"]
    known = {option for action in parser._actions for option in action.option_strings}
    assert name == "lab" or set(options) <= known


def test_the_walk_sees_an_option_without_text() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bare")
    assert unexplained(parser) == ["bare"]


def test_commands_for_a_pool_need_no_study() -> None:
    assert {name for name, command in COMMANDS.items() if command.needs_study} >= OF_THE_STUDY
    assert {"metadata", "curate", "explain", "train", "export", "evaluate"} <= {
        name for name, command in COMMANDS.items() if not command.needs_study
    }


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"mc2lib {mc2lib.__version__}\n"


def test_a_command_of_the_study_says_where_to_run(tmp_path: Path) -> None:
    done = run("-m", "mc2lib", "arms", cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 2 and "no params.yaml here or above. Run from inside the study's folder." in done.stderr
