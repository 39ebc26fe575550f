"""What this machine has. Nothing here may change a result."""

from __future__ import annotations

import ctypes
import os

from mc2lib.params import Machine, Params


def processes(params: Params) -> int:
    """Worker processes for CPU work: `machine.processes`, or one a core this process may use."""
    return count_workers(params.machine)


def count_workers(machine: Machine) -> int:
    """Worker processes that `machine` asks for; `auto` is one a core this process may use."""
    if machine.processes == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return machine.processes


def count_gpus() -> int:
    """CUDA devices; torch, which takes seconds to import, is asked only where there is a driver."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    import torch

    return torch.cuda.device_count()
