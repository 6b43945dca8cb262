"""What a user did, as the models need it: the newest events of the store, weighted as the training weighted them."""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from foretaste.data import Population
from foretaste.data.intake.config import BuildConfig
from foretaste.data.weights import INTERACTION, NOT_KNOWN, RATING, READ, normal_action
from foretaste.events import Event
from foretaste.storage.records import Records, UserState

HISTORY_LIMIT = 500
"""Newest events of a user that are read for a request; older ones come from the training data."""
UNKNOWN_TIME = 0.0
"""Timestamp under which events of unknown time are stored."""
_DAY_S = 86_400.0


@dataclass(frozen=True)
class EventWeights:
    """The weight of a live event, by the rules of :class:`foretaste.data.BuildConfig`.

    What those rules take from the whole data (the top rating, the usual reading time, the newest moment) was measured
    when the models were trained and is kept with them.
    """

    table: Mapping[str, float] = field(default_factory=BuildConfig().action_weights.table)
    is_explicit: bool = False
    """Models learnt from ratings as they are."""
    positive_rating: float | None = None
    top_rating: float | None = None
    read_median_s: float | None = None
    multiply_by_value: frozenset[str] = frozenset()
    half_life_days: float | None = None
    newest: float = 0.0
    """Newest moment of the training data."""

    @classmethod
    def of(cls, settings: Mapping[str, Any], measured: Mapping[str, Any]) -> "EventWeights":
        """From the ``[data]`` part of a pipeline and what a training measured.

        Raises:
            ConfigurationError: the settings are wrong.
        """
        config = BuildConfig.of(settings)
        top = config.rating_scale[1] if config.rating_scale else measured.get("top_rating")
        return cls(
            config.action_weights.table(),
            bool(measured.get("is_explicit", False)),
            config.positive_rating,
            top,
            measured.get("read_median_s"),
            config.multiply_by_value,
            config.time_decay_half_life_days,
            float(measured.get("newest_timestamp") or 0.0),
        )

    def weight(self, event: Event) -> float:
        """Zero or more; 0 means «seen, but no sign of interest»."""
        action = normal_action(event.type)
        value = event.value
        if action == RATING and value is not None and self.positive_rating is not None and value < self.positive_rating:
            return 0.0
        if self.is_explicit:
            return value if action == RATING and value is not None and value > 0 else 0.0
        weight = self.table.get(action, 1.0)
        if value is not None:
            weight *= self._factor(action, value)
        if self.half_life_days is not None and self.newest:
            weight *= 2.0 ** (-max(0.0, self.newest - event.timestamp) / _DAY_S / self.half_life_days)
        return max(0.0, weight)

    def _factor(self, action: str, value: float) -> float:
        if action == RATING:
            return value / self.top_rating if self.top_rating else 1.0
        if action == READ:
            return min(math.log2(1.0 + max(0.0, value) / self.read_median_s), 2.0) if self.read_median_s else 1.0
        if action == INTERACTION:
            return value
        return math.log2(1.0 + max(value, 0.0)) if action in self.multiply_by_value else 1.0


@dataclass(frozen=True)
class History:
    """A complete history, oldest first, as a query carries it."""

    item_ids: tuple[str, ...]
    weights: tuple[float, ...]
    timestamps: tuple[float, ...]
    actions: Mapping[str, str] = field(default_factory=dict)
    """Item → the action that says most of it (the last one of equal weight), for explanations."""
    importance: tuple[float, ...] | None = None
    """How much each event counts now, above 0; None for all alike."""


def history_of(
    events: Sequence[Event], weights: EventWeights, *, user_id: str | None = None, population: Population | None = None
) -> History | None:
    """The history that ``events`` (oldest first) make; None when there are none, so that training data count.

    When as many events came as were asked for, older ones of the training data go before them. That somebody does not
    know an item is no part of a history.
    """
    n_events = len(events)
    events = [event for event in events if event.type != NOT_KNOWN]
    if not events:
        return None
    items = [event.item_id for event in events]
    values = [weights.weight(event) for event in events]
    times = [math.nan if event.timestamp == UNKNOWN_TIME else event.timestamp for event in events]
    if n_events >= HISTORY_LIMIT and population is not None and user_id is not None:
        row = population.users.row(user_id)
        if row >= 0:
            own = population.histories.slice(row)
            older = population.histories.timestamps[own] < times[0]
            items = population.items.ids_of(population.histories.item_rows[own][older]) + items
            values = population.histories.weights[own][older].tolist() + values
            times = population.histories.timestamps[own][older].tolist() + times
    return History(tuple(items), tuple(values), tuple(times), _actions(events, weights))


def _actions(events: Sequence[Event], weights: EventWeights) -> dict[str, str]:
    actions: dict[str, str] = {}
    strongest: dict[str, float] = {}
    for event in events:
        weight = weights.weight(event)
        if weight >= strongest.get(event.item_id, 0.0):
            strongest[event.item_id], actions[event.item_id] = weight, normal_action(event.type)
    return actions


class UserStates:
    """Reads users' states, kept in memory for as long as their stamps stay the same."""

    def __init__(self, records: Records, *, most: int = 20_000) -> None:
        self._records = records
        self._most = most
        self._states: OrderedDict[str, UserState] = OrderedDict()

    async def get(self, user_id: str) -> UserState:
        """The user's newest events as they are in the store now.

        Raises:
            StorageError: the store cannot be read.
        """
        cached = self._states.get(user_id)
        if cached is not None:
            stamp = await self._records.stamp(user_id)
            if cached.stamp.user == stamp.user:
                self._states.move_to_end(user_id)
                return cached if cached.stamp == stamp else replace(cached, stamp=stamp)
        state = await self._records.user_state(user_id, limit=HISTORY_LIMIT)
        self._states[user_id] = state
        if len(self._states) > self._most:
            self._states.popitem(last=False)
        return state
