"""The study's commands: the smoke study end to end, touched, killed, run twice at once."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from mc2lib.engine.lock import claim
from mc2lib.errors import InputError
from mc2lib.io.config import load_params
from mc2lib.study.running.dvc_runs import (
    clean,
    clear_dvc_lock_file,
    clear_dvc_locks,
    environment,
    exclusive,
    needed_bytes,
    read_lock_holders,
)
from mc2lib.study.running.trial import SMOKE_ARMS, check_summary
from tests.conftest import ROOT, run

Study = tuple[Path, str]


def dvc(folder: Path, *arguments: str) -> str:
    done = run("-m", "dvc", *arguments, cwd=folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def changed_stages(folder: Path) -> set[str]:
    return set(json.loads(dvc(folder, "status", "--json")))


# ---------------------------------------------------------------------- the whole


def test_the_study_ends_with_its_summary(smoke_study: Study) -> None:
    folder, printed = smoke_study
    summary = json.loads(printed.splitlines()[-1])
    assert summary == json.loads((folder / "results" / "summary.json").read_text(encoding="utf-8"))
    assert (summary["what"], summary["arms"], summary["seeds"]) == ("study", len(SMOKE_ARMS), 1)
    assert set(summary["headline"]) == set(SMOKE_ARMS) and summary["controls"]
    for measures in summary["headline"].values():
        for name in ("en_top1", "world_top1"):
            mean, spread = measures[name]
            assert 0 <= mean <= 1 and spread == 0  # one seed
    assert summary["effects"]
    for effect in summary["effects"].values():
        assert set(effect) >= {"bar", "ours", "spread", "holm_p", "smallest_visible"}
        assert effect["verdict"] == "cannot tell" and effect["p"] is None  # one seed
    assert "results/report.md" in printed and "smoke study done in" in printed


def test_every_stage_left_what_it_promised(smoke_study: Study) -> None:
    folder, printed = smoke_study
    for arm in SMOKE_ARMS:
        assert {path.name for path in (folder / "runs" / arm / "7").iterdir()} >= {"weights.safetensors", "model.json"}
        assert (folder / "results" / "evaluation" / f"{arm}.json").exists()
        assert re.search(
            rf"train arm \d/{len(SMOKE_ARMS)} {arm} \| seed 7 .* 6/6 steps \| [\d,]+ pairs \| .* \| 0:00:00",
            printed,
        )
    tables = {path.stem for path in (folder / "results" / "tables").glob("*.csv")}
    assert tables == {"main", "curation", "curation-shares", "tokenizer"}
    assert list((folder / "results" / "figures").glob("*.png")) and (folder / "results" / "report.md").exists()
    executed = {path.name.split(".")[0] for path in (folder / "reports").glob("*.ipynb")}
    assert executed == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_the_checkout_is_untouched(smoke_study: Study, tracked: list[Path]) -> None:
    """Nothing of the checkout is newer than the smoke study's first file, but what other tests' caches hold."""
    folder, _ = smoke_study
    began = (folder / ".dvc" / "config.local").stat().st_mtime
    assert not [path for path in tracked if path.stat().st_mtime > began and not path.is_relative_to(ROOT / "tests")]


def test_a_second_repro_does_nothing(smoke_study: Study) -> None:
    folder, _ = smoke_study
    lock = (folder / "dvc.lock").read_bytes()
    printed = dvc(folder, "repro")
    assert "Running stage" not in printed and "Data and pipelines are up to date" in printed
    assert (folder / "dvc.lock").read_bytes() == lock and changed_stages(folder) == set()


def test_metrics_and_plots_are_dvcs(smoke_study: Study) -> None:
    folder, _ = smoke_study
    shown = json.loads(dvc(folder, "metrics", "show", "--json"))[""]["data"]
    assert set(shown) == {f"results/evaluation/{arm}.json" for arm in SMOKE_ARMS}
    assert 0 <= shown["results/evaluation/small-worldwide-scaled.json"]["data"]["en_top1"] <= 1
    plots = json.loads(dvc(folder, "plots", "show", "--json"))
    assert {"english", "world", "effects", "languages"} <= set(plots["data"]), plots
    assert not plots.get("errors"), plots["errors"]


def test_the_machine_is_in_no_stage(smoke_study: Study) -> None:
    folder, _ = smoke_study
    params = folder / "params.yaml"
    before = params.read_text(encoding="utf-8")
    params.write_text(before.replace("checkpoint_seconds: auto", "checkpoint_seconds: 0"), encoding="utf-8")
    assert params.read_text(encoding="utf-8") != before and changed_stages(folder) == set()


def test_one_arm_touched_then_killed_then_continued(smoke_study: Study) -> None:
    """Touch an arm: it, its evaluation and the report are stale. Kill DVC while it trains; the next run continues."""
    folder, _ = smoke_study
    arm = "small-worldwide-scaled"
    params = folder / "params.yaml"
    text = params.read_text(encoding="utf-8")
    before, name, after = text.partition(f"{arm}:")  # the arm may be written over several lines
    params.write_text(before + name + after.replace("seen: 1/english_share", "seen: 1.25", 1), encoding="utf-8")
    assert load_params(folder).arm(arm).seen == 1.25
    assert changed_stages(folder) == {f"train@{arm}", f"evaluate@{arm}", "ablation"} or changed_stages(folder) == {
        f"train@{arm}",
        "ablation",  # DVC calls the evaluation stale once its run has changed
    }
    others = {name: (folder / "runs" / name / "7" / "model.json").stat().st_mtime for name in SMOKE_ARMS if name != arm}

    command = [sys.executable, "-m", "mc2lib", "repro"]
    first = subprocess.Popen(
        command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert first.stdout is not None
    seen = next((line for line in first.stdout if "notebook 4_train" in line), "")
    assert arm in seen
    second = run("-m", "mc2lib", "repro", cwd=folder)
    assert (
        second.returncode == 2 and f"another run of this study is at work here (process {first.pid})" in second.stderr
    )
    time.sleep(3)
    family = psutil.Process(first.pid).children(recursive=True)
    killed = next(child for child in family if "dvc" in child.cmdline()[:4])
    killed.send_signal(signal.SIGKILL)
    assert first.wait(timeout=30) != 0, "a killed DVC is no success"
    first.stdout.close()
    assert not psutil.wait_procs(family, timeout=20)[1], "a process of the killed study runs on"

    last = run("-m", "mc2lib", "repro", cwd=folder)
    assert last.returncode == 0, last.stdout[-2000:] + last.stderr[-2000:]
    ran = re.findall(r"Running stage '([^']+)'", last.stdout)
    assert ran == [f"train@{arm}", f"evaluate@{arm}", "ablation"]
    assert json.loads(last.stdout.splitlines()[-1])["what"] == "study"
    assert others == {name: (folder / "runs" / name / "7" / "model.json").stat().st_mtime for name in others}
    assert changed_stages(folder) == set()


def test_a_summary_without_an_arm_is_no_success(tmp_path: Path) -> None:
    for name in ("params.yaml", "scales"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "results").mkdir()
    arms = list(load_params(ROOT).arms)
    for headline, lost in ((arms, None), (arms[1:], arms[0])):
        (tmp_path / "results" / "summary.json").write_text(json.dumps({"headline": dict.fromkeys(headline)}))
        if lost is None:
            check_summary(tmp_path)
        else:
            with pytest.raises(InputError, match=f"no headline of {lost}"):
                check_summary(tmp_path)


# ---------------------------------------------------------------------- bad input


def test_an_unknown_arm_gets_the_near_miss() -> None:
    refused = run("-m", "mc2lib", "arm", "small-wordwide")
    assert refused.returncode == 2
    assert (
        "no arm 'small-wordwide'. Did you mean 'small-worldwide'?" in refused.stderr
        and "Traceback" not in refused.stderr
    )


def test_too_little_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from mc2lib.study.running.dvc_runs import prepare

    usage = namedtuple("usage", "total used free")(10**9, 10**9 - 1, 1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(InputError, match=r"0.0 GB free on this disk, \d+\.\d GB needed"):
        prepare(tmp_path, load_params(ROOT))


def test_what_is_there_needs_no_space(tmp_path: Path) -> None:
    params = load_params(ROOT)
    fresh = needed_bytes(tmp_path, params)
    (tmp_path / "data" / "sources").mkdir(parents=True)
    assert needed_bytes(tmp_path, params) < fresh < 50e9
    for arm in params.arms:
        for seed in params.seeds:
            (tmp_path / "runs" / arm / str(seed)).mkdir(parents=True)
            (tmp_path / "runs" / arm / str(seed) / "model.json").touch()
    for mix in params.pool.mixes:
        for seed in params.seeds:
            (tmp_path / "data" / "pool" / mix / str(seed)).mkdir(parents=True)
    assert needed_bytes(tmp_path, params) == 0


# ---------------------------------------------------------------------- locks


def write_rwlock(root: Path, pid: int) -> Path:
    path = root / ".dvc" / "tmp" / "rwlock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"write": {"a": {"pid": pid, "cmd": "dvc repro"}}, "read": {"b": [{"pid": pid, "cmd": "dvc"}]}})
    )
    return path


def test_the_lock_names_its_holder_and_frees_itself(tmp_path: Path) -> None:
    busy = rf"another run of this study is at work here \(process {os.getpid()}\)"
    with exclusive(tmp_path), pytest.raises(InputError, match=busy), exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = """
