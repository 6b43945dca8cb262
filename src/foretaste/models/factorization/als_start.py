"""Where alternating least squares begins: near the solution, at the singular vectors of the observed pairs."""

import numpy as np
from scipy import sparse

from foretaste.models.factorization.als_solver import Floats
from foretaste.models.spectral import gram, orthonormal, times
from foretaste.models.threads import blas_threads, n_threads

_NOISE = 0.1


def spectral_start(matrix: sparse.csr_array, n_factors: int, *, seed: int = 0) -> tuple[Floats, Floats]:
    """Factors (U, F) and (I, F): roughly the singular vectors of ``matrix``, each times the root of its singular value.

    With equal confidences they would solve the problem but for the ridge, so with unequal ones they are close. Where
    the matrix has fewer than F of them, the other columns are small noise for the items and zero for the users.

    Source: Halko, Martinsson, Tropp 2011, doi:10.1137/090771806, with one power iteration and no oversampling: the
    epochs that follow work like further iterations, so a better decomposition was measured to cost more than it saves.
    """
    users = np.zeros((matrix.shape[0], n_factors), np.float32)
    items = random_start(matrix, n_factors, seed=seed)
    transposed = sparse.csr_array(matrix.T.tocsr())
    width = min(n_factors, *matrix.shape)
    noise = np.random.default_rng(seed).standard_normal((matrix.shape[1], width), dtype=np.float32)
    with blas_threads(n_threads()):
        basis = orthonormal(orthonormal(times(transposed, times(matrix, noise))))  # twice: removes rounding
        projected = times(matrix, basis)  # (U, width)
        squares, turn = np.linalg.eigh(gram(projected))
        kept = squares > np.finfo(np.float32).eps * squares.max(initial=0.0)
        roots = squares[kept] ** 0.25
        users[:, : len(roots)] = projected @ (turn[:, kept] / roots).astype(np.float32)
        items[:, : len(roots)] = basis @ (turn[:, kept] * roots).astype(np.float32)
    return users, items


def random_start(matrix: sparse.csr_array, n_factors: int, *, seed: int = 0) -> Floats:
    """Item factors (I, F) of mean zero that grow with the root of the item's popularity."""
    popularity = np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.float64)
    relative = np.sqrt(popularity / max(popularity.mean(), 1e-12))
    noise = np.random.default_rng(seed).standard_normal((matrix.shape[1], n_factors), dtype=np.float32)
    noise *= (_NOISE * relative[:, None]).astype(np.float32)
    return noise
