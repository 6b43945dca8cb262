"""Keeps the live counters that the live pipeline asks for: from the newest events, then from each that comes."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from foretaste.events import Event
from foretaste.logs import get_logger
from foretaste.serving.config import PipelineConfig
from foretaste.serving.live.counter_sources import counter_sources
from foretaste.serving.live.counters import LiveCounters
from foretaste.serving.live.groups import CountersConfig
from foretaste.serving.live.serving import Live
from foretaste.serving.pipeline import SourceMaker
from foretaste.storage.records import Records

PAGE = 5_000
ATTRIBUTES_S = 60.0
"""Attributes of users are read anew after this time."""
_MOST_USERS = 100_000
log = get_logger(__name__)


class Counting:
    """The counters of one worker, fed by its follower.

    Each worker counts the newest events of the store when its pipeline first asks for counters, then every event that
    any worker stores. So all agree within the moment that following takes, and nothing has to be saved.
    """

    def __init__(self, records: Records, live: Callable[[], Live], *, clock: Callable[[], float] = time.time) -> None:
        self._records, self._live, self._clock = records, live, clock
        self.counters: LiveCounters | None = None
        """Those of the live pipeline; None while it asks for none, or the newest events are still being counted."""
        self._config: PipelineConfig | None = None
        self._wanted: CountersConfig | None = None
        self._attributes: dict[str, tuple[float, Mapping[str, Any]]] = {}

    @property
    def sources(self) -> dict[str, SourceMaker]:
        """The kinds of sources that the counters feed."""
        return counter_sources(lambda: self.counters)

    def is_wanted(self) -> bool:
        """Whether the live pipeline asks for counters; those of an earlier one are let go."""
        config = self._live().pipeline.config
        if config is not self._config:
            self._config, self._wanted = config, config.counters if config.uses_counters else None
            if self.counters is not None and self.counters.config != self._wanted:
                self.counters = None
        return self._wanted is not None

    async def prepare(self, after: int, events: Sequence[Event]) -> None:
        """Count the events up to ``after`` where that has not been done, and read what is known of the users.

        Raises:
            StorageError: the store cannot be read; it is done the next time.
        """
        wanted = self._wanted
        if wanted is not None and self.counters is None:
            self.counters = await self._primed(wanted, until=after)
        if wanted is not None and wanted.attributes:
            await self._read_attributes(events)

    def take(self, events: Sequence[Event]) -> None:
        """Count events."""
        if self.counters is not None:
            self.counters.take(events, self._live().bundle.weights, self._known(events))

    async def _primed(self, wanted: CountersConfig, *, until: int) -> LiveCounters:
        """Counters over the newest events, the last being number ``until``."""
        counters = LiveCounters(wanted, clock=self._clock)
        after, n, start = max(0, until - wanted.window_events), 0, time.monotonic()
        while after < until:
            page = await self._records.new_events(after, min(PAGE, until - after))
            events = [event for sequence, event in page if sequence <= until]
            if not events:
                break
            if wanted.attributes:
                await self._read_attributes(events)
            await asyncio.to_thread(counters.take, events, self._live().bundle.weights, self._known(events))
            after, n = page[-1][0], n + len(events)
        log.info("counters_primed", events=n, counts=len(counters), seconds=round(time.monotonic() - start, 3))
        return counters

    def _known(self, events: Sequence[Event]) -> dict[str, Mapping[str, Any]]:
        found = self._attributes
        return {event.user_id: found[event.user_id][1] for event in events if event.user_id in found}

    async def _read_attributes(self, events: Sequence[Event]) -> None:
        now = time.monotonic()
        if len(self._attributes) > _MOST_USERS:
            self._attributes = {}
        for n, user_id in enumerate(dict.fromkeys(event.user_id for event in events)):
            kept = self._attributes.get(user_id)
            if kept is None or now - kept[0] > ATTRIBUTES_S:
                record = await self._records.get("user", user_id)
                self._attributes[user_id] = (now, record.attributes if record is not None else {})
            if n % 100 == 99:
                await asyncio.sleep(0)  # point look-ups run in the loop itself
