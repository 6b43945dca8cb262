"""How high a rating lies before taste is asked: the overall mean, the user's and the item's habit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Biases:
    """μ, b_u (U,) and b_i (I,) of the prediction μ + b_u + b_i, and the range of the ratings.

    Minimises Σ (r - μ - b_u - b_i)² + λ_u Σ b_u² + λ_i Σ b_i² by turns; each turn is a mean with λ ratings of 0 added:
    b_i = Σ_u (r - μ - b_u) / (λ_i + n_i), then b_u = Σ_i (r - μ - b_i) / (λ_u + n_u).

    Source: Koren 2010, “Factor in the neighbors”, section 2.1.
    """

    mean: float
    users: Floats
    items: Floats
    lowest: float
    highest: float
    regularization_users: float

    @classmethod
    def fit(
        cls,
        ratings: sparse.csr_array,
        *,
        epochs: int,
        regularization_users: float,
        regularization_items: float,
        report: Callable[[int, int], None] | None = None,
    ) -> "Biases":
        """Of a matrix of ratings (U, I); all 0 where there are none. ``report`` is told of each epoch."""
        values = ratings.data.astype(np.float64)
        mean = float(values.sum() / max(1, ratings.nnz))
        rows, columns, above = row_numbers(ratings), ratings.indices, values - mean
        n_of_user, n_of_item = np.diff(ratings.indptr), np.bincount(columns, minlength=ratings.shape[1])
        users, items = np.zeros(ratings.shape[0]), np.zeros(ratings.shape[1])
        for epoch in range(epochs):
            sums = np.bincount(columns, weights=above - users[rows], minlength=len(items))
            items = shrunk(sums, n_of_item, regularization_items)
            sums = np.bincount(rows, weights=above - items[columns], minlength=len(users))
            users = shrunk(sums, n_of_user, regularization_users)
            if report is not None:
                report(epoch + 1, epochs)
        lowest, highest = (float(values.min()), float(values.max())) if ratings.nnz else (0.0, 0.0)
        return cls(mean, users.astype(np.float32), items.astype(np.float32), lowest, highest, regularization_users)

    def of_histories(self, ratings: sparse.csr_array) -> Floats:
        """b_u of other users (B,) from their ratings (B, I), given the items'."""
        above = ratings.data - self.mean - self.items[ratings.indices]
        sums = np.bincount(row_numbers(ratings), weights=above, minlength=ratings.shape[0])
        return shrunk(sums, np.diff(ratings.indptr), self.regularization_users).astype(np.float32)


def row_numbers(matrix: sparse.csr_array) -> npt.NDArray[np.int64]:
    """The row of every entry, in order."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def shrunk(sums: npt.NDArray[Any], counts: npt.NDArray[np.integer], prior: float) -> npt.NDArray[np.float64]:
    """Means pulled to 0 by ``prior`` more ratings; 0 where there are none at all."""
    return np.asarray(sums / np.maximum(counts + prior, 1e-12), dtype=np.float64)
