import json
import subprocess

import pytest

from mc2lib.errors import InputError
from mc2lib.study import sources
from mc2lib.study.sources import extract, extract_interface, fetch_sources, run_npm_ci


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


def test_interface_texts_of_both_libraries_are_gathered_by_language(tmp_path):
    messages, gallery = tmp_path / "oojs-ui" / "dist" / "i18n", tmp_path / "jquery-colorbox" / "i18n"
    messages.mkdir(parents=True)
    gallery.mkdir(parents=True)
    (messages / "en.json").write_text('{"@metadata": {"authors": []}, "ooui-help": "Help", "ooui-x": "{{PLURAL:$1}}"}')
    (messages / "zh-hans.json").write_text('{"ooui-help": "帮助"}', encoding="utf-8")
    (gallery.parent / "jquery.colorbox.js").write_text('\t\tspeed: 300,\n\t\tnext: "next",\n\t\tclassName: "x",\n')
    (gallery / "jquery.colorbox-kr.js").write_text('extend({\n  next: "다음",\n\tclose: "닫기"\n});', encoding="utf-8")
    extract_interface(tmp_path, tmp_path / "interface.json")
    assert json.loads((tmp_path / "interface.json").read_text(encoding="utf-8")) == {
        "en": {"ooui-help": "Help", "colorbox-next": "next"},
        "zh": {"ooui-help": "帮助"},
        "ko": {"colorbox-next": "다음", "colorbox-close": "닫기"},
    }
