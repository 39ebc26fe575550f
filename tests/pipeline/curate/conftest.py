"""How the tests of curation run their tasks."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from mc2lib.engine import shard_runs
from tests.engine.in_turn import run_in_turn


@pytest.fixture
def in_turn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs have no workers, unless the test is marked `usefixtures("workers")`."""
    cores = pa.cpu_count()
    if "workers" not in request.fixturenames:
        monkeypatch.setattr(shard_runs, "run_tasks", run_in_turn)
    yield
    pa.set_cpu_count(cores)


@pytest.fixture
def workers() -> None:
    """Asks for the real engine."""
