"""Teaches the policies: what was explored comes from the log of exposures, what came of it from the log of events.

Every worker reads both logs, so all learn the same, whoever served the list and whoever took in the click.
"""

import asyncio
import time
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.errors import ConfigurationError, ForetasteError
from foretaste.events import Event
from foretaste.logs import get_logger
from foretaste.models.bandits import Bandit
from foretaste.monitoring import Metrics
from foretaste.serving.exploration.config import ExplorationConfig
from foretaste.serving.exploration.policy import Explorer, SharedBandit
from foretaste.serving.exploration.saved import Learnt, load, save, saved_at
from foretaste.storage.records import Exposure, Records

PAGE = 100
"""Entries read at once: their decoding holds up the event loop for a few milliseconds."""
SAVE_S = 60.0
"""Time between two savings, by whatever worker."""
WINDOW_S = 86_400.0
"""An event counts when it comes within this time of the list that it names."""
PATIENCE_S = 30.0
"""How long an event waits for the list that it names to be logged."""
REREAD = 50_000
"""Newest lists and events of the logs from which a policy that was never saved, or long ago, learns again."""
MOST_LISTS = 100_000
"""Lists that are remembered, so that clicks on them need no look into the store."""
MOST_WAITING = 10_000
"""Lists not logged yet for which events wait; of further ones the events are passed over."""
log = get_logger(__name__)


@dataclass(frozen=True)
class _Shown:
    """A list that explored, as far as clicks on it matter."""

    policy: str
    at: float
    items: tuple[str, ...]
    features: npt.NDArray[np.float64] | None


@dataclass
class _Waiting:
    """Events on a list that is not logged yet."""

    after: int
    """The sequence that the first of them came after."""
    since: float
    events: list[Event]
    is_sought: bool
    """Whether the store was asked for it."""


@dataclass
class _Follow:
    """One policy that is followed."""

    shared: weakref.ref[SharedBandit]
    bandit: Bandit
    config: ExplorationConfig
    given: dict[str, tuple[float, dict[str, float]]]
    """List → when it was shown, and the reward that each item has had."""
    is_saved: bool = True


