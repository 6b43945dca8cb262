"""Implicit alternating least squares (iALS)."""

import math
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from scipy import sparse

from foretaste.data import Dataset, Histories, Values
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.factorization.als_solver import EXACT, Basis, Entries, Floats, half_step, solve_exactly
from foretaste.models.factorization.als_start import random_start, spectral_start
from foretaste.models.factors import embedded, unit_rows
from foretaste.models.flat_index import FlatIndex
from foretaste.models.growing import padded_rows
from foretaste.models.partitioned_index import PartitionedIndex, Retrieval, factor_index
from foretaste.models.reasons import to_history
from foretaste.models.threads import blas_threads, n_threads

_RELAXATION = (1.0, 1.3, 1.5, 1.6, 1.7)
_FEW_FACTORS = 256


class ImplicitALSConfig(ModelConfig):
    """Settings of :class:`ImplicitALS`."""

    n_factors: PositiveInt = 64
    """Length of the vectors."""
    alpha: PositiveFloat = 10.0
    """Confidence of an observed pair is 1 + alpha·weight; an unobserved pair has 1."""
    regularization: PositiveFloat = 0.01
    """Ridge λ of a row whose total confidence is 1, see ``regularization_exponent``."""
    regularization_exponent: NonNegativeFloat = 0.75
    """ν: a row's ridge is λ·(its total confidence)^ν. 0 gives every row the same, 1 is proportional."""
    epochs: PositiveInt = 12
    """Updates of both sides."""
    cg_steps: PositiveInt = 2
    """Conjugate-gradient steps of an update."""
    over_relaxation: bool = True
    """Go beyond each solution, by up to seven tenths: fewer epochs for the same loss."""
    start: Literal["spectral", "random"] = "spectral"
    """Close to the singular vectors of the observed pairs (fewer epochs for the same loss), or at noise that grows with
    popularity."""
    values: Literal["binary", "weight"] = "binary"
    """Every interaction counts the same, or by its weight."""
    tolerance: NonNegativeFloat = 0.0
    """Stop when an epoch lowers the loss by less than this share of it."""
    retrieval: Retrieval = "exact"
    """Lists hold the best items (``exact``), about 98 % of them, quicker in a large catalogue (``approximate``), or
    either by the size of the catalogue (``auto``)."""
    seed: int = 0
    """Seed of the start."""


