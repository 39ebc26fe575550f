"""How far a step is: what is done of all, the rate, and the time left. Every long step reports through this."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

#: Seconds between two lines where the output is no terminal: soon at first, then in step with how long it takes.
FIRST_SECONDS = 5.0
LATER_SHARE = 0.02


class Progress:
    """A bar in a terminal; elsewhere, as in a log or a notebook, a line now and then and one at the end.

    What an earlier run had finished already counts as done and not into the rate.

    Args:
        step: what is being done, the first word of the line.
        total: how many items there are.
        items: what the items are called.
        unit: what the rate counts if not the items, such as `pairs` in shards.
        stream: where to write; standard output by default.
        clock: seconds, for tests.

    Examples:
        >>> import io
        >>> out = io.StringIO()
        >>> ticks = iter([0.0, 2.0, 2.0])
        >>> with Progress("match", 2, "shards", "pairs", stream=out, clock=lambda: next(ticks)) as progress:
        ...     progress.add(2, 500)
        >>> print(out.getvalue(), end="")
        match 2/2 shards | 500 pairs | 250 pairs/s | 0:00:00 left
    """

    def __init__(
        self,
        step: str,
        total: int,
        items: str,
        unit: str | None = None,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.step, self.total, self.items, self.unit = step, total, items, unit
        self.done = self.amount = self.fresh = self.fresh_done = 0
        self.note = ""
        self._stream, self._clock = stream or sys.stdout, clock
        self._began = self._shown = clock()
        self._bar: Any = None

    def __enter__(self) -> Progress:
        """Start the bar, in a terminal."""
        if self._stream.isatty():
            from tqdm import tqdm  # a bar costs nothing where there is no terminal

            self._bar = tqdm(total=self.total, file=self._stream, leave=True, bar_format="{bar:20} {desc}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the bar, so that what is printed next begins a line of its own."""
        if self._bar is not None:
            self._bar.close()

    def add(self, items: int = 1, amount: int | None = None, *, fresh: bool = True, note: str = "") -> None:
        """Count what has been done since the last call, and show it if it is time to.

        Args:
            items: how many of the total.
            amount: how much of `unit` is in them.
            fresh: False for what an earlier run had finished: it takes no part in the rate.
            note: what to say at the end of the line.
        """
        amount = items if amount is None else amount
        self.done, self.amount, self.note = self.done + items, self.amount + amount, note
        if fresh:
            self.fresh, self.fresh_done = self.fresh + amount, self.fresh_done + items
        now = self._clock()
        if self._bar is not None:
            self._bar.set_description_str(self.line(now), refresh=False)
            self._bar.update(items)
        elif self.done >= self.total or now - self._shown >= max(FIRST_SECONDS, LATER_SHARE * (now - self._began)):
            self._shown = now
            print(self.line(now), file=self._stream, flush=True)

    def line(self, now: float) -> str:
        """The line to show at `now`."""
        seconds = max(now - self._began, 1e-9)
        left = int(seconds / self.fresh_done * max(self.total - self.done, 0)) if self.fresh_done else 0
        amount = f" | {self.amount:,} {self.unit}" if self.unit else ""
        if self.done and not self.fresh_done:
            return f"{self.step} {self.done:,}/{self.total:,} {self.items}{amount} | from an earlier run{self.note}"
        rate = f"{self.fresh / seconds:,.0f} {self.unit or self.items}/s"
        clock = f"{left // 3600:d}:{left // 60 % 60:02d}:{left % 60:02d}"
        return f"{self.step} {self.done:,}/{self.total:,} {self.items}{amount} | {rate} | {clock} left{self.note}"
