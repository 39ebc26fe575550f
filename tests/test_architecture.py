"""The architecture: what may import what, what a notebook may hold, what lies at the top, what DVC tracks."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from mc2lib.io.config import load_params
from mc2lib.params import CurationParams
from tests.conftest import ROOT

PACKAGE = ROOT / "mc2lib"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXPLORE = sorted((ROOT / "notebooks" / "explore").glob("*.ipynb"))

#: Rooms from the bottom up; a module imports only modules of lower rooms, and of its own.
ROOMS = [
    {"__init__"},
    {"errors"},
    {"hashing", "languages", "schemas", "sections"},
    {"params"},
    {"recipe"},
    {"reporting"},
    {"io"},
    {"engine"},
    {"trainer"},
    {"pipeline"},
    {"study"},
    {"commands"},
    {"__main__"},
]
LEVEL = {part: level for level, parts in enumerate(ROOMS) for part in parts}

#: What touches the world: nothing below io imports it (np.random and open() are looked for apart).
WORLDLY = {
    "asyncio", "datetime", "fcntl", "glob", "http", "io", "multiprocessing", "os", "pathlib", "psutil", "random",
    "requests", "secrets", "shutil", "signal", "socket", "subprocess", "sys", "tempfile", "threading", "time", "urllib",
    "uuid", "concurrent", "filelock", "dvc", "papermill",
}  # fmt: skip
TORCH = {"torch", "open_clip", "timm", "torchvision"}

NAMES_NOT_USED = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "tools", "base"}


def part_of(path: Path) -> str:
    """The part of the package that a module belongs to: its folder or its own name."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path) -> set[str]:
    """Every module name that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_rooms(path: Path) -> None:
    part = part_of(path)
    assert part in LEVEL, f"no room is called {part}"
    for name in imports(path):
        words = name.split(".")
        if words[0] != "mc2lib" or len(words) < 2 or words[1] not in LEVEL:
            continue
        assert words[1] == part or LEVEL[words[1]] < LEVEL[part], f"{path.name} imports {name}"


@pytest.mark.parametrize(
    "path", [p for p in MODULES if LEVEL.get(part_of(p), 0) < LEVEL["io"]], ids=lambda p: str(p.relative_to(ROOT))
)
def test_nothing_below_io_touches_the_world(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path)}
    assert not roots & WORLDLY
    assert "training" in path.parts or not roots & TORCH
    text = path.read_text(encoding="utf-8")
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"open", "print", "input", "exec", "eval"}
    assert "np.random" not in text and "pickle" not in text


def test_layer_test_sees_a_breach(tmp_path: Path) -> None:
    breach = tmp_path / "breach.py"
    breach.write_text("from mc2lib.io import files\nimport os.path\n")
    assert {"mc2lib.io", "mc2lib.io.files", "os.path"} == imports(breach)


def test_no_module_is_named_for_nothing() -> None:
    assert not [path for path in MODULES if {path.stem, path.parent.name} & NAMES_NOT_USED]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_everything_public_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "no module docstring"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"
            assert len((ast.get_docstring(node) or "").strip()) > 10, f"{node.name}'s docstring says nothing"
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            arguments = [*node.args.args, *node.args.kwonlyargs]
            assert node.returns is not None and all(argument.annotation for argument in arguments), node.name


# ---------------------------------------------------------------------- sizes and names

MOST_LINES = 450
MOST_MODULES = 15
#: Modules longer than that which are still to be split, each by whoever rebuilds its room. Empty this set.
TO_SPLIT: set[str] = set()


def name_of(path: Path) -> str:
    """A module's place in the package, such as `io/files.py`."""
    return path.relative_to(PACKAGE).as_posix()


def long_modules(paths: list[Path]) -> set[Path]:
    """The modules of more than MOST_LINES lines."""
    return {path for path in paths if len(path.read_text(encoding="utf-8").splitlines()) > MOST_LINES}


def crowded_folders(paths: list[Path]) -> set[Path]:
    """The folders of more than MOST_MODULES modules; `__init__.py` is none."""
    counted = Counter(path.parent for path in paths if path.stem != "__init__")
    return {folder for folder, modules in counted.items() if modules > MOST_MODULES}


