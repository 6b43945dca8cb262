"""Calls with a time limit: threads that may be left behind, and breakers that keep a slow source from eating them."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from foretaste.logs import get_logger

T = TypeVar("T")
Trouble = Literal["error", "late", "paused"]
State = Literal["closed", "half_open", "open"]
BREAK_AFTER = 5
"""Failed or late calls in a row after which a source is left alone for a while."""
PAUSE_S = 5.0
"""How long; then one call tries whether it works again."""
MOST_STUCK = 2
"""Late calls of one source that may still be running; while there are so many, it is not asked."""
MOST_THREADS = 32
_IDLE_S = 30.0
_MOST_BREAKERS = 64
log = get_logger(__name__)


@dataclass(frozen=True)
class Told(Generic[T]):
    """What became of one call: a value, or the trouble."""

    value: T | None = None
    trouble: Trouble | None = None


@dataclass
class Breaker:
    """Whether one source of one bundle may be asked.

    Closed it is asked always; after ``BREAK_AFTER`` troubles in a row it is open for ``PAUSE_S``; then it is half
    open: one call is let through, and what becomes of it closes or opens the breaker again.
    """

    troubles: int = 0
    """In a row."""
    opened_at: float | None = None
    is_trying: bool = False
    """A call was let through to try."""
    running: int = 0
    """Late calls that have not come back."""

    def admits(self, now: float) -> bool:
        """Whether to call; a half-open one admits a single call."""
        if self.running >= MOST_STUCK:
            return False
        if self.opened_at is None:
            return True
        if self.is_trying or now - self.opened_at < PAUSE_S:
            return False
        self.is_trying = True
        return True

    def worked(self) -> None:
        """A call came back in time."""
        self.troubles, self.opened_at, self.is_trying = 0, None, False

    def failed(self, now: float) -> None:
        """A call raised or was late."""
        self.troubles += 1
        self.is_trying = False
        if self.troubles >= BREAK_AFTER:
            self.opened_at = now


@dataclass
class _Call:
    """One piece of work on a thread of the pool."""

    work: Callable[[], Any]
    done: threading.Event = field(default_factory=threading.Event)
    value: Any = None
    error: Exception | None = None
    on_late_end: Callable[[], None] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        try:
            self.value = self.work()
        except Exception as exc:  # noqa: BLE001 - handed to the caller, who logs and counts it
            self.error = exc
        with self.lock:
            self.done.set()
            late = self.on_late_end
        if late is not None:
            late()

    def leave(self, on_late_end: Callable[[], None]) -> bool:
        """Stop waiting; False when it is done after all."""
        with self.lock:
            if self.done.is_set():
                return False
            self.on_late_end = on_late_end
            return True


class Guard:
    """Runs calls of sources with a limit; called from several threads at once.

    A call that is late goes on in its thread, and its result is dropped. Threads are daemons: one that never comes
    back does not keep the process from ending.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, on_change: Callable[[str, State], None] | None = None
    ) -> None:
        """``on_change`` is told of a source whose breaker opens, is tried or closes again."""
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._breakers: dict[tuple[str, str | None], Breaker] = {}
        self._calls: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._threads = 0
        self._idle = 0

    def together(
        self, calls: Sequence[tuple[str, Callable[[], T]]], *, version: str | None, limit_s: float
    ) -> list[Told[T]]:
        """Run named calls at the same time, for ``limit_s`` seconds at most.

        Args:
            calls: name of the source, and the work; an exception of it is logged.
            version: of the models, so that a new one starts with a clean record.
        """
        end = self._clock() + limit_s
        begun = [self._begin(name, version, work) for name, work in calls]
        return [
            Told(trouble="paused") if call is None else self._finish(name, version, call, end)
            for (name, _), call in zip(calls, begun, strict=True)
        ]

    def _begin(self, name: str, version: str | None, work: Callable[[], T]) -> _Call | None:
        with self._lock:
            breaker = self._breaker(name, version)
            if not breaker.admits(self._clock()):
                return None
            if breaker.is_trying:
                self._tell(name, "half_open")
            call = _Call(work)
            self._calls.put(call)
            if self._idle < self._calls.qsize() and self._threads < MOST_THREADS:
                self._threads += 1
                threading.Thread(target=self._serve, name="foretaste-source", daemon=True).start()
        return call

    def _finish(self, name: str, version: str | None, call: _Call, end: float) -> Told[Any]:
        in_time = call.done.wait(max(0.0, end - self._clock()))
        with self._lock:
            breaker = self._breaker(name, version)
            if not in_time and call.leave(lambda: self._came_back(breaker)):
                breaker.running += 1
                log.warning("source_late", source=name, version=version)
                return self._troubled(name, breaker, "late")
            if call.error is not None:
                error = f"{type(call.error).__name__}: {call.error}"
                log.warning("source_failed", source=name, version=version, error=error)
                return self._troubled(name, breaker, "error")
            if breaker.opened_at is not None:
                self._tell(name, "closed")
            breaker.worked()
        return Told(call.value)

    def _troubled(self, name: str, breaker: Breaker, trouble: Trouble) -> Told[Any]:
        breaker.failed(self._clock())
        if breaker.opened_at is not None:
            self._tell(name, "open")
        return Told(trouble=trouble)

    def _tell(self, name: str, state: State) -> None:
        if state != "half_open":
            log.warning("source_breaker", source=name, state=state)
        if self._on_change is not None:
            self._on_change(name, state)

    def _breaker(self, name: str, version: str | None) -> Breaker:
        found = self._breakers.get((name, version))
        if found is None:
            while len(self._breakers) >= _MOST_BREAKERS:
                del self._breakers[next(iter(self._breakers))]
            found = self._breakers[name, version] = Breaker()
        return found

    def _came_back(self, breaker: Breaker) -> None:
        with self._lock:
            breaker.running -= 1

    def _serve(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            try:
                call: _Call | None = self._calls.get(timeout=_IDLE_S)
            except queue.Empty:
                call = None
            with self._lock:
                self._idle -= 1
                if call is None:
                    if not self._calls.empty():
                        continue
                    self._threads -= 1
                    return
            call.run()
