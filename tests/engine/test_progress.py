"""Progress: a line now and then, the rate without what was finished before, and a bar where there is a terminal."""

from __future__ import annotations

import doctest
import io

from mc2lib.engine import progress as module
from mc2lib.engine.progress import Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


def lines(seconds: list[float], calls: list[tuple[int, int, bool]], total: int) -> list[str]:
    """What is printed where each call comes at the next of `seconds`, the first being the start."""
    out, clock = io.StringIO(), iter(seconds)
    with Progress("match", total, "shards", "pairs", stream=out, clock=lambda: next(clock)) as progress:
        for items, amount, fresh in calls:
            progress.add(items, amount, fresh=fresh)
    return out.getvalue().splitlines()


def test_a_line_comes_every_five_seconds_and_at_the_end() -> None:
    found = lines([0, 1, 6, 7, 8], [(1, 100, True)] * 4, total=4)
    assert found == [
        "match 2/4 shards | 200 pairs | 33 pairs/s | 0:00:06 left",
        "match 4/4 shards | 400 pairs | 50 pairs/s | 0:00:00 left",
    ]


def test_a_run_of_hours_does_not_fill_its_log() -> None:
    seconds = [0.0, *range(1, 36_001)]
    assert len(lines(seconds, [(1, 1, True)] * 36_000, total=36_000)) < 400


def test_what_was_there_already_takes_no_part_in_the_rate() -> None:
    found = lines([0, 0, 10], [(98, 9_800, False), (1, 100, True)], total=100)
    assert found == ["match 99/100 shards | 9,900 pairs | 10 pairs/s | 0:00:10 left"]


def test_where_nothing_is_done_afresh_there_is_no_rate() -> None:
    assert lines([0, 10], [(2, 5, False)], total=2) == ["match 2/2 shards | 5 pairs | from an earlier run"]


def test_a_terminal_gets_a_bar_that_ends_its_line() -> None:
    out = Terminal()
    with Progress("match", 2, "shards", stream=out) as progress:
        progress.add(note=" | 3 kept")
        progress.add(note=" | 7 kept")
    assert "\r" in out.getvalue() and out.getvalue().endswith("\n")
    assert "match 2/2 shards" in out.getvalue() and "7 kept" in out.getvalue()


def test_the_example_is_true() -> None:
    assert doctest.testmod(module).failed == 0
