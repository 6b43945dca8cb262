"""Hands every event that arrives, in whatever worker, to those of this worker that learn from it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from foretaste.errors import ForetasteError
from foretaste.events import Event
from foretaste.logs import get_logger
from foretaste.monitoring import Metrics
from foretaste.storage.records import Records

POLL_S = 0.05
"""Longest time between two looks; an event that this worker stores is looked for at once."""
GAP_S = 0.005
"""Shortest time between two looks, so that many small writes are read together."""
ASLEEP_S = 0.5
"""Time between two looks whether anybody wants events, while nobody does."""
LOOK_S = 0.5
"""After this time the store is read whatever its change token says."""
RETRY_S = 0.5
"""Time to the next try when the store fails."""
BATCH = 2_000
"""Events handed out at once at most."""

Take = Callable[[Sequence[Event]], None]
"""Takes a batch whole or, when it raises, not at all."""
Prepare = Callable[[int, Sequence[Event]], Awaitable[None]]
"""Called before a batch with the sequence that it comes after, also when there are no events: reads what the
subscriber will need. Its failure is logged, and the batch is handed out all the same."""
log = get_logger(__name__)


@dataclass(frozen=True)
class Subscription:
    """Somebody who learns from events."""

    name: str
    """For logs and metrics."""
    take: Take
    wants: Callable[[], bool]
    """Whether events are wanted now; while nobody wants any, none are read."""
    prepare: Prepare | None = None
    in_loop: bool = False
    """``take`` is called in the event loop, for what is quick and belongs there; else in a thread of the follower."""


class EventFollower:
    """One task that reads the events of the store in order of arrival and hands them to subscribers.

    Order is the store's sequence and nothing else, so clocks may jump. It begins at the end of the store when somebody
    first wants events, and hands out each later one once; when the store fails it tries again until it answers. A
    subscriber that raises on a batch gets it event by event, and the event that it refuses is logged by id, counted and
    passed over; the others and the stream go on.
    """

    def __init__(self, records: Records, *, metrics: Metrics, poll_s: float = POLL_S, batch: int = BATCH) -> None:
        self._records, self._metrics = records, metrics
        self._poll_s, self._batch = poll_s, batch
        self._subscriptions: tuple[Subscription, ...] = ()
        self._after: int | None = None
        """Sequence of the last event that was handed out; None while nobody wants any."""
        self._complete_at = time.monotonic()
        """When a look began after which nothing was left to hand out."""
        self._token: bytes | None = None
        self._look_at = float("-inf")
        self._wake = asyncio.Event()
        self._is_closing = False
        self._thread: ThreadPoolExecutor | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_failing = False
        metrics.set_follower_lag(lambda: self.lag_s)

    @property
    def lag_s(self) -> float:
        """An event that arrived longer ago than this has been handed out."""
        return time.monotonic() - self._complete_at

    def subscribe(
        self,
        name: str,
        take: Take,
        *,
        wants: Callable[[], bool] = lambda: True,
        prepare: Prepare | None = None,
        in_loop: bool = False,
    ) -> None:
        """Hand all later events to ``take`` too, as :class:`Subscription` says."""
        self._subscriptions = (*self._subscriptions, Subscription(name, take, wants, prepare, in_loop))

    async def start(self) -> None:
        """Find the end of the store, and follow from there in the background."""
        self._is_closing = False
        with suppress(ForetasteError):  # the task will try again
            await self.look()
        self._task = asyncio.create_task(self._follow(), name="foretaste-follower")

    async def close(self) -> None:
        """Stop, after the batch that is being handed out."""
        self._is_closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
            self._task = None
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None

    def wake(self) -> None:
        """Look now, where anybody wants events: this worker has stored some."""
        if self._after is not None or any(one.wants() for one in self._subscriptions):
            self._wake.set()

    async def look(self) -> int:
        """Hand out all events that are there now; returns how many.

        Raises:
            StorageError: the store cannot be read; what was handed out stays so.
        """
        began = time.monotonic()
        listening = [one for one in self._subscriptions if one.wants()]
        if not listening:
            self._after, self._complete_at = None, began
            return 0
        if self._after is None:
            self._after = await self._records.last_sequence()
        done = 0
        while True:
            began, token = time.monotonic(), self._records.change_token()
            found = await self._records.new_events(self._after, self._batch)
            await self._hand_out(listening, self._after, [event for _, event in found])
            if found:
                self._after = found[-1][0]
                done += len(found)
                self._metrics.count_followed(len(found))
            if len(found) < self._batch:
                self._complete_at, self._token, self._look_at = began, token, began + LOOK_S
                return done
            if self._is_closing:
                return done

    async def _follow(self) -> None:
        while not self._is_closing:
            wait_s = self._poll_s
            try:
                if self._may_be_new():
                    await self.look()
                self._is_failing = False
            except ForetasteError as exc:
                self._metrics.count_store_error("follow")
                self._say_failing(str(exc))
                wait_s = RETRY_S
            except Exception as exc:  # noqa: BLE001 - following must outlive what nobody thought of; it is logged
                self._say_failing(f"{type(exc).__name__}: {exc}")
                wait_s = RETRY_S
            looked_at = time.monotonic()
            if await self._woken(ASLEEP_S if self._after is None else wait_s):
                await asyncio.sleep(GAP_S - (time.monotonic() - looked_at))

    async def _woken(self, wait_s: float) -> bool:
        """Wait; whether it was for less than ``wait_s``."""
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True

    def _may_be_new(self) -> bool:
        now, token = time.monotonic(), self._token
        if self._after is None or token is None or token != self._records.change_token() or now >= self._look_at:
            return True
        self._complete_at = now
        return False

    def _say_failing(self, error: str) -> None:
        if not self._is_failing:
            log.warning("events_not_followed", error=error)
        self._is_failing = True

    async def _hand_out(self, listening: Sequence[Subscription], after: int, events: Sequence[Event]) -> None:
        for one in listening:
            if one.prepare is not None:
                try:
                    await one.prepare(after, events)
                except Exception as exc:  # noqa: BLE001 - taken without what it would have read; it is logged
                    log.warning("events_not_prepared", subscriber=one.name, error=f"{type(exc).__name__}: {exc}")
            if events and one.in_loop:
                self._give(one, events)
            elif events:
                if self._thread is None:
                    self._thread = ThreadPoolExecutor(1, thread_name_prefix="foretaste-follower")
                await asyncio.get_running_loop().run_in_executor(self._thread, self._give, one, events)

    def _give(self, one: Subscription, events: Sequence[Event]) -> None:
        try:
            one.take(events)
        except Exception:  # noqa: BLE001 - found again, and logged, event by event
            for event in events:
                try:
                    one.take([event])
                except Exception as exc:  # noqa: BLE001 - a poison event stops nobody; it is logged and counted
                    self._metrics.count_poison(one.name)
                    log.warning(
                        "event_passed_over",
                        subscriber=one.name,
                        event_id=event.event_id,
                        error=f"{type(exc).__name__}: {exc}",
                    )
