"""One place for threads: how many there are, and BLAS kept from starting its own beside ours."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

from foretaste.errors import ConfigurationError

T = TypeVar("T")
R = TypeVar("R")


@cache
def n_threads() -> int:
    """Threads that a computation may use: ``FORETASTE_THREADS``, else the least of affinity and cgroup quota.

    Raises:
        ConfigurationError: ``FORETASTE_THREADS`` is set to something else than a whole number from 1.
    """
    asked = os.environ.get("FORETASTE_THREADS", "").strip()
    if asked:
        if not re.fullmatch("[0-9]{1,4}", asked) or int(asked) < 1:
            raise ConfigurationError(
                f"FORETASTE_THREADS = {asked!r} is no number of threads", hint="set it to a whole number from 1"
            )
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


class _BlasLimits:
    """The limits in force. They may overlap in time (two threads of a server), so the least one holds, and what was
    before comes back when the last is gone.
    """

    def __init__(self) -> None:
        import scipy.linalg  # noqa: F401 - loads SciPy's own BLAS, which the controller finds only when it is there

        self._controller = ThreadpoolController()
        self._lock = Lock()
        self._active: list[int] = []
        self._outer: list[Any] = []  # limiters that hold what to go back to

    def enter(self, limit: int) -> None:
        with self._lock:
            if not self._active or limit < min(self._active):
                self._outer.append(self._controller.limit(limits=limit, user_api="blas"))
            self._active.append(limit)

    def leave(self, limit: int) -> None:
        with self._lock:
            self._active.remove(limit)
            if not self._active:
                while self._outer:
                    self._outer.pop().restore_original_limits()


@cache
def _limits() -> _BlasLimits:
    return _BlasLimits()


@contextmanager
def blas_threads(limit: int) -> Iterator[None]:
    """Let BLAS use at most ``limit`` threads inside the block.

    The whole process is affected. While several such blocks run at once, the least of their limits holds until the
    last has ended.
    """
    _limits().enter(limit)
    try:
        yield
    finally:
        _limits().leave(limit)


def map_threads(work: Callable[[T], R], parts: Sequence[T]) -> list[R]:
    """``work`` of every part, in order, on our threads with single-threaded BLAS; one part runs in the caller with
    none started.

    ``work`` should spend its time in code that releases the GIL.
    """
    if len(parts) <= 1 or n_threads() == 1:
        return [work(part) for part in parts]
    with blas_threads(1), ThreadPoolExecutor(n_threads(), thread_name_prefix="foretaste") as pool:
        return list(pool.map(work, parts))
