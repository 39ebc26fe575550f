"""A run's weights belong to the code that trained them: an edit of it trains again, an edit of its prose does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mc2lib.io.code_digest import PACKAGE, code_digest
from mc2lib.io.config import load_params
from mc2lib.io.files import read_json
from mc2lib.trainer.recipe import CODE, FILE_CODE, POOL_CODE
from tests.conftest import run
from tests.study.test_train_stage import ARM, make_study
from tests.test_architecture import reached

#: What training imports and its weights do not follow from: it names, reads and writes, starts processes, or gives
#: what a fingerprint holds by its content (parameters, the tars of a pool, the columns of a file).
NOT_IN_IT = {
    "errors", "languages", "params", "schemas", "sections", "engine.lock", "engine.machine", "engine.progress",
    "engine.shard_runs", "engine.tasks",
    "io.code_digest", "io.config", "io.files", "io.provenance", "io.pools",
    "io.study_paths",
}  # fmt: skip


def covered(module: str, parts: tuple[str, ...]) -> bool:
    """Whether a digest of `parts` holds a module."""
    return any(module == part or module.startswith(f"{part}.") for part in parts)


@pytest.mark.parametrize(
    ("own", "other", "parts"),
    [
        ("trainer.file_stream", "trainer.pool_stream", CODE + FILE_CODE),
        ("trainer.pool_stream", "trainer.file_stream", CODE + POOL_CODE),
    ],
)
def test_the_digest_holds_all_that_training_imports(own: str, other: str, parts: tuple[str, ...]) -> None:
    """All that a rank imports but what it reads other data with, and what starts the ranks."""
    found = reached("trainer.rank", without=other) | reached("trainer.launch")
    found = {module for module in found if not covered(module, tuple(NOT_IN_IT)) and not module.endswith("__init__")}
    assert own in found and not {module for module in found if not covered(module, parts)}
    # and nothing else: other code may change without training again
    modules = {".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py")}
    assert not {module for module in modules - found if covered(module, parts) and not module.endswith("__init__")}
    assert not [part for part in parts if part.startswith(("study", "pipeline"))]


def copy_package(folder: Path, path: str, old: str, new: str) -> Path:
    """A copy of the library with one module edited; the folder that holds it."""
    shutil.copytree(PACKAGE, folder / "mc2lib", ignore=shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc"))
    module = folder / "mc2lib" / path
    text = module.read_text(encoding="utf-8")
    assert text.count(old) == 1
    module.write_text(text.replace(old, new), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("path", "old", "new", "same"),
    [
        ("recipe/training/optimisation.py", "math.log(100.0)", "math.log(50.0)", False),
        ("recipe/training/optimisation.py", "as OpenAI CLIP trains.", "as CLIP trains.", True),
        ("trainer/stream.py", "WINDOW = 1 << 20", "WINDOW = 1 << 19", False),
        ("engine/machine.py", "import ctypes", "import ctypes  # a library", True),
    ],
)
def test_an_edit_of_code_is_another_run_and_an_edit_of_prose_is_not(
    tmp_path: Path, path: str, old: str, new: str, same: bool
) -> None:
    edited = copy_package(tmp_path, path, old, new) / "mc2lib"
    for parts in (CODE + FILE_CODE, CODE + POOL_CODE):
        assert (code_digest(*parts, package=edited) == code_digest(*parts)) == same


def test_a_finished_run_is_trained_again_after_an_edit_of_code_only(tmp_path: Path) -> None:
    root = tmp_path / "study"
    root.mkdir()
    _, paths = make_study(root, machine={"processes": 1})
    prose = copy_package(
        tmp_path / "prose", "recipe/training/budget.py", '"""One run\'s size."""', '"""Size of a run."""'
    )
    code = copy_package(tmp_path / "code", "recipe/training/optimisation.py", "math.log(100.0)", "math.log(50.0)")
    script = "import sys, pathlib; from mc2lib.io import config; from mc2lib.study import train_stage"
    script += f"; root = pathlib.Path(sys.argv[1]); train_stage.train_arm(root, config.load_params(root), '{ARM}')"
    digests, outputs = [], []
    for library in (PACKAGE.parent, prose, code):
        done = run("-c", script, str(root), cwd=library)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        digests.append(read_json(paths.run(ARM, load_params(root).seeds[0]) / "model.json")["digest"])
        outputs.append("already done" in done.stdout)
    assert outputs == [False, True, False] and digests[0] == digests[1] != digests[2]
