"""EASE: a linear item-item model with a closed-form solution."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveFloat
from scipy import sparse
from scipy.linalg import lapack

from foretaste.data import Dataset
from foretaste.errors import ModelTrainingError
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.memory import check_fits
from foretaste.models.reasons import to_history
from foretaste.models.threads import blas_threads, map_threads, n_threads

_COPIES = 3
"""Dense item-item matrices in memory at the worst moment of fitting."""
_MOST_ITEMS = 30_000
"""The largest catalogue that was inverted in tests; LAPACK with 32-bit integers was seen to fail at 41 000."""
_SMALL = 4000
"""Items below which one BLAS thread takes under a second: several would save little and, on a busy machine, spin."""


class EASEConfig(ModelConfig):
    """Settings of :class:`EASE`."""

    regularization: PositiveFloat = 500.0
    """Ridge term λ on the diagonal of XᵀX; larger means smoother weights."""
    item_exponent: float = Field(default=0.0, ge=0.0, le=1.0)
    """β: items are divided by degree^β before solving and multiplied after, so popular ones shrink like others; 0 is
    the
    plain model."""
    user_exponent: float = Field(default=0.0, ge=0.0, le=1.0)
    """Users weigh degree^-this in the Gram matrix, so that people who took everything say less; 0 is the plain
    model.
    """
    values: Literal["binary", "weight"] = "binary"
    """Every interaction counts the same, or by its weight."""


class EASE(Recommender):
    """Linear item-item model with a closed-form solution: no epochs, no seed.

    Minimises ||X - XB||² + λ||B||² with diag(B) = 0, X being users × items: with P = (XᵀX + λI)⁻¹, B_ij = -P_ij / P_jj.

    Source: Steck 2019, arXiv:1905.03375. Differs: float32 Cholesky (float64 where that fails), and optional scaling
    by degrees.
    Cost: O(I³) time; keeps 4·I² bytes (30 000 items ≈ 3.6 GB), about three times that while fitting.
    """

    name = "ease"
    config: EASEConfig
    config_class = EASEConfig
    state_fields = ("weights",)
    scores_new_users = True
    explains_exactly = True
    finds_similar_items = True

    def _fit(self, data: Dataset) -> None:
        if data.n_items > _MOST_ITEMS:
            raise ModelTrainingError(
                f"EASE inverts a dense {data.n_items} × {data.n_items} matrix; at most {_MOST_ITEMS} items fit it",
                hint="raise min_item_interactions, or use item_knn or ials",
            )
        check_fits(
            _COPIES * 4 * data.n_items**2,
            f"EASE on {data.n_items} items",
            hint="raise min_item_interactions, or use item_knn or ials",
        )
        matrix = data.matrix(self.config.values)
        degrees = np.maximum(np.bincount(matrix.indices, minlength=data.n_items), 1).astype(np.float32)
        scale = degrees**-self.config.item_exponent  # (I,)
        gram = _gram(_scaled(matrix, scale, self.config.user_exponent))  # (I, I)
        gram[np.diag_indices_from(gram)] += self.config.regularization
        with blas_threads(1 if data.n_items < _SMALL else n_threads()):
            P = _inverse(gram)
        diagonal = P.diagonal().copy()
        P /= -diagonal  # column j divided by -P[j, j]
        np.fill_diagonal(P, 0.0)  # an item may not predict itself
        if self.config.item_exponent:
            P *= scale[:, None]
            P /= scale
        self.weights = P

    def _history(self, batch: UserBatch) -> sparse.csr_array:
        return batch.histories.matrix(self.config.values, duplicates=self.population.duplicates)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        scores = np.asarray(self._history(batch) @ self.weights, dtype=np.float32)
        scores[batch.histories.lengths == 0] = -np.inf  # no history, no evidence
        scores[:, self._unknown_items] = -np.inf
        return scores

    @property
    def _unknown_items(self) -> Rows:
        """Items that nobody took have zero weights."""
        cached = self.__dict__.get("_without_weights")
        if cached is None:
            cached = np.flatnonzero(~self.weights.any(axis=0)).astype(np.int32)
            self.__dict__["_without_weights"] = cached
        return np.asarray(cached)

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        """The weight that each item gets from item ``rows``."""
        scores = np.array(self.weights[rows], dtype=np.float32)
        scores[scores <= 0] = -np.inf
        return scores

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> npt.NDArray[np.floating] | None:
        """Each history item's weight for each listed item, times what it counts for."""
        own = self._history(batch)
        shares = own.data[:, None] * self.weights[own.indices][:, item_rows]
        return to_history(batch.histories.item_rows, own.indices, shares)


def _scaled(matrix: sparse.csr_array, scale: npt.NDArray[np.float32], user_exponent: float) -> sparse.csr_array:
    """The matrix with columns times ``scale`` and rows times degree^(-user_exponent / 2)."""
    lengths = np.diff(matrix.indptr)
    rows = np.maximum(lengths, 1).astype(np.float32) ** (-user_exponent / 2)
    data = matrix.data * scale[matrix.indices] * np.repeat(rows, lengths)
    return sparse.csr_array((data.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


def _gram(matrix: sparse.csr_array) -> npt.NDArray[np.float32]:
    """XᵀX as a dense array, block of columns by block of columns on all threads."""
    n_items = matrix.shape[1]
    gram = np.empty((n_items, n_items), dtype=np.float32)
    transposed = sparse.csr_array(matrix.T.tocsr())
    step = max(1, -(-n_items // (n_threads() * 8)))

    def fill(start: int) -> None:
        stop = min(start + step, n_items)
        gram[start:stop] = (transposed[start:stop] @ matrix).toarray()

    map_threads(fill, range(0, n_items, step))
    return gram


def _inverse(gram: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The inverse of a symmetric positive definite matrix, by Cholesky; the argument is overwritten.

    Raises:
        ModelTrainingError: it is singular to working precision.
    """
    kept = gram.diagonal().copy()
    factor, failed = lapack.spotrf(gram.T, lower=1, clean=0, overwrite_a=1)
    if not failed:
        inverse, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
    if not failed:
        return np.asarray(_mirrored(np.asarray(inverse)), dtype=np.float32)
    # float32 was not enough; the untouched upper triangle still holds the matrix
    double = np.triu(np.asarray(gram.T), 1).astype(np.float64)
    double += double.T
    np.fill_diagonal(double, kept)
    factor, failed = lapack.dpotrf(double, lower=1, overwrite_a=1)
    if not failed:
        inverse, failed = lapack.dpotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise ModelTrainingError("EASE: the item-item matrix is singular", hint="raise regularization")
    return _mirrored(np.asarray(inverse)).astype(np.float32)


def _mirrored(lower: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """The whole C-contiguous matrix from the lower triangle of a Fortran-ordered one, in place, block by block."""
    whole = np.ascontiguousarray(lower.T)  # no copy: what was lower is now upper
    n, step = len(whole), 512
    for a in range(0, n, step):
        b = min(a + step, n)
        corner = whole[a:b, a:b]
        corner[:] = np.triu(corner) + np.triu(corner, 1).T
        whole[b:, a:b] = whole[a:b, b:].T
    return whole