def repeated_names(paths: list[Path]) -> set[str]:
    """The names that two modules have."""
    counted = Counter(path.stem for path in paths if path.stem != "__init__")
    return {name for name, modules in counted.items() if modules > 1}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Some modules that import each other in a circle; none if there is no circle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_is_long_no_folder_crowded_and_no_name_taken_twice() -> None:
    assert {name_of(path) for path in long_modules(MODULES)} <= TO_SPLIT
    assert crowded_folders(MODULES) == set()
    assert repeated_names(MODULES) == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in MODULES}
    assert circle({name: imports(path) & known.keys() for name, path in known.items()}) == []


def test_size_tests_see_a_breach(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    paths = [tmp_path / f"m{number}.py" for number in range(MOST_MODULES + 1)] + [tmp_path / "other" / "m3.py"]
    for path in paths:
        path.write_text("x = 1\n" * MOST_LINES, encoding="utf-8")
    assert not long_modules(paths) and crowded_folders(paths) == {tmp_path} and repeated_names(paths) == {"m3"}
    paths[0].write_text("x = 1\n" * (MOST_LINES + 1), encoding="utf-8")
    assert long_modules(paths) == {paths[0]} and not crowded_folders(paths[1:])
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


# ---------------------------------------------------------------------- messages

#: Commands of one product. Rooms below study and pipeline serve both, so their callers name the remedy.
COMMANDS = re.compile(r"dvc repro|make repro|make curate")
#: Modules below that name one all the same: each is to take its remedy from its caller. README's own text may.
NAME_A_COMMAND = {
    "io/curated_pool.py", "io/files.py", "io/match_store.py", "reporting/headline.py",
}  # fmt: skip


def said(code: str) -> list[str]:
    """The strings of some code that are not docstrings."""
    tree = ast.parse(code)
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    docstrings = {
        id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, kinds) and ast.get_docstring(node)
    }
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings)
    return [node.value for node in strings if isinstance(node.value, str)]


@pytest.mark.parametrize(
    "path", [p for p in MODULES if LEVEL.get(part_of(p), 0) < LEVEL["pipeline"]], ids=lambda p: str(p.relative_to(ROOT))
)
def test_no_message_of_a_shared_room_names_a_product(path: Path) -> None:
    named = [text for text in said(path.read_text(encoding="utf-8")) if COMMANDS.search(text)]
    assert not named or name_of(path) in NAME_A_COMMAND, named


def test_message_test_sees_a_breach() -> None:
    code = 'def f():\n    """Made by `make curate`."""\n    raise InputError("a", f"{1} b", "Run `dvc repro pool`.")\n'
    assert [text for text in said(code) if COMMANDS.search(text)] == ["Run `dvc repro pool`."]


# ---------------------------------------------------------------------- notebooks


def read_notebook(path: Path) -> dict[str, Any]:
    """A notebook as JSON."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def source(cell: dict[str, Any]) -> str:
    """A cell's text."""
    return "".join(cell["source"])


def test_the_recipe_stands_in_the_folder() -> None:
    names = ["0_pool", "1_metadata", "2_match", "3_balance", "4_train", "5_evaluate", "6_ablation"]
    assert [path.stem for path in NOTEBOOKS] == names


NOT_IN_A_NOTEBOOK = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While, ast.AsyncFor, ast.If, ast.Try,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.BinOp, ast.AugAssign,
)  # fmt: skip


def faults(code: str) -> list[str]:
    """What a thin notebook must not hold, of a cell's code."""
    return [type(node).__name__ for node in ast.walk(ast.parse(code)) if isinstance(node, NOT_IN_A_NOTEBOOK)]


