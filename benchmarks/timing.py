"""Fair times: runs of ours and of the peer taken in turns, so that a slow moment of the machine hits both."""

import gc
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import TypeVar

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
