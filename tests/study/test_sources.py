import subprocess

import pytest

from mc2lib.errors import InputError
from mc2lib.study import sources
from mc2lib.study.sources import extract, fetch_sources, run_npm_ci


def fake_npm(monkeypatch, outcomes):
    calls = []

    def npm(args, **kwargs):
        code, text = outcomes[len(calls)]
        calls.append(args)
        return subprocess.CompletedProcess(args, code, stdout=text)

    monkeypatch.setattr(sources, "npm", npm)
    return calls


def test_a_failed_fetch_is_tried_again(monkeypatch, tmp_path, capsys):
    calls = fake_npm(monkeypatch, [(1, "ETIMEDOUT"), (1, "ECONNRESET"), (0, "")])
    run_npm_ci(tmp_path, wait=0)
    assert len(calls) == 3 and "trying again" in capsys.readouterr().out


def test_a_fetch_that_keeps_failing_says_what_to_do(monkeypatch, tmp_path):
    calls = fake_npm(monkeypatch, [(1, "ENOTFOUND")] * 4)
    with pytest.raises(InputError, match=r"failed 4 times\nENOTFOUND.*run `make repro` again"):
        run_npm_ci(tmp_path, wait=0)
    assert len(calls) == 4


def test_a_wrong_hash_is_never_tried_again(monkeypatch, tmp_path):
    calls = fake_npm(monkeypatch, [(1, "npm error code EINTEGRITY sha512-abc")])
    with pytest.raises(InputError, match=r"package-lock.json.*does not have the locked hash"):
        run_npm_ci(tmp_path, wait=0)
    assert len(calls) == 1


def test_a_failed_fetch_leaves_the_old_sources(monkeypatch, tmp_path):
    (tmp_path / "sources").mkdir()
    for name in ("package.json", "package-lock.json"):
        (tmp_path / "sources" / name).write_text("{}")
    kept = tmp_path / "data" / "sources" / "kept"
    kept.mkdir(parents=True)
    fake_npm(monkeypatch, [(1, "EINTEGRITY")])
    with pytest.raises(InputError):
        fetch_sources(tmp_path)
    assert kept.exists() and [path.name for path in (tmp_path / "data").iterdir()] == ["sources"]


def test_a_package_that_lacks_a_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"icons.json"):
        extract(tmp_path / "node_modules", tmp_path / "out")
