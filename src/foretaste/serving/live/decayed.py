"""Sums that fade: of many pairs of group and item at once, with several half-lives, in sorted arrays."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Longs = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
_SHIFT = 32
_REBASE = 400.0
"""Half-lives after which sums are scaled down; a double holds 1000."""
_GONE = 2.0**-60
"""Sums below this are nothing."""
_KEEP = 0.75
"""Part of the most pairs that is kept when there are too many, so that it is rare."""
_YOUNG = 4096
"""New pairs, beside a sixteenth of all, that wait to be put among the others: moving all of them costs most."""


class Slice(NamedTuple):
    """The counts of one group: items (n,), each once, and their sums (H, n) at a moment."""

    items: Longs
    sums: Doubles


@dataclass(frozen=True)
class _Table:
    pairs: Longs
    """(n,) group << 32 | item, ascending."""
    sums: Doubles
    """(H, n) in units of 2^((t - base) / half-life)."""

    def add(self, pairs: Longs, gains: Doubles) -> npt.NDArray[np.bool_]:
        """Add gains (H, m) to the pairs (m,) that are here, in place; which those are."""
        if len(self.pairs) == 0:
            return np.zeros(len(pairs), dtype=bool)
        places = np.minimum(np.searchsorted(self.pairs, pairs), len(self.pairs) - 1)
        known = np.asarray(self.pairs[places] == pairs)
        self.sums[:, places[known]] += gains[:, known]
        return known

    def joined(self, pairs: Longs, gains: Doubles) -> "_Table":
        """A table with pairs (m,), ascending, that are not here."""
        places = np.searchsorted(self.pairs, pairs)
        return _Table(np.insert(self.pairs, places, pairs), np.insert(self.sums, places, gains, axis=1))

    def taken(self, places: Longs | npt.NDArray[np.bool_]) -> "_Table":
        """The pairs at some places."""
        return _Table(self.pairs[places], self.sums[:, places])

    def of(self, group: int) -> "_Table":
        """The pairs of one group."""
        start, stop = np.searchsorted(self.pairs, [group << _SHIFT, (group + 1) << _SHIFT])
        return _Table(self.pairs[start:stop], self.sums[:, start:stop])


class DecayedSums:
    """For each group and item Σ w·2^(-(now - t)/h) over all that was added, in whatever order it came.

    Not safe to use from two threads at once. Cost of adding N: O(N log n), and once in a while O(n). Memory:
    8·(1 + H) bytes a pair, of which there are ``most`` at most: beyond it the smallest are dropped.
    """

    def __init__(self, half_lives_s: tuple[float, ...], *, most: int) -> None:
        self._half_lives = np.array(half_lives_s)
        self._most = most
        self._base = self._last = 0.0
        self._old = self._young = _Table(np.zeros(0, np.int64), np.zeros((len(half_lives_s), 0)))

    def __len__(self) -> int:
        return len(self._old.pairs) + len(self._young.pairs)

    def add(self, groups: Longs, items: Longs, weights: Doubles, times: Doubles, *, now: float) -> bool:
        """Add weights (N,); a time after ``now`` counts as ``now``. Whether pairs had to be dropped to make room."""
        if len(groups) == 0:
            return False
        self._base_on(now)
        pairs, inverse = np.unique((groups << _SHIFT) | items, return_inverse=True)
        ages = (np.minimum(times, now) - self._base)[None, :] / self._half_lives[:, None]
        worth = weights * np.exp2(np.maximum(ages, -1000.0))  # (H, N)
        gains: Doubles = np.array([np.bincount(inverse, own, minlength=len(pairs)) for own in worth], np.float64)
        new = ~self._old.add(pairs, gains)
        pairs, gains = pairs[new], gains[:, new]
        new = ~self._young.add(pairs, gains)
        if new.any():
            self._young = self._young.joined(pairs[new], gains[:, new])
            if len(self._young.pairs) > _YOUNG + len(self._old.pairs) // 16 or len(self) > self._most:
                self._merge()
        if len(self) <= self._most:
            return False
        self._drop_smallest()
        return True

    def of(self, group: int, *, now: float) -> Slice:
        """The counts of one group at ``now``."""
        old, young = self._old.of(group), self._young.of(group)
        ages = (now - self._base) / self._half_lives
        fade = np.exp2(-np.maximum(ages, -_REBASE))[:, None]  # a clock that was set back gives no infinity
        items = np.concatenate([old.pairs, young.pairs]) & ((1 << _SHIFT) - 1)
        return Slice(items, np.concatenate([old.sums, young.sums], axis=1) * fade)

    @property
    def groups(self) -> Longs:
        """Groups that have counts, ascending."""
        self._merge()
        return np.unique(self._old.pairs >> _SHIFT)

    @property
    def items(self) -> Longs:
        """Items that have counts, ascending."""
        self._merge()
        return np.unique(self._old.pairs & ((1 << _SHIFT) - 1))

    def renumber(self, groups: Longs, items: Longs) -> None:
        """Give every group and item another number: its place in ``groups`` and ``items`` (ascending)."""
        self._merge()
        own = np.searchsorted(groups, self._old.pairs >> _SHIFT)
        mine = np.searchsorted(items, self._old.pairs & ((1 << _SHIFT) - 1))
        self._old = _Table((own << _SHIFT) | mine, self._old.sums)

    def _merge(self) -> None:
        if len(self._young.pairs):
            self._old = self._old.joined(self._young.pairs, self._young.sums)
            self._young = self._young.taken(np.zeros(0, np.int64))

    def _base_on(self, now: float) -> None:
        """Scale sums to another base when what is added now would grow too large, or the clock was set back: then they
        are worth at ``now`` what they were before.
        """
        shortest = self._half_lives.min()
        was_set_back = now < self._last - shortest
        if len(self) == 0:
            self._base = now
        elif was_set_back or now - self._base > _REBASE * shortest:
            self._merge()
            at = self._last if was_set_back else now
            sums = self._old.sums * np.exp2(-(at - self._base) / self._half_lives)[:, None]
            self._old = _Table(self._old.pairs, sums).taken(sums.max(axis=0) > _GONE)
            self._base = now
        self._last = now

    def _drop_smallest(self) -> None:
        """Keep the pairs that count most by the longest half-life."""
        n = int(_KEEP * self._most)
        worth = self._old.sums[int(np.argmax(self._half_lives))]
        self._old = self._old.taken(np.sort(np.argpartition(-worth, n)[:n]))
