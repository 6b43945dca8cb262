"""Calls with a time limit: threads that may be left behind, and breakers that keep a slow source from eating them."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from foretaste.logs import get_logger
from foretaste.models.threads import n_threads

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
STALL_S = 0.005
"""How long calls wait behind another one of their group, before one more thread is put to work for them."""
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


class _Call:
    """One piece of work on a thread of the pool; one thread waits for it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self.value: Any = None
        self.error: Exception | None = None
        self._is_done = False
        self._on_late_end: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._running = threading.Lock()
        self._running.acquire()

    def run(self) -> None:
        try:
            self.value = self._work()
        except Exception as exc:  # noqa: BLE001 - handed to the caller, who logs and counts it
            self.error = exc
        with self._lock:
            self._is_done = True
            late = self._on_late_end
        self._running.release()
        if late is not None:
            late()

    def wait(self, timeout_s: float) -> bool:
        """Whether it is done by then."""
        return self._is_done or self._running.acquire(timeout=timeout_s)

    def leave(self, on_late_end: Callable[[], None]) -> bool:
        """Stop waiting; False when it is done after all."""
        with self._lock:
            if self._is_done:
                return False
            self._on_late_end = on_late_end
            return True


class _Group:
    """Calls that are begun together. Each thread that works for it takes one call after the other."""

    def __init__(self, calls: Iterable[_Call]) -> None:
        self._waiting = deque(calls)

    def __len__(self) -> int:
        """Calls that no thread has taken."""
        return len(self._waiting)

    def work(self) -> None:
        while self._waiting:
            try:
                call = self._waiting.popleft()
            except IndexError:  # another thread was quicker
                return
            call.run()


class Guard:
    """Runs calls of sources with a limit; called from several threads at once.

    Calls of one group start on as many threads as there are cores: more would only take turns. One that is slow keeps
    those behind it for ``STALL_S``, then another thread takes them over. A call that is late goes on in its thread, and
    its result is dropped. Threads are daemons: one that never comes back does not keep the process from ending.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, on_change: Callable[[str, State], None] | None = None
    ) -> None:
        """``on_change`` is told of a source whose breaker opens, is tried or closes again."""
        self._clock = clock
        self._at_once = n_threads()
        self._on_change = on_change
        self._lock = threading.Lock()
        self._breakers: dict[tuple[str, str | None], Breaker] = {}
        self._groups: queue.SimpleQueue[_Group] = queue.SimpleQueue()
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
        with self._lock:
            begun = [self._admitted(name, version, work) for name, work in calls]
            group = _Group(call for call in begun if call is not None)
            for _ in range(min(self._at_once, len(group))):
                self._hand_out(group)
        return [
            Told(trouble="paused") if call is None else self._finish(name, version, call, group, end)
            for (name, _), call in zip(calls, begun, strict=True)
        ]

    def _admitted(self, name: str, version: str | None, work: Callable[[], T]) -> _Call | None:
        breaker = self._breaker(name, version)
        if not breaker.admits(self._clock()):
            return None
        if breaker.is_trying:
            self._tell(name, "half_open")
        return _Call(work)

    def _hand_out(self, group: _Group) -> None:
        """Let one more thread work for the group, a new one where none is idle."""
        self._groups.put(group)
        self._start_thread()

    def _start_thread(self) -> None:
        if self._idle < self._groups.qsize() and self._threads < MOST_THREADS:
            self._threads += 1
            threading.Thread(target=self._serve, name="foretaste-source", daemon=True).start()

    def _is_done(self, call: _Call, group: _Group, end: float) -> bool:
        """Wait for a call until ``end``, and see to it that no other waits behind a slow one meanwhile."""
        while group and end - self._clock() > STALL_S:
            if call.wait(STALL_S):
                return True
            with self._lock:
                if self._groups.empty():
                    self._hand_out(group)
                else:
                    self._start_thread()
        return call.wait(max(0.0, end - self._clock()))

    def _finish(self, name: str, version: str | None, call: _Call, group: _Group, end: float) -> Told[Any]:
        in_time = self._is_done(call, group, end)
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
                group: _Group | None = self._groups.get(timeout=_IDLE_S)
            except queue.Empty:
                group = None
            with self._lock:
                self._idle -= 1
                if group is None:
                    if not self._groups.empty():
                        continue
                    self._threads -= 1
                    return
            group.work()