@pytest.mark.parametrize("path", [*NOTEBOOKS, *EXPLORE], ids=lambda p: p.stem)
def test_notebooks_are_thin(path: Path) -> None:
    notebook = read_notebook(path)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    cells = notebook["cells"]
    assert cells[0]["cell_type"] == "markdown" and source(cells[0]).startswith("# ")
    assert ("§" in source(cells[0]) and "?" in source(cells[0])) or path.stem == "0_pool", (
        "the paper's section and the question"
    )
    assert [cell["cell_type"] for cell in cells if "parameters" in cell["metadata"].get("tags", [])] == ["code"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None, "stored with outputs"
            assert faults(source(cell)) == [], source(cell)
            assert len(source(cell).splitlines()) <= 15, "a cell is one call, not a program"


@pytest.mark.parametrize(
    "code", ["def f():\n    pass", "for x in y:\n    pass", "a = b + 1", "[x for x in y]", "f(lambda x: x)"]
)
def test_thinness_test_sees_a_fault(code: str) -> None:
    assert faults(code)


# ---------------------------------------------------------------------- the folder

KNOWN = {
    ".ci", ".devcontainer", ".dockerignore", ".dvc", ".dvcignore", ".gitattributes", ".gitignore", ".jupyter",
    ".pre-commit-config.yaml", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "Dockerfile", "LICENSE", "Makefile",
    "README.md", "benchmarks", "docs", "dvc.lock", "dvc.yaml",
    "environment.yml", "examples", "mc2lib", "mkdocs.yml", "notebooks", "params.yaml", "pyproject.toml",
    "requirements.lock", "results", "scales", "sources", "tests",
}  # fmt: skip


def test_nothing_unknown_lies_at_the_top(tracked: list[Path]) -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked} <= KNOWN


#: Hosts of package registries, and absolute paths of some machine; written so that they do not match themselves.
FORBIDDEN = re.compile(
    r"(registry\.n[p]m|p[y]pi\.org|python[h]osted|n[p]mmirror|artifac[t]ory|huggingface\.co/(?!papers|docs)"
    r"|https?://\d+\.\d+|localhost:\d|(?<![\w.:/}])/(?:home|Users|root|work|mnt)/\w)"
)


def test_no_registry_and_no_machine_is_named(tracked: list[Path]) -> None:
    texts = [p for p in tracked if p.suffix not in {".png", ".parquet", ".tar", ".gz"}]
    found = {
        f"{p.relative_to(ROOT)}: {m.group(0)}"
        for p in texts
        for m in FORBIDDEN.finditer(p.read_text(encoding="utf-8", errors="replace"))
    }
    assert not found


@pytest.mark.parametrize(
    "text", ["see /home" + "/ann/x", '"resolved": "https://registry.' + 'npmjs.org/a"', "'/root" + "/x'"]
)
def test_forbidden_words_are_seen(text: str) -> None:
    assert FORBIDDEN.search(text)


# ---------------------------------------------------------------------- DVC


def stages() -> dict[str, Any]:
    """dvc.yaml's stages; those of `foreach` as their `do`."""
    content = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return {name: stage.get("do", stage) | {"foreach": stage.get("foreach")} for name, stage in content.items()}


def test_a_stage_is_a_notebook() -> None:
    of_stage = {name: stage["cmd"].split()[4] for name, stage in stages().items() if "notebook" in stage["cmd"]}
    assert list(of_stage.values()) == [path.stem for path in NOTEBOOKS]
    assert [path.stem.split("_")[1] for path in NOTEBOOKS] == list(of_stage)
    assert set(stages()) - set(of_stage) == {"sources"}
    for name, notebook in of_stage.items():
        assert f"notebooks/{notebook}.ipynb" in stages()[name]["deps"]


def test_arms_are_written_once() -> None:
    found = stages()
    assert found["train"]["foreach"] == found["evaluate"]["foreach"] == "${arms}"
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    assert not [name for name in load_params(ROOT).arms if re.search(rf"(?<![\w-]){name}(?![\w-])", text)]


def test_matching_runs_again_where_a_number_of_it_changes() -> None:
    """All of `curation` but the thresholds and what follows them shapes matches; balance tracks the section whole."""
    fields = {f"curation.{field.name}" for field in dataclasses.fields(CurationParams)}
    assert set(stages()["match"]["params"]) == {"seeds", "languages", *fields} - {
        "curation.t_en",
        "curation.equal_shares",
    }
    assert "curation" in stages()["balance"]["params"]


def test_no_stage_depends_on_the_machine_or_on_reports() -> None:
    for name, stage in stages().items():
        text = json.dumps({key: stage.get(key) for key in ("deps", "params", "outs", "metrics")})
        assert "machine" not in text and "reports" not in text, name