class ImplicitALS(Recommender):
    """Matrix factorisation of implicit feedback over all user-item pairs, seen or not.

    Minimises Σ c_ui (p_ui - x_uᵀy_i)² + Σ λ_u‖x_u‖² + Σ λ_i‖y_i‖² with p = 1 and c = 1 + α·w where observed, p = 0
    and c = 1 elsewhere, and λ_u = λ·(Σ_i c_ui)^ν.

    Source: Hu, Koren, Volinsky 2008 (the loss); Rendle et al. 2021, arXiv:2110.14037 (λ scaled by frequency, and how
    much it matters). Differs: rows are solved by two conjugate-gradient steps in the eigenbasis of the other side's
    Gram matrix, where the dense part of the system is diagonal and serves as preconditioner; steps are over-relaxed
    (0 < ω < 2 cannot raise the loss of a half-step); the start is a rough singular value decomposition.
    Cost: O(steps·nnz·F + (U + I)·F²) an epoch; keeps 4·(U + I)·F bytes, about twice that while fitting.
    """

    name = "ials"
    config: ImplicitALSConfig
    config_class = ImplicitALSConfig
    state_fields = ("user_factors", "item_factors")
    scores_new_users = True
    updates_incrementally = True
    updates_in_part = True
    explains_exactly = True
    finds_similar_items = True
    finds_similar_users = True

    def _fit(self, data: Dataset) -> None:
        config = self.config
        matrix = data.matrix(config.values)
        if config.start == "spectral":
            self.user_factors, self.item_factors = spectral_start(matrix, config.n_factors, seed=config.seed)
        else:
            self.user_factors = np.zeros((data.n_users, config.n_factors), np.float32)
            self.item_factors = random_start(matrix, config.n_factors, seed=config.seed)
        self._run(matrix, config.epochs)

    def _update(self, data: Dataset) -> None:
        """A quarter of the epochs from where the factors stand; new rows start at zero and are solved first."""
        users = np.zeros((data.n_users, self.config.n_factors), np.float32)
        items = np.zeros((data.n_items, self.config.n_factors), np.float32)
        users[: len(self.user_factors)] = self.user_factors
        items[: len(self.item_factors)] = self.item_factors
        self.user_factors, self.item_factors = users, items
        self._run(data.matrix(self.config.values), max(1, self.config.epochs // 4))

    def _learn_part(self, users: Rows, items: Rows) -> None:
        """One round over what was touched: users, then items given all users, then users again.

        Each solution is exact given the other side (so is a whole half-step of a fit); what was not touched stays, and
        so does the rotation of the factors.
        """
        known, values = self.population, self.config.values
        own = known.histories.take(users).matrix(values, duplicates=known.duplicates)
        of_items = known.histories.of_items(items).matrix(values, duplicates=known.duplicates)
        takers = sparse.csr_array(sparse.csr_array(of_items.T.tocsr())[items])
        self.user_factors = padded_rows(np.asarray(self.user_factors), len(known.users))
        self.item_factors = padded_rows(np.asarray(self.item_factors), len(known.items))
        with blas_threads(1 if self.config.n_factors <= _FEW_FACTORS else n_threads()):
            self.user_factors[users] = solve_exactly(self._entries(own), Basis.of(self.item_factors))
            self.item_factors[items] = solve_exactly(self._entries(takers), Basis.of(self.user_factors))
            self._forget()
            self.user_factors[users] = solve_exactly(self._entries(own), self._basis)

    def _forget(self) -> None:
        for derived in ("_basis", "_index", "_never_seen", "_unit_items", "_unit_users"):
            self.__dict__.pop(derived, None)

    def _run(self, matrix: sparse.csr_array, epochs: int) -> None:
        self._forget()
        # The eigenvectors of a small matrix gain nothing from BLAS threads, and on a busy machine these spin.
        with blas_threads(1 if self.config.n_factors <= _FEW_FACTORS else n_threads()):
            self._alternate(matrix, epochs)

    def _alternate(self, matrix: sparse.csr_array, epochs: int) -> None:
        config = self.config
        of_users = self._entries(matrix)
        of_items = self._entries(sparse.csr_array(matrix.T.tocsr()))
        before = math.inf
        for epoch in range(epochs):
            omega = _RELAXATION[min(epoch, len(_RELAXATION) - 1)] if config.over_relaxation else 1.0
            half_step(of_users, Basis.of(self.item_factors), self.user_factors, steps=config.cg_steps, relaxation=omega)
            now = half_step(
                of_items, Basis.of(self.user_factors), self.item_factors, steps=config.cg_steps, relaxation=omega
            )
            now += float(np.dot(of_users.ridge, np.square(self.user_factors).sum(axis=1)))
            self._report(epoch + 1, epochs, now)
            if before - now < config.tolerance * abs(now):
                break
            before = now
        # Users end where fold-in would put them, so that a list, its reasons and a repeated history agree.
        half_step(of_users, self._basis, self.user_factors, steps=None, tolerance=EXACT)

    def _entries(self, matrix: sparse.csr_array) -> Entries:
        config = self.config
        return Entries.of(
            matrix,
            alpha=config.alpha,
            regularization=config.regularization,
            exponent=config.regularization_exponent,
        )

    @cached_property
    def _basis(self) -> Basis:
        return Basis.of(np.asarray(self.item_factors))

    def _embed(self, batch: UserBatch) -> Floats:
        """Factors (B, F) of the users: learnt ones, or folded in from the history where that is newer."""
        return embedded(batch, self.user_factors, self._folded)

    def _folded(self, histories: Histories) -> Floats:
        values: Values = self.config.values
        matrix = histories.matrix(values, duplicates=self.population.duplicates)
        return solve_exactly(self._entries(matrix), self._basis)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        factors = self._embed(batch)
        scores: FloatBlock = factors @ self.item_factors.T
        if (never := self._never_seen).any():
            scores[:, never] = -np.inf
        scores[~factors.any(axis=1)] = -np.inf  # nothing is known of a user without interactions either
        return scores

    def _rank(
        self, batch: UserBatch, k: int, seen: Histories | None, allowed: npt.NDArray[np.bool_] | None
    ) -> tuple[Rows, Floats]:
        factors = self._embed(batch)
        factors[~factors.any(axis=1)] = np.nan  # an empty list
        return self._index.search(factors, k, seen=seen, allowed=allowed)

    @cached_property
    def _index(self) -> FlatIndex | PartitionedIndex:
        items, users = np.asarray(self.item_factors), np.asarray(self.user_factors)
        return factor_index(items, self.config.retrieval, queries=users, offered=~self._never_seen)

    @cached_property
    def _never_seen(self) -> npt.NDArray[np.bool_]:
        """Items without interactions have zero factors: no evidence."""
        return np.asarray(~np.any(self.item_factors, axis=1))

    def _pair_scores(self, user_rows: Rows, item_rows: Rows) -> npt.NDArray[np.float32]:
        users = self.user_factors[user_rows]
        scores: npt.NDArray[np.float32] = np.einsum("nf,nf->n", users, self.item_factors[item_rows])
        scores[self._never_seen[item_rows] | ~users.any(axis=1)] = -np.inf
        return scores

    def _candidate_scores(self, batch: UserBatch, item_rows: Rows) -> FloatBlock:
        factors = self._embed(batch)
        scores: FloatBlock = np.einsum("bf,bnf->bn", factors, self.item_factors[item_rows])
        scores[self._never_seen[item_rows] | ~factors.any(axis=1, keepdims=True)] = -np.inf
        return scores

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        """Cosine of the item vectors."""
        return _cosines(self._unit_items, rows)

    def _user_similarity(self, rows: Rows) -> FloatBlock:
        """Cosine of the user vectors."""
        return _cosines(self._unit_users, rows)

    @cached_property
    def _unit_items(self) -> Floats:
        return unit_rows(self.item_factors)

    @cached_property
    def _unit_users(self) -> Floats:
        return unit_rows(self.user_factors)

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> npt.NDArray[np.floating] | None:
        """ŷ_ui = Σ_j c_uj · y_iᵀ W_u y_j with W_u = (YᵀY + Y_uᵀ(C - I)Y_u + λ_u I)⁻¹ (Hu et al. 2008, section 5)."""
        matrix = batch.histories.matrix(self.config.values, duplicates=self.population.duplicates)
        entries = self._entries(matrix)
        if not len(entries.columns):
            return None
        basis = self._basis
        own = basis.table[entries.columns].astype(np.float64)  # (n, F)
        system = (own.T * entries.extra) @ own + np.diag(basis.spectrum + entries.ridge[0])
        solved = np.linalg.solve(system, basis.table[item_rows].T.astype(np.float64))  # (F, k)
        shares = (1.0 + entries.extra)[:, None] * (own @ solved)  # (n, k)
        return to_history(batch.histories.item_rows, entries.columns, shares)


def _cosines(unit: Floats, rows: Rows) -> FloatBlock:
    """Cosines (n, all) of ``rows`` with all, -inf with a vector of zeros."""
    scores: FloatBlock = unit[rows] @ unit.T
    scores[:, ~unit.any(axis=1)] = -np.inf
    scores[~unit[rows].any(axis=1)] = -np.inf
    return scores
