"""A cache that may fail: whoever asks goes on without it, and it is taken up again by itself."""

import asyncio
import time
from collections.abc import Callable

from foretaste.errors import StorageError
from foretaste.logs import get_logger
from foretaste.storage.cache.base import Cache

FAILURES = 3
"""So many in a row open the breaker."""
PAUSE_S = 0.5
"""How long the cache is left alone then; twice as long after each try that fails, up to ``MAX_PAUSE_S``."""
MAX_PAUSE_S = 5.0
MAX_WAITING = 10_000
"""Values waiting to be written, above which more are dropped."""
log = get_logger(__name__)


class GuardedCache:
    """Joins the look-ups of one moment into one round trip, and never raises for a cache that is down.

    ``failed`` and ``skipped`` count look-ups: those that the cache did not answer in time, and those for which it was
    not asked because it had failed shortly before.
    """

    def __init__(self, cache: Cache, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.cache = cache
        self.failed = self.skipped = 0
        self._clock = clock
        self._in_a_row = 0
        self._pause_s = PAUSE_S
        self._closed_at = 0.0
        self._waiting: dict[str, asyncio.Future[bytes | None]] = {}
        self._writing: dict[str, bytes] = {}
        self._ttl_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_paused(self) -> bool:
        """Whether the cache is left alone at this moment."""
        return self._clock() < self._closed_at

    async def get(self, key: str) -> bytes | None:
        """The value; None when it is not there or the cache cannot be asked."""
        if self.is_paused:
            self.skipped += 1
            return None
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
            if len(self._waiting) == 1:
                self._start(self._read())
        return await asyncio.shield(future)

    def put(self, key: str, value: bytes, *, ttl_s: float) -> None:
        """Keep a value soon; the caller does not wait. All values of one cache have the same time to live."""
        if self.is_paused or len(self._writing) >= MAX_WAITING:
            return
        self._writing[key] = value
        self._ttl_s = ttl_s
        if len(self._writing) == 1:
            self._start(self._write())

    async def drain(self) -> None:
        """Wait for what is under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def _start(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self) -> None:
        await asyncio.sleep(0)  # whoever else asks at this moment comes along
        waiting, self._waiting = self._waiting, {}
        found: list[bytes | None] = [None] * len(waiting)
        try:
            found = await self.cache.get_many(list(waiting))
            self._worked()
        except StorageError as exc:
            self.failed += len(waiting)
            self._broke(exc)
        finally:
            for future, value in zip(waiting.values(), found, strict=True):
                if not future.done():
                    future.set_result(value)

    async def _write(self) -> None:
        await asyncio.sleep(0)
        writing, self._writing = self._writing, {}
        try:
            await self.cache.put_many(writing, ttl_s=self._ttl_s)
            self._worked()
        except StorageError as exc:
            self._broke(exc)

    def _worked(self) -> None:
        if self._pause_s > PAUSE_S or self._in_a_row >= FAILURES:
            log.info("cache_back")
        self._in_a_row, self._pause_s = 0, PAUSE_S

    def _broke(self, exc: StorageError) -> None:
        self._in_a_row += 1
        if self._in_a_row >= FAILURES:
            self._closed_at = self._clock() + self._pause_s
            log.warning("cache_paused", seconds=self._pause_s, error=str(exc))
            self._pause_s = min(MAX_PAUSE_S, 2 * self._pause_s)
