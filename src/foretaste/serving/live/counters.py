"""What everybody takes right now: counts that fade, kept up to date by every event of every worker."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foretaste.events import Event
from foretaste.serving.live.decayed import DecayedSums, Doubles, Longs, Slice
from foretaste.serving.live.groups import CountersConfig, groups_of
from foretaste.serving.live.users import UNKNOWN_TIME, EventWeights

GOOD_S = 1.0
"""A ranking is made anew after this time though nothing came, as old and new counts fade at different speeds."""
REST = 20.0
"""A ranking that events have made old rests for this many times what it took, times the number of rankings, so that
making them takes a twentieth of a core at most."""
TOP = 1000
"""Best items of a ranking that are put in order at first."""
MOST_RANKINGS = 64
_HOUR_S = 3600.0
_EVERYBODY = ("", "")
_POPULAR, _RECENT = 0, 1


@dataclass(frozen=True)
class Ranked:
    """Items with what they count, best first; of many only the best are in order."""

    item_ids: tuple[str, ...]
    scores: Doubles
    is_complete: bool
    """No item with a count is left out."""
    made_at: float
    seconds: float
    """What making it took."""
    version: int


class LiveCounters:
    """Popularity and trends of every item: of all users, and of those with one value of a key (``CountersConfig``).

    An event adds its weight w at its time t (one of the future: at the present), which is then worth
    w·2^(-(now - t)/half-life). Any threads may take events in and ask. When more than ``most_counts`` pairs of group
    and item are there, the smallest counts are dropped, which is the only way in which it is not exact.
    """

    def __init__(self, config: CountersConfig, *, clock: Callable[[], float] = time.time) -> None:
        self.config, self._clock = config, clock
        half_lives = (config.half_life_hours * _HOUR_S, config.trend_half_life_hours * _HOUR_S)
        self._ratio = half_lives[_RECENT] / half_lives[_POPULAR]
        self._sums = DecayedSums(half_lives, most=config.most_counts)
        self._groups: dict[tuple[str, str], int] = {_EVERYBODY: 0}
        self._values = dict.fromkeys(config.keys, 0)
        self._items: dict[str, int] = {}
        self._ids: list[str] = []
        self._version = 0
        self._rankings: dict[tuple[Any, ...], Ranked] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Pairs of group and item that have a count."""
        return len(self._sums)

    # --- counting ------------------------------------------------------------------------------------------------

    def take(self, events: Sequence[Event], weights: EventWeights, attributes: Mapping[str, Mapping[str, Any]]) -> None:
        """Count events; ``attributes`` are those of their users, as far as they are known."""
        counted: list[tuple[tuple[str, str], str, float, float]] = []
        for event in events:
            weight = weights.weight(event)
            if weight > 0 and event.timestamp != UNKNOWN_TIME:
                known = groups_of(self.config, event.context, attributes.get(event.user_id, {}), event.timestamp)
                groups = (_EVERYBODY, *known.items())
                counted.extend((group, event.item_id, weight, event.timestamp) for group in groups)
        with self._lock:
            numbers = [(self._group(group), self._item(item_id)) for group, item_id, _, _ in counted]
            pairs = np.array(numbers, np.int64).reshape(-1, 2)
            added = pairs[:, 0] >= 0
            worth = np.array([weight for _, _, weight, _ in counted])[added]
            times = np.array([moment for _, _, _, moment in counted])[added]
            if self._sums.add(pairs[added, 0], pairs[added, 1], worth, times, now=self._clock()):
                self._forget()
            self._version += 1

    def _item(self, item_id: str) -> int:
        item = self._items.get(item_id)
        if item is None:
            item = self._items[item_id] = len(self._ids)
            self._ids.append(item_id)
        return item

    def _group(self, key: tuple[str, str]) -> int:
        """The number of a group; -1 for a value too many of its key."""
        group = self._groups.get(key, -1)
        if group < 0 and self._values[key[0]] < self.config.most_values:
            group = self._groups[key] = len(self._groups)
            self._values[key[0]] += 1
        return group

    def _forget(self) -> None:
        """Give back the numbers of groups and items that have no counts any more."""
        groups, items = np.union1d([0], self._sums.groups), self._sums.items
        names = list(self._groups)  # in the order of their numbers
        self._ids = [self._ids[item] for item in items.tolist()]
        self._items = {item_id: item for item, item_id in enumerate(self._ids)}
        self._groups = {names[group]: n for n, group in enumerate(groups.tolist())}
        self._values = dict.fromkeys(self.config.keys, 0)
        for key, _ in list(self._groups)[1:]:
            self._values[key] += 1
        self._sums.renumber(groups, items)

    # --- asking --------------------------------------------------------------------------------------------------

    def popular(self, known: Mapping[str, str], *, smoothing: float, now: float, everything: bool = False) -> Ranked:
        """Items by their share of what is taken, best first.

        Of each group g that ``known`` (key → value) names the shares are (S_g(i) + m·p(i))/(S_g + m), S being counts, p
        everybody's shares and m ``smoothing``; their mean over the groups is the score. Without a group it is p. Only
        the best ``TOP`` items are put in order, without ``everything``.
        """
        key = ("popular", tuple(sorted(known.items())), smoothing, everything)
        return self._ranked(key, now, lambda: self._shares(known, smoothing, now))

    def trending(self, known: Mapping[str, str], *, smoothing: float, now: float, everything: bool = False) -> Ranked:
        """Items that are taken more of late than before, best first: by (R - E)/√(E + m), where that is above 0.

        R are counts by the shorter half-life h, E = S·h/H what they would be had the items been taken evenly, S counts
        by the longer one H; m is ``smoothing``. Counts are those of the groups that ``known`` names, added up, else
        everybody's. It is the surprise of the model ``trending``, with fading counts for windows.
        """
        key = ("trending", tuple(sorted(known.items())), smoothing, everything)
        return self._ranked(key, now, lambda: self._surprise(known, smoothing, now))

    def _ranked(self, key: tuple[Any, ...], now: float, score: Callable[[], Doubles]) -> Ranked:
        kept = self._rankings.get(key)
        if kept is not None and self._is_good(kept, now):
            return kept
        with self._lock:
            kept = self._rankings.pop(key, None)
            if kept is None or not self._is_good(kept, now):  # no other thread has just made it
                kept = self._made(now, score, is_whole=key[-1])
            self._rankings[key] = kept
            if len(self._rankings) > MOST_RANKINGS:
                del self._rankings[next(iter(self._rankings))]
            return kept

    def _is_good(self, ranked: Ranked, now: float) -> bool:
        age = abs(now - ranked.made_at)
        rests = age < REST * ranked.seconds * len(self._rankings)
        return rests or (age < GOOD_S and ranked.version == self._version)

    def _made(self, now: float, score: Callable[[], Doubles], *, is_whole: bool) -> Ranked:
        start = time.perf_counter()
        scores = score()
        best = _best(scores, len(scores) if is_whole else TOP)
        ids = tuple([self._ids[item] for item in best.tolist()])
        is_complete = len(best) == np.count_nonzero(scores > 0)
        return Ranked(ids, scores[best], is_complete, now, time.perf_counter() - start, self._version)

    def _shares(self, known: Mapping[str, str], smoothing: float, now: float) -> Doubles:
        total = self._dense([self._sums.of(0, now=now)], _POPULAR)
        shares: Doubles = total / max(float(total.sum()), 1e-300)
        parts = self._parts(known, now)
        if not parts:
            return shares
        out = np.zeros(len(self._ids))
        for part in parts:
            own = part.sums[_POPULAR]
            scale = 1.0 / (own.sum() + smoothing) / len(parts)
            out[part.items] += own * scale
            out += shares * (smoothing * scale)
        return out

    def _surprise(self, known: Mapping[str, str], smoothing: float, now: float) -> Doubles:
        parts = self._parts(known, now) or [self._sums.of(0, now=now)]
        recent, expected = self._dense(parts, _RECENT), self._dense(parts, _POPULAR) * self._ratio
        return np.asarray((recent - expected) / np.sqrt(expected + smoothing), dtype=np.float64)

    def _parts(self, known: Mapping[str, str], now: float) -> list[Slice]:
        numbers = [self._groups.get(key) for key in known.items()]
        return [self._sums.of(number, now=now) for number in numbers if number is not None]

    def _dense(self, parts: Sequence[Slice], which: int) -> Doubles:
        out = np.zeros(len(self._ids))
        for part in parts:
            out[part.items] += part.sums[which]
        return out


def _best(scores: Doubles, most: int) -> Longs:
    """Items with a score above 0, the largest first, equal ones by their number; at most ``most``."""
    found = np.flatnonzero(scores > 0)
    if len(found) > most:
        found = found[np.argpartition(-scores[found], most)[:most]]
    return found[np.lexsort((found, -scores[found]))]
