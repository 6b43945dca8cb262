"""The truth that lists are judged by: which items each user took in the test part."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from foretaste.errors import DataFormatError
from foretaste.evaluation.metrics.base import Catalogue, Floats, Judged


@dataclass(frozen=True)
class Truth:
    """Relevant items of B users: user b's are ``item_rows[indptr[b]:indptr[b + 1]]``, ascending, with their weights."""

    indptr: npt.NDArray[np.int64]  # (B + 1,)
    item_rows: npt.NDArray[np.int32]  # (N,)
    weights: Floats  # (N,) all above 0

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @cached_property
    def n_relevant(self) -> npt.NDArray[np.int64]:
        """Relevant items of each user (B,)."""
        return np.diff(self.indptr)

    @cached_property
    def is_binary(self) -> bool:
        """All weights are 1."""
        return bool((self.weights == 1).all())

    def block(self, start: int, stop: int) -> "Truth":
        """Users ``start:stop`` without copying their items."""
        a, b = int(self.indptr[start]), int(self.indptr[stop])
        return Truth(self.indptr[start : stop + 1] - a, self.item_rows[a:b], self.weights[a:b])

    def take(self, users: npt.NDArray[np.integer]) -> "Truth":
        """The truth of the chosen users, in that order."""
        lengths = self.n_relevant[users]
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        picks = np.repeat(self.indptr[users] - indptr[:-1], lengths) + np.arange(indptr[-1])
        return Truth(indptr, self.item_rows[picks], self.weights[picks])


def judge(item_rows: npt.NDArray[np.int32], truth: Truth, catalogue: Catalogue) -> Judged:
    """Ranked lists (B, k), padded with -1, beside the truth of the same users. About a million users a second.

    Raises:
        DataFormatError: unequal numbers of users, or an item in a list twice (its hit would count twice).
    """
    if len(item_rows) != len(truth):
        raise DataFormatError(f"{len(item_rows)} lists cannot be judged by the truth of {len(truth)} users")
    from foretaste.evaluation.metrics.kernels import best_first, first_repeated, look_up

    item_rows = np.ascontiguousarray(item_rows, dtype=np.int32)
    bad = first_repeated(item_rows, np.full(catalogue.n_items, -1, np.int64))
    if bad >= 0:
        raise DataFormatError(f"the list of user number {bad} of the batch holds an item twice, or one of no catalogue")
    gains = np.empty(item_rows.shape)
    look_up(item_rows, truth.indptr, truth.item_rows, truth.weights, gains)
    if truth.is_binary:
        ideal = (np.arange(item_rows.shape[1]) < truth.n_relevant[:, None]).astype(np.float64)
    else:
        ideal = np.zeros(item_rows.shape)
        best_first(truth.indptr, truth.weights, ideal)
    return Judged(item_rows, gains, truth.n_relevant, ideal, catalogue)
