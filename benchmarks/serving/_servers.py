"""Real servers on chosen cores, and what they use of the processor."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from foretaste.api.server import ServerProcess, background_server
from foretaste.settings import Settings


@dataclass(frozen=True)
class CorePlan:
    """Which cores the server and the load get."""

    server: frozenset[int]
    load: frozenset[int]
    shared: bool
    """There are too few cores to keep them apart: compare ``server_cpu_s_per_1000``, not the rate."""

    @property
    def note(self) -> str:
        """What a row should say of it."""
        return "load shares the server's cores" if self.shared else "load on a core of its own"


def core_plan(n_server: int = 1) -> CorePlan:
    """``n_server`` cores for the server and another one for the load, as far as there are any."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > n_server:
        return CorePlan(frozenset(cores[:n_server]), frozenset(cores[n_server : n_server + 1]), False)
    return CorePlan(frozenset(cores), frozenset(cores[-1:]), True)


@contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """This process, and those that it starts meanwhile, on some cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def pinned_server(settings: Settings, plan: CorePlan, *, timeout_s: float = 120.0) -> Iterator[ServerProcess]:
    """A real server with the server's cores; the block itself runs on the load's."""
    with on_cores(plan.server):
        started = background_server(settings, timeout_s=timeout_s)
        server = started.__enter__()
    try:
        with on_cores(plan.load):
            yield server
    finally:
        started.__exit__(None, None, None)


def address_of(url: str) -> tuple[str, int]:
    """Host and port of a server's URL."""
    host, _, port = url.rpartition("/")[2].partition(":")
    return host, int(port)


class Clock:
    """Processor seconds that a process and its children have used so far; call it."""

    def __init__(self, *pids: int) -> None:
        self._roots = [psutil.Process(pid) for pid in pids]

    def __call__(self) -> float:
        total = 0.0
        for root in self._roots:
            for process in [root, *root.children(recursive=True)]:
                used = process.cpu_times()
                total += used.user + used.system
        return total
