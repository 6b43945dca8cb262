"""Splits that keep whole items or whole users out of train: what is known of them must come from their features."""

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeInt

from foretaste.data import Dataset
from foretaste.errors import DataFormatError
from foretaste.evaluation.splits.base import Mask, Splitter

Order = Literal["random", "newest"]


class _Cold(Splitter):
    """What both splits share: which rows are drawn, of those that have interactions."""

    test_share: float = Field(default=0.2, gt=0, lt=1)
    """Part of the items (or users) with interactions that goes to test, rounded, at least one."""
    which: Order = "random"
    """Draw them at random, or take those whose first interaction is newest."""
    seed: NonNegativeInt = 0
    """Start of the random numbers."""

    def _drawn(self, data: Dataset, rows: npt.NDArray[np.int32], n: int) -> Mask:
        """The rows (n,) that are cold, of those that occur in ``rows`` (one for each interaction)."""
        present = np.unique(rows)
        wanted = min(max(int(np.rint(self.test_share * len(present))), 1), len(present))
        if self.which == "newest":
            if not data.interactions.has_times:
                raise DataFormatError(
                    f"the newest ones can only be told by time, and interactions of {data.name!r} lack times",
                    hint='use which="random"',
                )
            first = np.full(n, np.inf)
            np.minimum.at(first, rows, data.interactions.timestamps)
            chosen = present[np.argsort(-first[present], kind="stable")[:wanted]]
        else:
            chosen = np.random.default_rng(self.seed).choice(present, wanted, replace=False)
        cold = np.zeros(n, dtype=bool)
        cold[chosen] = True
        return cold

    def _drawing(self) -> str:
        return f"random, seed {self.seed}" if self.which == "random" else "the newest by first interaction"


class ColdItems(_Cold):
    """All interactions of a part of the items in test: how well are items ranked that nobody has taken yet?

    With ``candidates="cold"``, the usual protocol, lists are made of the cold items only, which says how well a model
    orders them. With ``"all"`` they compete with the known items, and a model must not only order them but dare to
    show them.
    """

    name: ClassVar[str] = "cold_items"

    candidates: Literal["cold", "all"] = "cold"
    """What is ranked: the cold items, or all items."""

    def _in_test(self, data: Dataset) -> Mask:
        rows = data.interactions.item_rows
        return self._drawn(data, rows, data.n_items)[rows] if len(rows) else np.zeros(0, dtype=bool)

    def _held_items(self, data: Dataset, in_test: Mask) -> Mask:
        held = np.zeros(data.n_items, dtype=bool)
        held[data.interactions.item_rows[in_test]] = True
        return held

    def _candidates(self, data: Dataset, in_test: Mask) -> Mask | None:
        return self._held_items(data, in_test) if self.candidates == "cold" else None

    def _protocol(self, data: Dataset) -> str:
        return f"cold items: all interactions of {self.test_share:.0%} of the items in test ({self._drawing()})"


class ColdUsers(_Cold):
    """All interactions of a part of the users in test: what are people shown of whom only attributes are known?"""

    name: ClassVar[str] = "cold_users"

    def _in_test(self, data: Dataset) -> Mask:
        rows = data.interactions.user_rows
        return self._drawn(data, rows, data.n_users)[rows] if len(rows) else np.zeros(0, dtype=bool)

    def _held_users(self, data: Dataset, in_test: Mask) -> Mask:
        held = np.zeros(data.n_users, dtype=bool)
        held[data.interactions.user_rows[in_test]] = True
        return held

    def _protocol(self, data: Dataset) -> str:
        return f"cold users: all interactions of {self.test_share:.0%} of the users in test ({self._drawing()})"
