"""Joins requests that wait for a thread: together they cost little more than one of them."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from foretaste.serving.pipeline import Outcome

MOST = 64
"""Queries of one batch."""
Q = TypeVar("Q")
"""A query, with whatever goes with it."""


@dataclass
class _Waiting(Generic[Q]):
    """Queries of one request, and where their outcome is handed over: the batch's, and their first place in it."""

    queries: Sequence[Q]
    done: asyncio.Future[tuple[Outcome, int]]


class Batcher(Generic[Q]):
    """Runs queries in batches on a bounded number of threads. For one event loop.

    While a thread is free a request starts at once and alone. When all are busy it waits, and goes with all others
    that wait under the same key (which must mean the same models, scenario and options) as soon as one is free; keys
    take turns in the order in which they began to wait.
    """

    def __init__(self, slots: int, *, most: int = MOST) -> None:
        """``slots``: batches that run at the same time; ``most``: queries that are joined."""
        self._slots, self._most = slots, most
        self._running = 0
        self._waiting: OrderedDict[Hashable, deque[_Waiting[Q]]] = OrderedDict()
        self._works: dict[Hashable, Callable[[Sequence[Q]], Awaitable[Outcome]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(
        self, key: Hashable, queries: Sequence[Q], work: Callable[[Sequence[Q]], Awaitable[Outcome]]
    ) -> tuple[Outcome, int]:
        """The outcome of the batch that ``queries`` went with, and the place of the first of them in it.

        ``work`` runs a batch; any one of those given under the same key is taken. What it raises, all of its batch get.
        """
        if self._running < self._slots:
            self._running += 1
            try:
                return await work(queries), 0
            finally:
                self._next()
        one = _Waiting(queries, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(key, deque()).append(one)
        self._works[key] = work
        return await one.done

    def _next(self) -> None:
        """Give a free slot to those who wait longest."""
        while self._waiting:
            key, line = next(iter(self._waiting.items()))
            together = self._taken(line)
            work = self._works[key]
            if line:
                self._waiting.move_to_end(key)
            else:
                del self._waiting[key], self._works[key]
            if together:
                task = asyncio.get_running_loop().create_task(self._together(together, work))
                self._tasks.add(task)  # the loop itself holds tasks only weakly
                task.add_done_callback(self._tasks.discard)
                return
        self._running -= 1

    def _taken(self, line: deque[_Waiting[Q]]) -> list[_Waiting[Q]]:
        """The first of a line that fit into one batch, without those who have gone."""
        together: list[_Waiting[Q]] = []
        count = 0
        while line and (not together or count + len(line[0].queries) <= self._most):
            one = line.popleft()
            if not one.done.done():
                together.append(one)
                count += len(one.queries)
        return together

    async def _together(self, together: list[_Waiting[Q]], work: Callable[[Sequence[Q]], Awaitable[Outcome]]) -> None:
        try:
            outcome = await work([query for one in together for query in one.queries])
        except BaseException as exc:
            for one in together:
                if not one.done.done():
                    one.done.set_exception(exc) if isinstance(exc, Exception) else one.done.cancel()
            if not isinstance(exc, Exception):
                raise
        else:
            at = 0
            for one in together:
                if not one.done.done():
                    one.done.set_result((outcome, at))
                at += len(one.queries)
        finally:
            self._next()