class Learner:
    """Keeps the bandits of an explorer up to date. A subscriber of the event follower: for each batch of events first
    :meth:`prepare` is called, then :meth:`take`, both in the event loop.

    A list that explored counts as shown once, however often a cache served it; an item of it is rewarded with the most
    that any event on it within a day is worth. Both count with the time of the list. So what is learnt is a function
    of the logs, whatever the order in which they are read, and reading a part of the events twice changes nothing.
    """

    def __init__(
        self,
        records: Records,
        explorer: Explorer,
        *,
        metrics: Metrics,
        save_s: float = SAVE_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records, self._explorer, self._metrics = records, explorer, metrics
        self._save_s, self._clock = save_s, clock
        self._follows: dict[str, _Follow] = {}
        self._exposures = 0
        """Number of the newest list that was read."""
        self._events = 0
        """Sequence up to which events were taken, or wait."""
        self._lists: OrderedDict[str, _Shown | None] = OrderedDict()
        self._waiting: dict[str, _Waiting] = {}
        self._is_prepared = False
        self._save_at = clock() + save_s

    def wants(self) -> bool:
        """Whether anything explores."""
        return self._explorer.in_use

    async def prepare(self, after: int, events: Sequence[Event]) -> None:
        """Take up new policies and newly logged lists, and find the lists that the events name.

        Raises:
            StorageError: the store cannot be read; what is missing is read the next time.
        """
        self._events, self._is_prepared = after, False
        await self._take_up(after)
        async for exposure in _exposures(self._records, self._exposures):
            self._exposures = exposure.number
            self._show(exposure)
        for name in {event.recommendation_id for event in events if event.recommendation_id}:
            await self._find(name)
        for name in [name for name, one in self._waiting.items() if not one.is_sought]:
            await self._find(name)
            self._waiting[name].is_sought = True
            if name in self._lists:
                self._take_waiting(name)
        self._is_prepared = True
        now = self._clock()
        while self._waiting and now - next(iter(self._waiting.values())).since > PATIENCE_S:
            del self._waiting[next(iter(self._waiting))]
        if now >= self._save_at:
            await self.save()

    def take(self, events: Sequence[Event]) -> None:
        """Reward what the events on explored lists are worth; those whose list is not logged yet wait for it."""
        for event in events:
            if event.recommendation_id:
                self._take(event.recommendation_id, event)

    async def save(self) -> None:
        """Keep what was learnt, unless another worker has just done so; failures are logged."""
        now = self._clock()
        self._save_at = now + self._save_s
        events = min([self._events, *(one.after for one in self._waiting.values())])
        new: dict[str, Learnt] = {}
        try:
            for name, follow in self._follows.items():
                follow.given = {one: kept for one, kept in follow.given.items() if now - kept[0] <= WINDOW_S}
                if not follow.is_saved and now - await saved_at(self._records, name) >= self._save_s / 2:
                    given = {one: (at, dict(items)) for one, (at, items) in follow.given.items()}
                    new[name] = Learnt(follow.bandit, self._exposures, events, given)
                    follow.is_saved = True
            if new and not await save(self._records, new, now):
                self._unsaved(new)
        except ForetasteError as exc:
            self._unsaved(new)
            self._metrics.count_store_error("exploration")
            log.warning("exploration_not_saved", error=str(exc))

    def _unsaved(self, names: Iterable[str]) -> None:
        for name in names:
            self._follows[name].is_saved = False

    # --- policies that come and go -------------------------------------------------------------------------------

    async def _take_up(self, after: int) -> None:
        """Follow the policies of now; a new one first learns what the logs have told so far."""
        shared = self._explorer.shared()
        self._follows = {name: one for name, one in self._follows.items() if one.shared() is shared.get(name)}
        for name, bandit in shared.items():
            if name not in self._follows:
                if not self._follows:
                    self._exposures = await _last_exposure(self._records)
                self._follows[name] = await self._caught_up(name, bandit, after)

    async def _caught_up(self, name: str, shared: SharedBandit, after: int) -> _Follow:
        """A policy up to the lists and events that were read for the others."""
        fresh = await asyncio.to_thread(_ready, shared.config)
        learnt = await load(self._records, name, fresh) or Learnt(fresh)
        follow = _Follow(weakref.ref(shared), learnt.bandit, shared.config, dict(learnt.given))
        async for exposure in _exposures(self._records, max(learnt.exposures, self._exposures - REREAD)):
            if exposure.number > self._exposures:
                break
            shown = self._remember(exposure)
            if shown is not None and shown.policy == name:
                _show(follow, shown)
        sequence = max(learnt.events, after - REREAD)
        while sequence < after:
            found = await self._records.new_events(sequence, PAGE)
            for sequence, event in found:
                if event.recommendation_id and sequence <= after:
                    await self._find(event.recommendation_id)
                    shown = self._lists.get(event.recommendation_id)
                    if shown is not None and shown.policy == name:
                        _reward(follow, event.recommendation_id, shown, event)
                    is_logged = event.recommendation_id in self._lists
                    if not is_logged and self._clock() - event.timestamp < PATIENCE_S:
                        self._wait(event.recommendation_id, event, sequence - 1)
            if not found:
                break
        shared.bandit = follow.bandit
        log.info("exploration_followed", policy=name, arms=len(follow.bandit.arms))
        return follow

    # --- one list, one event -------------------------------------------------------------------------------------

    def _show(self, exposure: Exposure) -> None:
        """Count a newly logged list, and take the events that waited for it."""
        shown = self._remember(exposure)
        follow = self._follows.get(shown.policy) if shown is not None else None
        if shown is not None and follow is not None and _show(follow, shown):
            self._metrics.count_explored("shown", len(shown.items))
        self._take_waiting(exposure.recommendation_id)

    def _take_waiting(self, name: str) -> None:
        waiting = self._waiting.pop(name, None)
        for event in waiting.events if waiting is not None else ():
            self._take(name, event)

    def _take(self, name: str, event: Event) -> None:
        if name not in self._lists:
            self._wait(name, event, self._events)
            return
        shown = self._lists[name]
        follow = self._follows.get(shown.policy) if shown is not None else None
        if shown is not None and follow is not None and _reward(follow, name, shown, event):
            self._metrics.count_explored("rewarded", 1)

    def _wait(self, name: str, event: Event, after: int) -> None:
        if name in self._waiting:
            self._waiting[name].events.append(event)
        elif len(self._waiting) < MOST_WAITING:
            self._waiting[name] = _Waiting(after, self._clock(), [event], self._is_prepared)

    async def _find(self, name: str) -> None:
        """Look for a list in the store when it is not remembered."""
        if name not in self._lists:
            exposure = await self._records.exposure(name)
            if exposure is not None:
                self._remember(exposure)

    def _remember(self, exposure: Exposure) -> _Shown | None:
        shown = self._lists[exposure.recommendation_id] = _shown(exposure)
        if len(self._lists) > MOST_LISTS:
            self._lists.popitem(last=False)
        return shown


async def _exposures(records: Records, after: int) -> AsyncIterator[Exposure]:
    """All lists of the log after a number, in order."""
    while True:
        page = await records.exposures(after, PAGE)
        for exposure in page:
            yield exposure
        if len(page) < PAGE:
            return
        after = page[-1].number


async def _last_exposure(records: Records) -> int:
    """The number of the newest list in the log, found by halving; 0 when there is none."""
    low, high = 0, 1
    while await records.exposures(high - 1, 1):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if await records.exposures(middle - 1, 1):
            low = middle
        else:
            high = middle
    return low


def _ready(config: ExplorationConfig) -> Bandit:
    """A new bandit, after another one has compiled all that it needs."""
    bandit = config.new_bandit()
    arms, features = bandit.rows(["a"]), np.zeros((1, config.n_features)) if bandit.needs_features else None
    bandit.show(arms, now=0.0, features=features)
    bandit.reward(arms, np.ones(1), now=0.0, features=features)
    bandit.choose(arms, 1, seed=0, features=features)
    return config.new_bandit()


def _shown(exposure: Exposure) -> _Shown | None:
    """What a logged list explored; None when nothing, or when it cannot be read."""
    arms: Mapping[str, Any] = exposure.arms
    policy, items, features = arms.get("policy"), arms.get("items"), arms.get("features")
    if not isinstance(policy, str) or not isinstance(items, list | tuple) or not items:
        return None
    try:
        values = np.array(features, dtype=np.float64) if features else None
    except (TypeError, ValueError):
        return None
    return _Shown(policy, exposure.first_at, tuple(map(str, items)), values)


def _show(follow: _Follow, shown: _Shown) -> bool:
    """Count what a list explored; False when it does not fit the policy (somebody else's numbers in the log)."""
    bandit = follow.bandit
    try:
        bandit.show(bandit.rows(shown.items), now=shown.at, features=shown.features)
    except ConfigurationError as exc:
        log.info("exploration_list_passed_over", policy=shown.policy, error=str(exc))
        return False
    follow.is_saved = False
    return True


def _reward(follow: _Follow, name: str, shown: _Shown, event: Event) -> bool:
    """Add what an event is worth beyond what its item has had; whether it was anything."""
    if event.item_id not in shown.items or event.timestamp - shown.at > WINDOW_S:
        return False
    at, given = follow.given.get(name, (shown.at, {}))
    worth, before = follow.config.reward(event.type), given.get(event.item_id, 0.0)
    if worth <= before:
        return False
    place = shown.items.index(event.item_id)
    features = None if shown.features is None else shown.features[place : place + 1]
    bandit = follow.bandit
    try:
        bandit.reward(bandit.rows([event.item_id]), np.array([worth - before]), now=shown.at, features=features)
    except ConfigurationError as exc:
        log.info("exploration_event_passed_over", policy=shown.policy, error=str(exc))
        return False
    follow.given[name] = (at, {**given, event.item_id: worth})
    follow.is_saved = False
    return True
