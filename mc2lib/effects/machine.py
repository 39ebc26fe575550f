"""What this machine has. Nothing here may change a result."""

from __future__ import annotations

import os

from mc2lib.params import Params


def processes(params: Params) -> int:
    """Worker processes for CPU work: `machine.processes`, or one a core this process may use."""
    if params.machine.processes == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return params.machine.processes
