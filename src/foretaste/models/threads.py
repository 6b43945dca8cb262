"""One place for threads: how many there are, and BLAS kept from starting its own beside ours."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

from threadpoolctl import ThreadpoolController

T = TypeVar("T")
R = TypeVar("R")


@cache
def n_threads() -> int:
    """Threads that a computation may use: ``FORETASTE_THREADS``, else the least of affinity and cgroup quota."""
    asked = os.environ.get("FORETASTE_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_cores()
    return max(1, min(cores, int(quota + 0.5)) if quota else cores)


def _cgroup_cores() -> float | None:
    """Cores allowed by the cgroup's CPU quota (v2, then v1); None without one."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()[:2]
        return None if quota == "max" else float(quota) / float(period)
    except (OSError, ValueError):
        pass
    try:
        base = Path("/sys/fs/cgroup/cpu")
        quota_us = float((base / "cpu.cfs_quota_us").read_text())
        return None if quota_us <= 0 else quota_us / float((base / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def blas_threads(limit: int) -> Iterator[None]:
    """Let BLAS use at most ``limit`` threads inside the block (the whole process is affected)."""
    with _controller().limit(limits=limit, user_api="blas"):
        yield


def map_threads(work: Callable[[T], R], parts: Sequence[T]) -> list[R]:
    """``work`` of every part, in order, on our threads with single-threaded BLAS; one part runs in the caller with
    none started.

    ``work`` should spend its time in code that releases the GIL.
    """
    if len(parts) <= 1 or n_threads() == 1:
        return [work(part) for part in parts]
    with blas_threads(1), ThreadPoolExecutor(n_threads(), thread_name_prefix="foretaste") as pool:
        return list(pool.map(work, parts))
