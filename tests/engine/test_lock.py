"""Folders that a run holds: one owner at a time, and nobody's files are lost."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.fidelity_files import NAMES, count_lost, put_files, users_files_lost, write_metadata, write_pool
from mc2lib.commands.command_line import main
from mc2lib.engine import lock
from mc2lib.engine.lock import FRESH_SECONDS, MARKER, OWNER, claim, take, this_process
from mc2lib.errors import InputError
from mc2lib.io.files import TEMPORARY, atomic, scratch_folder
from mc2lib.io.provenance import remove_made
from tests.conftest import ROOT


def left_by_a_killed_run(folder: Path) -> list[Path]:
    """A file and a folder with one, named as those of `atomic` and `scratch_folder`."""
    (folder / "a").mkdir()
    with atomic(folder / "a" / "whole") as file, scratch_folder(folder) as scratch:
        names = [file.relative_to(folder), scratch.relative_to(folder) / "part"]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"half")
    return [folder / name for name in names]


def test_a_run_removes_what_a_killed_one_left_and_nothing_else(tmp_path: Path):
    out = tmp_path / "out"
    with claim(out):
        pass
    mine = put_files(out)
    left = left_by_a_killed_run(out)
    with claim(out / "runs"):  # another run, at work in a folder of its own
        busy = left_by_a_killed_run(out / "runs")
        with claim(out):
            assert not any(path.exists() for path in left)
            assert all(path.exists() for path in busy)
    assert len(mine) > 80 and count_lost(mine) == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_holds_anything_of_its_users_is_refused(name: str, tmp_path: Path):
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match="was not made by mc2lib"), claim(tmp_path / "out"):
        pass
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == [path] and path.read_bytes() == b"mine"


def test_an_empty_disk_and_named_inputs_are_taken(tmp_path: Path):
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "dumps").mkdir()
    with pytest.raises(InputError, match="holds 'dumps'"), claim(tmp_path):
        pass
    with claim(tmp_path, inputs=["dumps"]):
        pass
    assert json.loads((tmp_path / MARKER).read_text())["made_by"] == "mc2lib"


def test_a_marker_that_is_not_ours_marks_nothing(tmp_path: Path):
    (tmp_path / MARKER).write_text("[]")
    with pytest.raises(InputError, match="not made by mc2lib"), claim(tmp_path):
        pass


def test_curation_loses_no_file():
    assert users_files_lost() == 0


def test_parquet_files_of_others_stay(tmp_path: Path):
    mine = put_files(tmp_path)
    remove_made(tmp_path)
    assert count_lost(mine) == 0


@pytest.mark.parametrize("before", [None, "stale", "broken"])
@pytest.mark.parametrize("round", range(5))
def test_of_two_machines_that_start_at_once_one_holds_the_folder(before, round, tmp_path, monkeypatch):
    """Locks do not travel between them: the owner's file alone decides."""
    monkeypatch.setattr(lock, "SETTLE_SECONDS", 0.1)
    here = this_process()
    owners = [replace(here, machine=name, boot=name, token=name) for name in ("one", "two")]
    if before:
        dead = replace(here, machine="three", boot="three")
        content = json.dumps(lock.asdict(dead)) if before == "stale" else "{"
        (tmp_path / OWNER).write_text(content)
        os.utime(tmp_path / OWNER, (0, 0))
    at_once = threading.Barrier(2)
    outcome: dict[str, str] = {}

    def start(owner: lock.Owner) -> None:
        at_once.wait()
        try:
            take(tmp_path / OWNER, owner)
            outcome[owner.machine] = "holds"
        except InputError as error:
            outcome[owner.machine] = error.fault

    threads = [threading.Thread(target=start, args=(owner,)) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [name for name, said in outcome.items() if said == "holds"]
    assert len(winners) <= 1 and len(outcome) == 2
    if not before:
        assert len(winners) == 1
        loser = outcome[({"one", "two"} - set(winners)).pop()]
        assert "another run is at work here" in loser
    if winners:
        assert json.loads((tmp_path / OWNER).read_text())["machine"] == winners[0]


def test_whoever_is_refused_is_told_both_machines(tmp_path: Path):
    elsewhere = replace(this_process(), machine="elsewhere", boot="x", process=7)
    with claim(tmp_path):
        pass
    take(tmp_path / OWNER, elsewhere)
    with pytest.raises(InputError, match=rf"process 7 on elsewhere; this is {this_process().machine}"), claim(tmp_path):
        pass
    os.utime(tmp_path / OWNER, (0, time.time() - 2 * FRESH_SECONDS))  # it was killed
    with claim(tmp_path):
        assert json.loads((tmp_path / OWNER).read_text())["process"] == os.getpid()
    assert not (tmp_path / OWNER).exists()


def test_a_killed_run_of_this_machine_is_followed_at_once(tmp_path: Path):
    with claim(tmp_path):
        pass
    take(tmp_path / OWNER, replace(this_process(), process=1 << 30, token="dead"))
    with claim(tmp_path):
        pass


def test_machines_of_one_name_are_told_apart(tmp_path: Path):
    with claim(tmp_path):
        pass
    take(tmp_path / OWNER, replace(this_process(), boot="another start"))
    with pytest.raises(InputError, match="another run is at work"), claim(tmp_path):
        pass


def test_a_run_that_slept_and_was_followed_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lock, "TOUCH_SECONDS", 0.05)
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a shell script
    other = replace(this_process(), machine="elsewhere", boot="x", process=7)
    try:
        with pytest.raises(InputError, match="process 7 on elsewhere"), claim(tmp_path):
            (tmp_path / OWNER).write_text(json.dumps(lock.asdict(other)))
            time.sleep(10)  # until it is interrupted
    finally:
        signal.signal(signal.SIGINT, previous)
    assert json.loads((tmp_path / OWNER).read_text())["process"] == 7


def test_nothing_in_the_library_makes_temporary_names_of_another_kind():
    made = [
        path
        for path in sorted((ROOT / "mc2lib").rglob("*.py"))
        if any(word in path.read_text(encoding="utf-8") for word in ("mkstemp(prefix", "mkdtemp(prefix"))
    ]
    assert not made and TEMPORARY == (".mc2lib-", ".partial")


@pytest.mark.parametrize("command", ["curate", "export", "metadata", "trial"])
def test_a_command_refuses_an_output_that_holds_a_persons_files(command: str, tmp_path: Path, capsys):
    """`train` is held to it where there is a curated pool to train on."""
    pool, metadata = write_pool(tmp_path / "pool"), write_metadata(tmp_path / "metadata")
    assert main(["curate", str(pool), "--out", str(tmp_path / "out"), "--metadata", str(metadata), "--t-en", "3"]) == 0
    filled = tmp_path / "filled"
    mine = put_files(filled) | put_files(tmp_path / ".target.export")
    out = ["--out", str(tmp_path / "out")]
    arguments = {
        "curate": [str(pool), "--out", str(filled), "--metadata", str(metadata)],
        "export": [str(pool), *out, "--as", "parquet", "--to", str(filled)],
        "metadata": ["--no-fetch", "--folder", str(filled)],
        "trial": ["small-worldwide", "--scale", "smoke", "--folder", str(filled)],
    }
    assert main([command, *arguments[command]]) == 2
    assert str(filled) in capsys.readouterr().err and count_lost(mine) == 0
    if command == "export":  # nor a folder that is named as the one it works in
        assert main([command, *arguments[command][:-1], str(tmp_path / "target")]) == 2
        assert count_lost(mine) == 0
