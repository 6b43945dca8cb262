"""Fair times: runs of ours and of the peer taken in turns, so that a slow moment of the machine hits both."""

import gc
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import TypeVar

from foretaste.models.threads import blas_threads

R = TypeVar("R")


def timed(work: Callable[[], R]) -> tuple[float, R]:
    """Seconds that ``work`` took, and what it gave; the garbage collector rests meanwhile."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        result = work()
        return time.perf_counter() - start, result
    finally:
        gc.enable()


def in_turns(works: Mapping[str, Callable[[], object]], *, rounds: int = 3) -> dict[str, float]:
    """The median seconds of each piece of work over ``rounds``, one after the other within a round.

    Call each once beforehand when compiling or loading is not what is measured.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            seconds[name].append(timed(work)[0])
    return {name: median(times) for name, times in seconds.items()}


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, a peer in it, and BLAS on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        with blas_threads(1):
            yield
    finally:
        os.sched_setaffinity(0, cores)
