"""Every example in a docstring of the library gives what it says."""

import doctest
import importlib

import pytest

from tests.conftest import ROOT

SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "mc2lib").rglob("*.py"))
}
MODULES = [name for name, source in SOURCES.items() if ">>> " in source]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_give_what_they_say(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name), raise_on_error=False)
    assert tried == SOURCES[name].count(">>> "), "an example is not found: its function is wrapped or compiled"
    assert not failed


def test_the_pure_functions_of_the_recipe_have_examples() -> None:
    assert len([name for name in MODULES if name.startswith("mc2lib.recipe.")]) >= 12
