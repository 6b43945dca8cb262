"""Non-negative matrix factorisation of ratings."""

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeFloat, PositiveInt
from scipy import sparse

from foretaste.data import Dataset
from foretaste.models.base import ModelConfig
from foretaste.models.factorization.rating_factors import Floats, RatingFactors

_ROUNDS = 2
_ROUNDS_AT_THE_END = 50


class NMFConfig(ModelConfig):
    """Settings of :class:`NMF`."""

    n_factors: PositiveInt = 16
    """Length of the vectors: parts that an item is made of, and that a user likes more or less."""
    epochs: PositiveInt = 40
    """Updates of both sides."""
    regularization: NonNegativeFloat = 0.08
    """λ of the vectors, counted once for each rating."""
    tolerance: NonNegativeFloat = 1e-5
    """Stop when an epoch lowers the error by less than this share of it."""
    seed: int = 0
    """Seed of the start."""


class NMF(RatingFactors):
    """Ratings as p_u·q_i with no negative coordinate: an item is a sum of parts, and no part takes another back.

    Minimises Σ (r - p_u·q_i)² + λ(‖p_u‖² + ‖q_i‖²) over the ratings with p, q ≥ 0, one coordinate after the other at
    its exact minimum, which no step can overshoot. In the end users are put where the items want them, which is also
    where somebody new with the same history ends.

    Source: Luo, Zhou, Xia, Zhu 2014, “An efficient non-negative matrix-factorization-based approach to collaborative
    filtering for recommender systems” (the loss over observed ratings only); Cichocki & Phan 2009, “Fast local
    algorithms for large scale nonnegative matrix and tensor factorizations” (coordinates instead of multiplicative
    steps). Cost: O(nnz·F) an epoch; keeps 4·(U + I)·F bytes.
    """

    name = "nmf"
    config: NMFConfig
    config_class = NMFConfig
    updates_incrementally = True

    def _fit(self, data: Dataset) -> None:
        ratings = self._ratings(data)
        self._measure(ratings)
        self.mean = 0.0  # ratings are positive as they are
        self._start(*ratings.shape)
        self._run(ratings, self.config.epochs)

    def _update(self, data: Dataset) -> None:
        """Go on from what was learnt, for a quarter of the epochs."""
        ratings = self._ratings(data)
        users, items, scale = self.user_factors, self.item_factors, self.scale
        rated = self.is_rated
        self._measure(ratings)
        self.scale = scale
        self._start(*ratings.shape)
        self.user_factors[: len(users)] = users
        self.item_factors[: len(items)][rated] = items[rated]
        self._run(ratings, max(1, self.config.epochs // 4))

    def _start(self, n_users: int, n_items: int) -> None:
        """Coordinates so that a product is of the height of a rating in the middle."""
        rng = np.random.default_rng(self.config.seed)
        height = np.sqrt((self.lowest + self.highest) / 2 / self.scale / self.config.n_factors)
        self.user_factors, self.item_factors = (
            (height * rng.uniform(0.5, 1.5, (n_rows, self.config.n_factors))).astype(np.float32)
            for n_rows in (n_users, n_items)
        )
        self.user_bias, self.item_bias = np.zeros(n_users, np.float32), np.zeros(n_items, np.float32)

    def _run(self, ratings: sparse.csr_array, epochs: int) -> None:
        from foretaste.models.kernels.nmf import improve_rows

        of_users = self._entries(ratings)
        of_items = self._entries(sparse.csr_array(ratings.T.tocsr()))
        ridge = self.config.regularization
        before = np.inf
        for epoch in range(epochs):
            improve_rows(*of_users, self.user_factors, self.item_factors, ridge, _ROUNDS)
            now = improve_rows(*of_items, self.item_factors, self.user_factors, ridge, _ROUNDS)
            self._report(epoch + 1, epochs, self.scale * float(np.sqrt(now / ratings.nnz)))
            if before - now < self.config.tolerance * now:
                break
            before = now
        self.item_factors[~self.is_rated] = 0.0
        improve_rows(*of_users, self.user_factors, self.item_factors, ridge, _ROUNDS_AT_THE_END)
        self.user_factors[np.diff(ratings.indptr) == 0] = self._middle()
        self._forget_derived()

    def _entries(self, ratings: sparse.csr_array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], Floats]:
        return ratings.indptr.astype(np.int64), ratings.indices.astype(np.int32), self._standardized(ratings)

    def _middle(self) -> Floats:
        """The vector of somebody of whom nothing is known: a plain start."""
        height = np.sqrt((self.lowest + self.highest) / 2 / self.scale / self.config.n_factors)
        return np.full(self.config.n_factors, height, np.float32)

    def _fold(self, ratings: sparse.csr_array) -> tuple[Floats, Floats]:
        from foretaste.models.kernels.nmf import improve_rows

        factors = np.tile(self._middle(), (ratings.shape[0], 1))
        improve_rows(
            *self._entries(ratings), factors, self.item_factors, self.config.regularization, _ROUNDS_AT_THE_END
        )
        return np.zeros(len(factors), np.float32), factors
