"""What this machine has. Nothing here may change a result."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mc2lib.params import Machine, Params

#: How many threads OpenMP (PyTorch's) and OpenBLAS (NumPy's) start.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


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


def available_memory() -> int | None:
    """Bytes that this process may still use without swapping; None where the system does not say.

    On Linux, the smaller of the machine's available memory and what is left of the control group's limit.
    """
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    try:
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = int((group / "memory.current").read_text(encoding="ascii"))
    except OSError:
        return found
    return found if limit == "max" else max(0, min(found, int(limit) - used))


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let the workers that start meanwhile compute with one thread each: there is one worker per core.

    Libraries read these variables when they load, so workers that a running fork server starts keep what it has.
    """
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
