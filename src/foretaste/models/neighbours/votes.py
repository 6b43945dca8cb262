"""Models where neighbours vote: what the votes come to, and what each item of the history had to do with it."""

from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.data import Histories
from foretaste.models.base import FloatBlock, Recommender, Rows, UserBatch
from foretaste.models.nearest import csr_arrays
from foretaste.models.ranking import FEW_USERS, Ranked, rank_sums
from foretaste.models.reasons import to_history


class ItemVotes(Recommender):
    """Base of models where the history's items vote: s_ui = Σ_j r_uj·s_ji with s_ji from ``neighbours`` (I, I)."""

    state_fields = ("neighbours",)
    scores_new_users = True
    explains_exactly = True
    finds_similar_items = True
    neighbours: sparse.csr_array  # (I, I), K entries a row

    def _history(self, batch: UserBatch) -> sparse.csr_array:
        return batch.histories.matrix(self.config.values, duplicates=self.population.duplicates)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        return summed(self._history(batch), self.neighbours)

    def _rank(self, batch: UserBatch, k: int, seen: Histories | None, allowed: npt.NDArray[np.bool_] | None) -> Ranked:
        if len(batch) > FEW_USERS:  # many are worth all threads
            return super()._rank(batch, k, seen, allowed)
        return rank_sums(self._history(batch), self.neighbours, k=k, seen=seen, allowed=allowed)

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        return dense_similarity(self.neighbours[rows])

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> npt.NDArray[np.floating] | None:
        """Each history item's similarity to each listed item, times what it counts for."""
        own = self._history(batch)
        similarities = self.neighbours[own.indices][:, item_rows].toarray()  # (n, k)
        return to_history(batch.histories.item_rows, own.indices, own.data[:, None] * similarities)


class UserVotes(Recommender):
    """Base of models where the nearest users vote: s_ui = Σ_v sim(u, v)·r_vi."""

    scores_new_users = True
    explains_exactly = True
    finds_similar_users = True
    reason_kind = "similar_users"

    def _taken(self, histories: Histories) -> sparse.csr_array:
        return histories.matrix(self.config.values, duplicates=self.population.duplicates)

    @cached_property
    def _matrix(self) -> sparse.csr_array:
        """What the fitted users took (U, I)."""
        return self._taken(self.population.histories)

    def _forget(self, *names: str) -> None:
        """Let go of what the fitted users took, and of what else was derived from it."""
        for name in ("_matrix", *names):
            self.__dict__.pop(name, None)


def dense_similarity(similarities: sparse.csr_array) -> FloatBlock:
    """Lists of neighbours as a dense block; -inf for all others."""
    block = np.asarray(similarities.toarray(), dtype=np.float32)
    block[block == 0] = -np.inf
    return block


def summed(left: sparse.csr_array, right: sparse.csr_array) -> FloatBlock:
    """The dense product (B, I) of two sparse matrices (B, n) and (n, I); -inf where nothing was added."""
    from foretaste.models.kernels.neighbours import sum_of_rows

    scores = np.zeros((left.shape[0], right.shape[1]), np.float32)
    entries = np.asarray(right.data, np.float32)  # its places stay as they are: a copy would cost more than the sum
    sum_of_rows(*csr_arrays(left), right.indptr, right.indices, entries, scores)
    return scores


def shares_of_items(
    history: Rows, own: sparse.csr_array, similarities: sparse.csr_array, matrix: sparse.csr_array, item_rows: Rows
) -> npt.NDArray[np.floating]:
    """For one user, how much each history entry adds to Σ_v sim(u, v)·r_vi of each item (H, n), where a similarity of
    sets is split evenly among the items that are shared.

    Args:
        history: (H,) the history's items.
        own: (1, I) the same as a matrix.
        similarities: (1, U) to the neighbours.
        matrix: (U, I) what they took.
        item_rows: (n,) the items scored.
    """
    theirs = matrix[similarities.indices]  # (m, I)
    parts = (theirs[:, own.indices].toarray() > 0).astype(np.float64)  # (m, own)
    totals = parts.sum(axis=1, keepdims=True)
    parts *= similarities.data[:, None] / np.where(totals > 0, totals, 1.0)
    return to_history(history, own.indices, parts.T @ theirs[:, item_rows].toarray())