def test_all_that_shapes_results_is_a_parameter_of_some_stage() -> None:
    tracked_params: set[str] = set()
    of_scales: set[str] = set()
    for stage in stages().values():
        for entry in stage.get("params", []):
            if isinstance(entry, str):
                tracked_params.add(entry.split(".")[0])
            else:
                of_scales |= {key.split(".")[0] for keys in entry.values() for key in keys}
    study = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    # the scale is in the name of the file that is tracked; curate_pool is of no stage
    assert tracked_params == set(study) - {"machine", "scale", "curate_pool", "wikipedia"}
    for path in (ROOT / "scales").glob("*.yaml"):
        own = set(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))
        assert own <= of_scales, f"{path.name} sets what no stage tracks there"


#: Modules whose edits leave every result as it is: reading, writing, naming and drawing.
PLUMBING = {"errors", "params", "schemas", "sections", "io.config", "io.files", "io.study_paths", "engine.machine"}


#: Modules that a stage reaches through a file it shares with another stage, and does not call.
NOT_CALLED = {
    "metadata": ("hashing", "recipe.pool", "recipe.training"),  # it reads texts of the pool's sources and draws nothing
    "match": ("hashing", "recipe.metadata", "recipe.pool", "recipe.training"),
    "balance": ("recipe.metadata", "recipe.pool", "recipe.training"),
    "evaluate": ("recipe.evaluation.neighbours", "reporting"),  # for the controls, which the ablation measures
    # the controls have no model, and of the pool's stage the search renders drawings alone
    "ablation": ("hashing", "recipe.pool", "recipe.training"),
}
#: Rooms that act. Of these a stage depends on what its notebook calls, and on what shapes its results.
ACTING = ("io.", "engine.", "trainer.", "study.", "pipeline.")


def reached(name: str, without: str = "") -> set[str]:
    """The mc2lib modules (dotted, without `mc2lib.`) that `name` imports, directly or not, itself included.

    What only `without` imports is left out, and so is `without`.
    """
    found: set[str] = set()
    waiting = [name]
    while waiting:
        module = waiting.pop()
        path = PACKAGE / (module.replace(".", "/") + ".py")
        if module in found or module == without or not path.exists():
            continue
        found.add(module)
        waiting += [other.removeprefix("mc2lib.") for other in imports(path) if other.startswith("mc2lib.")]
    return found


@pytest.mark.parametrize("stage", [name for name in stages() if name != "sources"])
def test_a_stage_depends_on_the_library_it_calls(stage: str) -> None:
    """Every module that the notebook's calls are made of is a dependency, whole or by its folder."""
    notebook = read_notebook(ROOT / "notebooks" / (stages()[stage]["cmd"].split()[4] + ".ipynb"))
    code = "\n".join(source(cell) for cell in notebook["cells"] if cell["cell_type"] == "code")
    called = {
        (node.module or "").removeprefix("mc2lib.")
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and (node.module or "").removeprefix("mc2lib.").startswith(ACTING)
    }
    deps = [dep.replace("${key}", "*") for dep in stages()[stage]["deps"]]
    assert called - PLUMBING
    for module in sorted(called - PLUMBING):
        path = f"mc2lib/{module.replace('.', '/')}.py"
        assert any(path == dep or path.startswith(f"{dep}/") for dep in deps), f"{stage} calls {module}"
        for other in sorted(reached(module) - PLUMBING):
            if other.startswith((*ACTING, "reporting.plots.", *NOT_CALLED.get(stage, ()))):
                continue
            file = f"mc2lib/{other.replace('.', '/')}.py"
            assert any(file == dep or file.startswith(f"{dep}/") for dep in deps), f"{stage} rests on {file}"


def test_every_dependency_is_there() -> None:
    made = [
        out if isinstance(out, str) else next(iter(out)) for stage in stages().values() for out in stage.get("outs", [])
    ]
    for stage in stages().values():
        for dep in stage["deps"]:
            of_a_stage = any(dep.startswith(out.split("$")[0]) or out.startswith(f"{dep}/") for out in made)
            assert of_a_stage or (ROOT / dep).exists(), dep
