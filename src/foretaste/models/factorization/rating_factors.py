"""What all factorisations of ratings share: μ + b_u + b_i + t_u·q_i once these are learnt."""

from abc import abstractmethod
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.data import Dataset
from foretaste.errors import DataInsufficientError
from foretaste.models.base import FloatBlock, Recommender, Rows, UserBatch
from foretaste.models.factors import unit_rows

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_LEAST_RIDGE = 1e-6


class RatingFactors(Recommender):
    """Predicts a rating as μ + s·(b_u + b_i + t_u·q_i); a model says how these are learnt and folded in.

    s brings the scale of the ratings to five steps (s = 1 for 1 … 5), so that learning rates and ridges mean the same
    on every scale. ``score`` is kept within the lowest and highest rating seen; lists are ordered, and scored, without
    that cut. An item that nobody rated is left out of lists; its predicted rating is μ + s·b_u. Ratings of 0 or below
    are not taken for ratings («seen, no interest»). Somebody of whom nothing is known gets μ + s·b_i.
    """

    state_fields: ClassVar[tuple[str, ...]] = (
        "mean",
        "scale",
        "lowest",
        "highest",
        "is_rated",
        "user_bias",
        "item_bias",
        "user_factors",
        "item_factors",
    )
    scores_new_users = True
    scores_without_history = True
    predicts_ratings = True
    finds_similar_items = True

    mean: float
    scale: float
    lowest: float
    highest: float
    is_rated: npt.NDArray[np.bool_]  # (I,)
    user_bias: Floats  # (U,)
    item_bias: Floats  # (I,)
    user_factors: Floats  # (U, F)
    item_factors: Floats  # (I, F)

    @abstractmethod
    def _fold(self, ratings: sparse.csr_array) -> tuple[Floats, Floats]:
        """Biases (B,) and vectors (B, F) of users known by their ratings alone, given the items."""

    @property
    def _tastes(self) -> Floats:
        """The vectors t (U, F) of the users of training."""
        return self.user_factors

    # --- fitting -----------------------------------------------------------------------------------------------------

    def _measure(self, ratings: sparse.csr_array) -> None:
        """Learn the scale, and which items were rated."""
        if ratings.nnz == 0:
            raise DataInsufficientError("there is no rating above 0", hint="a weight of 0 is no rating")
        self.lowest, self.highest = float(ratings.data.min()), float(ratings.data.max())
        self.scale = (self.highest - self.lowest) / 4 or 1.0
        self.is_rated = np.bincount(ratings.indices, minlength=ratings.shape[1]) > 0

    def _standardized(self, ratings: sparse.csr_array) -> Floats:
        """Ratings less their mean, in fifths of the scale."""
        return np.asarray((ratings.data - self.mean) / self.scale, np.float32)

    def _ratings(self, data: Dataset) -> sparse.csr_array:
        return data.matrix("weight")

    # --- scoring -----------------------------------------------------------------------------------------------------

    def _embed(self, batch: UserBatch) -> tuple[Floats, Floats]:
        """Biases (B,) and vectors (B, F): learnt ones, or folded in from the history where that is newer."""
        learnt = batch.learnt
        bias = np.zeros(len(batch), np.float32)
        tastes = np.zeros((len(batch), self.item_factors.shape[1]), np.float32)
        bias[learnt], tastes[learnt] = self.user_bias[batch.rows[learnt]], self._tastes[batch.rows[learnt]]
        fresh, histories = batch.fresh()
        if len(fresh):
            ratings = histories.matrix("weight", duplicates=self.population.duplicates)
            bias[fresh], tastes[fresh] = self._fold(ratings)
        return bias, tastes

    def _scores(self, batch: UserBatch) -> FloatBlock:
        bias, tastes = self._embed(batch)
        scores: FloatBlock = tastes @ self.item_factors.T
        scores += self.item_bias
        scores += bias[:, None]
        scores *= np.float32(self.scale)
        scores += np.float32(self.mean)
        scores[:, ~self.is_rated] = -np.inf
        return scores

    def _pair_scores(self, user_rows: Rows, item_rows: Rows) -> Floats:
        out = np.empty(len(user_rows), np.float32)
        step = max(1, 8_000_000 // max(1, self.item_factors.shape[1]))
        for start in range(0, len(out), step):
            users, items = user_rows[start : start + step], item_rows[start : start + step]
            heights = self.user_bias[users] + self.item_bias[items]
            heights += np.einsum("nf,nf->n", self._tastes[users], self.item_factors[items])
            out[start : start + step] = self.mean + self.scale * heights
        return np.clip(out, self.lowest, self.highest)

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        """Cosine of the item vectors."""
        unit = self._unit_factors
        scores: FloatBlock = unit[rows] @ unit.T
        scores[:, ~self.is_rated] = -np.inf
        return scores

    @cached_property
    def _unit_factors(self) -> Floats:
        return unit_rows(self.item_factors)

    def _forget_derived(self) -> None:
        for derived in ("_unit_factors", "_tastes"):
            self.__dict__.pop(derived, None)


def ridge_fold(
    ratings: sparse.csr_array, residuals: Floats, item_factors: Floats, *, ridge: float, bias_ridge: float
) -> tuple[Floats, Floats]:
    """The b and p of each row that minimise Σ (x - b - p·q_i)² + n·(λ_b b² + λ‖p‖²) over its n residuals x."""
    bias = np.zeros(ratings.shape[0], np.float32)
    factors = np.zeros((ratings.shape[0], item_factors.shape[1]), np.float32)
    for row in range(ratings.shape[0]):
        entries = slice(ratings.indptr[row], ratings.indptr[row + 1])
        if entries.start == entries.stop:
            continue
        design, system = ridge_system(item_factors[ratings.indices[entries]], ridge=ridge, bias_ridge=bias_ridge)
        solved = np.linalg.solve(system, design.T @ residuals[entries])
        bias[row], factors[row] = solved[0], solved[1:]
    return bias, factors


def ridge_system(rows: Floats, *, ridge: float, bias_ridge: float) -> tuple[Doubles, Doubles]:
    """Z = [1, q] of a user's n items, (n, 1 + F), and ZᵀZ + n·diag(λ_b, λ, λ …)."""
    n, width = rows.shape
    design = np.concatenate([np.ones((n, 1)), rows], axis=1)
    ridges = np.full(1 + width, n * max(ridge, _LEAST_RIDGE))
    ridges[0] = n * max(bias_ridge, _LEAST_RIDGE)
    return design, design.T @ design + np.diag(ridges)


def shares_of_ratings(
    ratings: sparse.csr_array,
    residuals: Floats,
    item_factors: Floats,
    item_rows: Rows,
    *,
    ridge: float,
    bias_ridge: float,
) -> Doubles:
    """What each rating of one user adds to b + p·q of each of ``item_rows``, (n, k): the terms of the sum that the
    ridge solution is.
    """
    rows = item_factors[ratings.indices]
    design, system = ridge_system(rows, ridge=ridge, bias_ridge=bias_ridge)
    asked = np.concatenate([np.ones((len(item_rows), 1)), item_factors[item_rows]], axis=1)
    return np.asarray((design @ np.linalg.solve(system, asked.T)) * residuals[:, None])


__all__ = ["Doubles", "Floats", "RatingFactors", "ridge_fold", "ridge_system", "shares_of_ratings"]
