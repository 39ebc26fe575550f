"""What workers are told about this machine."""

import os

from mc2lib.engine.machine import THREADS, one_thread_each


def test_workers_are_told_of_one_thread_and_nothing_stays(monkeypatch):
    monkeypatch.setenv(THREADS[0], "7")
    monkeypatch.delenv(THREADS[1], raising=False)
    with one_thread_each():
        assert [os.environ[name] for name in THREADS] == ["1", "1"]
    assert os.environ[THREADS[0]] == "7" and THREADS[1] not in os.environ
