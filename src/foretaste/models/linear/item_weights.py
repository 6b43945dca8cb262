"""What all linear item-item models share: scores, shares and similarities from a matrix of weights, dense or sparse."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.reasons import to_history
from foretaste.models.threads import map_threads, n_threads


class ItemWeightsConfig(ModelConfig):
    """Settings that every model of item-item weights has."""

    values: Literal["binary", "weight"] = "binary"
    """Every interaction counts the same, or by its weight."""


class ItemWeights(Recommender):
    """Scores an item by the weights that the items of the history have for it: s_ui = Σ_j r_uj·B_ji.

    A model sets ``weights`` B (I, I), history items by scored items, with a zero diagonal: a dense array or a
    ``csr_array``. Items without a weight are never listed.
    """

    config: ItemWeightsConfig
    state_fields = ("weights",)
    scores_new_users = True
    explains_exactly = True
    finds_similar_items = True

    weights: Any

    def _history(self, batch: UserBatch) -> sparse.csr_array:
        return batch.histories.matrix(self.config.values, duplicates=self.population.duplicates)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        from foretaste.models.kernels.linear import sum_of_dense_rows
        from foretaste.models.kernels.neighbours import sum_of_rows

        history = self._history(batch)
        indptr, picks = history.indptr.astype(np.int64), history.indices.astype(np.int32)
        scores = np.zeros((len(batch), len(self.items)), np.float32)
        weights = self.weights
        if isinstance(weights, sparse.csr_array):
            arrays = (np.asarray(weights.indptr, np.int64), np.asarray(weights.indices, np.int32))
            sum_of_rows(indptr, picks, history.data, *arrays, np.asarray(weights.data), scores)
            return scores
        sum_of_dense_rows(indptr, picks, history.data, np.asarray(weights), scores)
        scores[np.diff(indptr) == 0] = -np.inf  # no history, no evidence
        scores[:, self._unknown_items] = -np.inf
        return scores

    @property
    def _unknown_items(self) -> Rows:
        """Items that nothing speaks for: their column is zero."""
        cached = self.__dict__.get("_without_weights")
        if cached is None:
            cached = np.flatnonzero(~self.weights.any(axis=0)).astype(np.int32)
            self.__dict__["_without_weights"] = cached
        return np.asarray(cached)

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        """The weight that each item gets from item ``rows``."""
        picked = self.weights[rows]
        scores = np.array(picked.toarray() if isinstance(picked, sparse.csr_array) else picked, dtype=np.float32)
        scores[scores <= 0] = -np.inf
        return scores

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> npt.NDArray[np.floating] | None:
        """Each history item's weight for each listed item, times what it counts for."""
        own = self._history(batch)
        weights = self.weights[own.indices][:, item_rows]
        shares = own.data[:, None] * (weights.toarray() if isinstance(weights, sparse.csr_array) else weights)
        return to_history(batch.histories.item_rows, own.indices, shares)


def item_scale(matrix: sparse.csr_array, exponent: float) -> npt.NDArray[np.float32]:
    """degree^-exponent of each item (I,); items without interactions count as having one."""
    degrees = np.maximum(np.bincount(matrix.indices, minlength=matrix.shape[1]), 1)
    return np.asarray(degrees.astype(np.float64) ** -exponent, np.float32)


def scaled(matrix: sparse.csr_array, scale: npt.NDArray[np.float32], user_exponent: float) -> sparse.csr_array:
    """The matrix with columns times ``scale`` and rows times degree^(-user_exponent / 2)."""
    lengths = np.diff(matrix.indptr)
    rows = np.maximum(lengths, 1).astype(np.float32) ** (-user_exponent / 2)
    data = matrix.data * scale[matrix.indices] * np.repeat(rows, lengths)
    return sparse.csr_array((data.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


def dense_gram(matrix: sparse.csr_array) -> npt.NDArray[np.float32]:
    """XᵀX as a dense array, rows by rows on all threads."""
    from foretaste.models.kernels.neighbours import dense_products

    n_items = matrix.shape[1]
    gram = np.zeros((n_items, n_items), dtype=np.float32)
    items = sparse.csr_array(matrix.T.tocsr())
    left, right = (
        (np.asarray(m.indptr, np.int64), np.asarray(m.indices, np.int32), np.asarray(m.data, np.float32))
        for m in (items, matrix)
    )
    step = max(1, -(-n_items // (n_threads() * 16)))
    map_threads(
        lambda start: dense_products(start, min(start + step, n_items), *left, *right, gram), range(0, n_items, step)
    )
    return gram