import os, sys, pathlib
from mc2lib.study.running.dvc_runs import exclusive
with exclusive(pathlib.Path(sys.argv[1])):
    os._exit(9)
"""
    assert run("-c", code, str(tmp_path)).returncode == 9
    assert (tmp_path / ".dvc" / "tmp" / "study.pid").exists()
    with exclusive(tmp_path):
        pass


def test_dvcs_locks_of_dead_or_other_processes_are_cleared(tmp_path: Path) -> None:
    """A number that another program (this test) has got since is no DVC; a half-written file holds nothing."""
    path = write_rwlock(tmp_path, os.getpid())
    assert read_lock_holders(path) == [os.getpid()]
    clear_dvc_locks(tmp_path, wait=0)
    assert not path.exists()
    path.write_text('{"write": {"a": {"pi')
    clear_dvc_locks(tmp_path, wait=0)
    assert not path.exists()


def test_a_running_dvc_is_waited_for_and_named(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "dvc"])
    try:
        path = write_rwlock(tmp_path, process.pid)
        time.sleep(0.2)
        with pytest.raises(InputError, match=rf"DVC is at work here \(process {process.pid}\)"):
            clear_dvc_locks(tmp_path, wait=0.1)
        assert path.exists()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("text", ["schema: '2.0'\nstages:\n  pool:\n    cmd: 'python", "", "stages"])
def test_a_half_written_lock_file_is_set_aside(tmp_path: Path, text: str) -> None:
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    (tmp_path / "dvc.lock").write_text(text)
    if text == "stages":
        text = "stages: {}"
        (tmp_path / "dvc.lock").write_text(text)
        clear_dvc_lock_file(tmp_path)
        assert (tmp_path / "dvc.lock").read_text() == text
    else:
        clear_dvc_lock_file(tmp_path)
        assert not (tmp_path / "dvc.lock").exists() and (tmp_path / ".dvc" / "tmp" / "dvc.lock.broken").exists()


def test_clean_removes_what_the_study_made_and_nothing_else(tmp_path: Path) -> None:
    outs = "".join(f"      - data/{name}\n" for name in ("made", "changed", "file.txt"))
    code = "from pathlib import Path; [(Path('data', n).mkdir(parents=True), Path('data', n, 'a').write_text(n))"
    code += " for n in ('made', 'changed')]; Path('data/file.txt').write_text('made')"
    (tmp_path / "params.yaml").write_text("a: 1\n")
    (tmp_path / "dvc.yaml").write_text(f'stages:\n  one:\n    cmd: {sys.executable} -c "{code}"\n    outs:\n{outs}')
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    dvc(tmp_path, "repro")
    mine = {}
    for name in ("data/changed/b", "data/curate_pool/x/a", "data/.old.12345678", "runs/mine/w", "reports/my.ipynb"):
        mine[tmp_path / name] = name
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}" if name.endswith("ipynb") else name)
    with claim(tmp_path / "data" / "curation"):
        (tmp_path / "data" / "curation" / "base").mkdir()
    (tmp_path / "reports" / "0_pool.ipynb").write_text('{"metadata": {"papermill": {}}}')
    assert clean(tmp_path) == 0
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("[dr]*/**/*") if path.is_file()}
    assert left == {*mine.values(), "data/changed/a"}
    assert not (tmp_path / "data" / "made").exists()
    held = [path.read_text() for path in (tmp_path / ".dvc" / "cache" / "files").rglob("*") if path.is_file()]
    assert "made" not in held and "changed" in held
