"""Ragged histories: for each of many users, the items in time order. What models fold in and what lists leave out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

Values = Literal["binary", "weight"]


@dataclass(frozen=True, eq=False)
class Histories:
    """Item rows, weights and times of ``len(self)`` users, one after the other.

    User b owns the slice ``indptr[b]:indptr[b + 1]`` of the other arrays, oldest first. A weight of 0 means «seen,
    but no sign of interest» (a skip, a low rating): it is left out of lists but teaches nothing. A repeated item stays
    repeated here and is summed up by :meth:`matrix`.
    """

    indptr: npt.NDArray[np.int64]  # (B + 1,)
    item_rows: npt.NDArray[np.int32]  # (N,)
    weights: npt.NDArray[np.float32]  # (N,)
    timestamps: npt.NDArray[np.float64]  # (N,) seconds, NaN where unknown
    n_items: int
    importance: npt.NDArray[np.float32] | None = None
    """(N,) how much each entry counts at this moment, above 0 (in a visit the newest count more); None for all alike.
    It scales the entries of :meth:`matrix`, so that models for which all interactions are ones know it too."""

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Interactions per user (B,)."""
        return np.diff(self.indptr)

    def slice(self, user: int) -> slice:
        """Where user ``user`` of this batch lies in the flat arrays."""
        return slice(int(self.indptr[user]), int(self.indptr[user + 1]))

    def take(self, rows: npt.NDArray[np.integer]) -> "Histories":
        """The histories of ``rows``, in that order; -1 gives an empty one."""
        rows = np.asarray(rows)
        if rows.size == 0 or len(self) == 0:
            return Histories.empty(len(rows), self.n_items)
        known = np.where(rows >= 0, rows, 0)
        lengths = np.where(rows >= 0, self.lengths[known], 0)
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        picks = np.repeat(self.indptr[known] - indptr[:-1], lengths) + np.arange(indptr[-1])
        importance = None if self.importance is None else self.importance[picks]
        return Histories(
            indptr, self.item_rows[picks], self.weights[picks], self.timestamps[picks], self.n_items, importance
        )

    def block(self, start: int, stop: int) -> "Histories":
        """Users ``start:stop`` without copying their interactions."""
        a, b = int(self.indptr[start]), int(self.indptr[stop])
        return Histories(
            self.indptr[start : stop + 1] - a,
            self.item_rows[a:b],
            self.weights[a:b],
            self.timestamps[a:b],
            self.n_items,
            None if self.importance is None else self.importance[a:b],
        )

    def where(self, keep: npt.NDArray[np.bool_]) -> "Histories":
        """The entries of the mask (N,), of the same users."""
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(keep, dtype=np.int64)])[self.indptr]
        importance = None if self.importance is None else self.importance[keep]
        return Histories(
            indptr, self.item_rows[keep], self.weights[keep], self.timestamps[keep], self.n_items, importance
        )

    def of_items(self, rows: npt.NDArray[np.integer]) -> "Histories":
        """The entries with one of the items ``rows``, of the same users."""
        wanted = np.zeros(self.n_items, dtype=bool)
        wanted[rows] = True
        return self.where(wanted[self.item_rows])

    def matrix(
        self,
        values: Values = "weight",
        *,
        duplicates: Literal["sum", "max", "last"] = "sum",
        dtype: type[np.floating] = np.float32,
    ) -> sparse.csr_array:
        """Users × items, items sorted within a row, positive entries only.

        ``binary`` gives ones, or where there is an ``importance`` the largest of the item's entries; ``weight``
        combines repeated items by ``duplicates``, each weight times its importance. With ``last`` (ratings) weights
        stay as they are: half a rating is no rating of half importance.
        """
        keep = self.weights > 0
        users = np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)[keep]
        items, weights = self.item_rows[keep], self.weights[keep].astype(np.float64)
        if self.importance is not None:
            if values == "binary":
                weights, values, duplicates = self.importance[keep].astype(np.float64), "weight", "max"
            elif duplicates != "last":
                weights *= self.importance[keep]
        order = np.lexsort((np.arange(len(items)), items, users))  # stable: time order inside a pair
        users, items, weights = users[order], items[order], weights[order]
        first = np.ones(len(items), dtype=bool)
        first[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
        starts = np.flatnonzero(first)
        if values == "binary" or len(starts) == 0:
            data = np.ones(len(starts))
        elif duplicates == "last":
            data = weights[np.append(starts[1:], len(items)) - 1]
        else:
            data = (np.add if duplicates == "sum" else np.maximum).reduceat(weights, starts)
        counts = np.bincount(users[starts], minlength=len(self))
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        matrix = sparse.csr_array((data.astype(dtype), items[starts], indptr), shape=(len(self), self.n_items))
        matrix.has_sorted_indices = True
        matrix.has_canonical_format = True
        return matrix

    @classmethod
    def empty(cls, n_users: int, n_items: int) -> "Histories":
        """``n_users`` histories with nothing in them."""
        return cls(
            np.zeros(n_users + 1, np.int64),
            np.zeros(0, np.int32),
            np.zeros(0, np.float32),
            np.zeros(0, np.float64),
            n_items,
        )

    @classmethod
    def from_lists(
        cls,
        item_rows: Sequence[Sequence[int] | npt.NDArray[np.integer]],
        n_items: int,
        *,
        weights: Sequence[Sequence[float] | npt.NDArray[np.floating] | None] | None = None,
        timestamps: Sequence[Sequence[float] | npt.NDArray[np.floating] | None] | None = None,
        importance: Sequence[Sequence[float] | npt.NDArray[np.floating] | None] | None = None,
    ) -> "Histories":
        """From one list of item rows a user (oldest first); unknown rows (-1) are left out. Weights default to 1,
        times to NaN, importance to 1 for the users that have none.
        """
        flat_rows, flat_weights, flat_times, flat_importance, lengths = [], [], [], [], []
        for b, given in enumerate(item_rows):
            rows = np.asarray(given, dtype=np.int32)
            known = rows >= 0
            w = weights[b] if weights is not None else None
            t = timestamps[b] if timestamps is not None else None
            flat_rows.append(rows[known])
            flat_weights.append(np.ones(known.sum(), np.float32) if w is None else np.asarray(w, np.float32)[known])
            flat_times.append(np.full(known.sum(), np.nan) if t is None else np.asarray(t, np.float64)[known])
            p = importance[b] if importance is not None else None
            flat_importance.append(np.ones(known.sum(), np.float32) if p is None else np.asarray(p, np.float32)[known])
            lengths.append(int(known.sum()))
        if not lengths:
            return cls.empty(0, n_items)
        return cls(
            np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]),
            np.concatenate(flat_rows),
            np.concatenate(flat_weights),
            np.concatenate(flat_times),
            n_items,
            None if importance is None else np.concatenate(flat_importance),
        )
