"""Splits that take a part of every user's history."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeInt, PositiveInt

from foretaste.data import Dataset, Interactions
from foretaste.evaluation.splits.base import Mask, Splitter

Counts = npt.NDArray[np.int64]


class RandomPairs(Splitter):
    """Base of the random splits: draws user-item pairs, so all repetitions of a pair fall on one side."""

    seed: NonNegativeInt = 0
    """Start of the random numbers."""

    @abstractmethod
    def _to_draw(self, n_pairs: Counts) -> Counts:
        """How many of each user's pairs to draw (U,), given how many there are (U,)."""

    def _in_test(self, data: Dataset) -> Mask:
        interactions = data.interactions
        pair_of, users = pairs_of(interactions, data.n_items)
        n_pairs = np.bincount(users, minlength=data.n_users)
        drawn = np.zeros(len(users), dtype=bool)
        # One sort draws for everybody: the user's row, and behind the decimal point a random number.
        keys = users + 0.999 * np.random.default_rng(self.seed).random(len(users))
        order = np.argsort(keys, kind="stable")
        first = np.cumsum(n_pairs) - n_pairs
        place = np.arange(len(users)) - np.repeat(first, n_pairs)
        drawn[order] = place < np.repeat(self._to_draw(n_pairs), n_pairs)
        return drawn[pair_of]


class RandomShare(RandomPairs):
    """A random part of every user's items.

    A user keeps at least one item in train; one with fewer than ``min_items`` stays in train as a whole.
    """

    name: ClassVar[str] = "random"

    test_share: float = Field(default=0.2, gt=0, lt=1)
    """Part of each user's items that goes to test, rounded, at least one."""
    min_items: int = Field(default=2, ge=2)
    """Items that a user needs to be in test."""

    def _to_draw(self, n_pairs: Counts) -> Counts:
        wanted = np.clip(np.rint(n_pairs * self.test_share).astype(np.int64), 1, np.maximum(n_pairs - 1, 1))
        return np.where(n_pairs >= self.min_items, wanted, 0)

    def _protocol(self, data: Dataset) -> str:
        return (
            f"random {self.test_share:.0%} of each user's items in test (users with at least {self.min_items} items, "
            f"seed {self.seed})"
        )


class LeaveOneOut(RandomPairs):
    """One random item of every user."""

    name: ClassVar[str] = "leave_one_out"

    min_items: int = Field(default=2, ge=2)
    """Items that a user needs to be in test."""

    def _to_draw(self, n_pairs: Counts) -> Counts:
        return (n_pairs >= self.min_items).astype(np.int64)

    def _protocol(self, data: Dataset) -> str:
        return f"one random item of each user in test (users with at least {self.min_items} items, seed {self.seed})"

    def _advice(self) -> str:
        return "users need at least two items"


class LeaveLast(Splitter):
    """The last ``n`` interactions of every user.

    Without times the order given counts as the order in time. An item that the user had before may come again in test:
    :func:`check_leakage` counts them.
    """

    name: ClassVar[str] = "leave_last"

    n: PositiveInt = 1
    """Interactions of each user that go to test."""
    min_train: PositiveInt = 1
    """Interactions that must be left in train, else the user stays there as a whole."""

    def _in_test(self, data: Dataset) -> Mask:
        lengths = data.histories.lengths
        from_end = np.repeat(np.cumsum(lengths), lengths) - np.arange(data.n_interactions)  # 1 is the newest
        taken = np.where(lengths >= self.n + self.min_train, self.n, 0)
        return from_end <= np.repeat(taken, lengths)

    def _protocol(self, data: Dataset) -> str:
        order = "by time" if data.interactions.has_times else "in the order given, as times are missing"
        kept = f"users with at least {self.n + self.min_train}"
        return f"last {self.n} of each user's interactions in test, {order} ({kept})"

    def _advice(self) -> str:
        return f"users need at least {self.n + self.min_train} interactions"


def pairs_of(interactions: Interactions, n_items: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each interaction the number of its user-item pair (N,), and the user of each pair, ascending (P,)."""
    keys = interactions.user_rows.astype(np.int64) * n_items + interactions.item_rows
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_first = np.ones(len(keys), dtype=bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    pair_of = np.empty(len(keys), dtype=np.int64)
    pair_of[order] = np.cumsum(is_first) - 1
    return pair_of, ordered[is_first] // n_items
