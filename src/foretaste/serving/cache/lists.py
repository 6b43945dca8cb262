"""Lists as bytes: from the process, from the second tier, or made now, and never one that an event has made old.

Every request reads the user's stamp from the store (one look-up), so a list is sent again only when nothing that it
rests on has changed since it was made: no event of the user in any process, no rule, no model, none of its items; where
arrivals are a source, no new item either.
What changes by time alone or by what others do (trends, live counters, friends, freshness, rules with dates) is bounded
by the time to live, which is shorter for scenarios that rest on what others do (``PipelineConfig.keep_s``).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from foretaste.errors import StorageError
from foretaste.logs import get_logger
from foretaste.serving.answers import Answer
from foretaste.serving.cache.asked import Asked
from foretaste.serving.cache.entry import Entry, entry_of
from foretaste.serving.cache.figures import TierFigures, TierSize
from foretaste.serving.cache.items import ItemChanges
from foretaste.serving.cache.process import MAX_BYTES, MAX_ENTRIES, ProcessCache
from foretaste.serving.cache.shared import SharedLists
from foretaste.serving.live.serving import Live
from foretaste.storage.records import Records, Stamp

MAX_VARIANTS = 3
"""Live versions whose lists are told apart: what serves, a candidate, and what served before."""
CHECK_S = 0.1
"""How long the store's word that nothing was written is taken without reading the stamp: a process that was killed
while it wrote may have kept the word from us."""
Make = Callable[[str, Asked], Awaitable[Answer]]
"""Makes a list now: for a user's or an item's id, and what is asked for."""
log = get_logger(__name__)


@dataclass(frozen=True)
class CacheLimits:
    """How much is kept in a process, and how long."""

    ttl_s: float = 60.0
    """Longest time for which a list is kept; 0 keeps none."""
    max_entries: int = MAX_ENTRIES
    max_bytes: int = MAX_BYTES


class CachedLists:
    """Answers for users and items, made as seldom as possible. For one event loop.

    Args:
        records: where stamps are read.
        make: the pipeline.
        live_for: what answers a user now (None: any user).
        steer: brings rules and scenarios up to a state of the counter of shared values.
        refresh: brings the catalogue in memory up to date with the store.
        limits: of the process tier.
        shared: the second tier; without it there is only the first.
        on_shown: told the ``recommendation_id`` of a kept list each time it is served again.
    """

    def __init__(
        self,
        records: Records,
        make: Make,
        *,
        live_for: Callable[[str | None], Live],
        refresh: Callable[[], Awaitable[None]],
        steer: Callable[[int], Awaitable[None]] | None = None,
        limits: CacheLimits,
        shared: SharedLists | None = None,
        on_shown: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._records, self._make_answer, self._live_for, self._refresh = records, make, live_for, refresh
        self._steer = steer
        self._ttl_s, self._clock = limits.ttl_s, clock
        self._on_shown = on_shown if on_shown is not None else _nobody
        self.process = ProcessCache(max_entries=limits.max_entries, max_bytes=limits.max_bytes)
        self.shared = shared
        self.figures = TierFigures()
        """Of the process tier."""
        self._items = ItemChanges(records)
        self._variants: list[tuple[Live, int]] = []
        self._n_variants = 0
        self._flights: dict[object, asyncio.Task[Entry]] = {}

    @property
    def tiers(self) -> dict[str, TierFigures]:
        """The figures of each tier."""
        return {"process": self.figures} | ({"shared": self.shared.figures} if self.shared is not None else {})

    def size(self) -> TierSize:
        """How full the process tier is."""
        return TierSize(len(self.process), self.process.size_bytes, self.process.evicted)

    async def get(self, subject: str, asked: Asked) -> bytes:
        """The body of the answer up to its request's id (see :class:`Entry`).

        Raises:
            ForetasteError: what the pipeline raises for a wrong id or question.
        """
        user_id = subject if asked.kind == "user" else None
        entry = self.process.get((subject, asked))
        token = self._records.change_token()
        if entry is not None and token is not None and self._is_untouched(entry, token, user_id):
            self.figures.hits += 1
            self._on_shown(entry.recommendation_id)
            return entry.head
        try:
            now = await self._records.stamp(user_id or "")
            if entry is not None and await self._is_right(entry, now, asked, user_id):
                entry.token, entry.checked_at = token, self._clock()
                self.figures.hits += 1
                self._on_shown(entry.recommendation_id)
                return entry.head
        except StorageError as exc:  # it cannot be told whether a kept list is right, so one is made, as far as can be
            self.figures.blind += 1
            log.warning("stamp_not_read", error=str(exc))
            answer = await self._make_answer(subject, asked)
            return entry_of(answer, Stamp(), -1, now=0.0, ttl_s=0.0).head
        if entry is None:
            self.figures.misses += 1
        else:
            self.figures.stale += 1
            self.process.drop((subject, asked))
        return await self._one_flight(subject, asked, now, user_id)

    def _is_untouched(self, entry: Entry, token: bytes, user_id: str | None) -> bool:
        """Whether nothing at all was written since the entry was last compared with the store, not long ago."""
        now = self._clock()
        return (
            entry.token == token
            and now - entry.checked_at < CHECK_S
            and now < entry.good_until
            and entry.variant == self._variant(self._live_for(user_id))
        )

    async def _is_right(self, entry: Entry, now: Stamp, asked: Asked, user_id: str | None) -> bool:
        stamp = entry.stamp
        if stamp[0] != now[0] or stamp[1] != now[1] or self._clock() >= entry.good_until:  # user, shared
            return False
        live = self._live_for(user_id)
        if entry.variant != self._variant(live):
            return False
        if entry.items == now[2]:
            return True
        if await self._items_changed(entry, now.items, asked, live):
            return False
        entry.items = now.items
        return True

    async def _items_changed(self, entry: Entry, until: int, asked: Asked, live: Live) -> bool:
        """Whether an item of the list has changed since, or one has come that the list might have to show."""
        since = entry.items
        if await self._items.touch(entry.item_ids, since=since, until=until):
            return True
        return self._items.arrived_after(since) and live.pipeline.config.shows_arrivals(asked.scenario)

    def _variant(self, live: Live) -> int:
        """A number for the models and the pipeline in ``live``; the same ones always have the same number."""
        for known, number in self._variants:
            if known.bundle is live.bundle and known.pipeline is live.pipeline:
                return number
        self._n_variants += 1
        self._variants = [(live, self._n_variants), *self._variants[: MAX_VARIANTS - 1]]
        return self._n_variants

    async def _one_flight(self, subject: str, asked: Asked, now: Stamp, user_id: str | None) -> bytes:
        """The list made once for all who ask for it meanwhile; who saw a newer stamp starts a new one."""
        key = (subject, asked, now.user, now.shared)
        task = self._flights.get(key)
        if task is None:
            task = asyncio.create_task(self._make(subject, asked, now, user_id), name="foretaste-list")
            self._flights[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
            return (await asyncio.shield(task)).head
        entry = await asyncio.shield(task)  # one caller that goes away takes the list from no other
        self.figures.joined += 1
        self._on_shown(entry.recommendation_id)
        return entry.head

    def _landed(self, key: object, task: "asyncio.Task[Entry]") -> None:
        del self._flights[key]
        if not task.cancelled():
            task.exception()  # whoever waits has seen it; when all are gone nobody needs to

    async def _make(self, subject: str, asked: Asked, now: Stamp, user_id: str | None) -> Entry:
        if self._steer is not None:
            await self._steer(now.shared)
        if now.items > self._live_for(user_id).catalogue.version:
            await self._refresh()
        live = self._live_for(user_id)
        variant = self._variant(live)
        ttl_s = self._ttl_of(asked, live)
        if self.shared is not None:
            found = await self.shared.get(subject, asked, now, live, ttl_s=ttl_s)
            if found is not None:
                entry = found.entry(now, variant, clock_now=self._clock(), ttl_s=ttl_s)
                if not await self._items_changed(entry, now.items, asked, live):
                    entry.items = now.items
                    self.process.put((subject, asked), entry)
                    self._on_shown(entry.recommendation_id)
                    return entry
        answer = await self._make_answer(subject, asked)
        entry = entry_of(answer, now, variant, now=self._clock(), ttl_s=ttl_s)
        if self._may_be_kept(answer) and self._variant(self._live_for(user_id)) == variant:
            self.process.put((subject, asked), entry)
            if self.shared is not None:
                self.shared.put(subject, asked, entry, live, ttl_s=ttl_s)
        return entry

    def _ttl_of(self, asked: Asked, live: Live) -> float:
        """How long a list may be kept: less where it rests on what changes by what others do."""
        own = live.pipeline.config.keep_s(asked.scenario if asked.kind == "user" else None)
        return self._ttl_s if own is None else min(own, self._ttl_s)

    def _may_be_kept(self, answer: Answer) -> bool:
        """A list that something failed for is made anew as soon as it is asked for again."""
        return self._ttl_s > 0 and not answer.degraded and answer.model_version is not None


def _nobody(_recommendation_id: str) -> None:
    """Nobody counts what is served again."""
