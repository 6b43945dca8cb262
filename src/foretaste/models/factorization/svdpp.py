"""SVD++: matrix factorisation of ratings that also learns from which items a user rated at all."""

from functools import cached_property

import numpy as np
from pydantic import NonNegativeFloat, PositiveFloat
from scipy import sparse

from foretaste.models.base import Rows
from foretaste.models.factorization.rating_factors import Floats
from foretaste.models.factorization.svd import SVD, Entries, PaddedTables, SVDConfig


class SVDPPConfig(SVDConfig):
    """Settings of :class:`SVDPP`."""

    learning_rate: PositiveFloat = 0.01
    """Size of a step in the first epoch."""
    regularization: NonNegativeFloat = 0.04
    """λ of the vectors, counted once for each rating."""


class SVDPP(SVD):
    """Ratings as μ + b_u + b_i + (p_u + |N(u)|^-½ Σ_{j ∈ N(u)} y_j)·q_i, N(u) being the items that u rated.

    Minimises the loss of :class:`SVD`, with λ‖y_j‖² added, by the same steps. The steps on all y_j of a user at each of
    its ratings are followed as one vector and written out once at the user's end; the result is exactly theirs.

    Source: Koren 2008, “Factorization meets the neighborhood”, section 4. Differs: the learning rate decays, biases
    have their own λ.
    Cost: O(nnz·F) an epoch, where the steps written out one by one take O(Σ n_u²·F); keeps 4·(U + 2·I)·F bytes.
    """

    name = "svdpp"
    config: SVDPPConfig
    config_class = SVDPPConfig
    state_fields = (*SVD.state_fields, "implicit_factors")

    implicit_factors: Floats  # (I, F)

    def _learnt_names(self) -> tuple[str, ...]:
        return (*super()._learnt_names(), "implicit_factors")

    def _start(self, n_users: int, n_items: int) -> None:
        super()._start(n_users, n_items)
        self.implicit_factors = self._noise(np.random.default_rng([self.config.seed, 1]), n_items)

    @cached_property
    def _tastes(self) -> Floats:
        implied = self._implied(self.population.histories.matrix("binary"))
        return np.asarray(self.user_factors + implied, np.float32)

    def _implied(self, ratings: sparse.csr_array) -> Floats:
        """|N(u)|^-½ Σ y_j of each user, (B, F)."""
        ones = sparse.csr_array((np.ones(ratings.nnz, np.float32), ratings.indices, ratings.indptr), ratings.shape)
        counts = np.maximum(np.diff(ratings.indptr), 1).astype(np.float32)
        return np.asarray((ones @ self.implicit_factors) / np.sqrt(counts)[:, None], np.float32)

    def _pass(self, tables: PaddedTables, order: Rows, entries: Entries, rate: float) -> float:
        from foretaste.models.kernels.rating_sgd import svdpp_epoch

        config = self.config
        return svdpp_epoch(
            order,
            *entries,
            tables["user_bias"],
            tables["item_bias"],
            tables["user_factors"],
            tables["item_factors"],
            tables["implicit_factors"],
            tables.width,
            np.float32(rate),
            np.float32(config.regularization),
            np.float32(config.regularization_bias),
        )

    def _clear_unknown(self, ratings: sparse.csr_array) -> None:
        super()._clear_unknown(ratings)
        self.implicit_factors[~self.is_rated] = 0.0
