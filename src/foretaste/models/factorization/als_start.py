"""Where alternating least squares begins: near the solution, close to the singular vectors of the observed pairs."""

import numpy as np
from scipy import sparse

from foretaste.models.factorization.als_solver import Floats
from foretaste.models.spectral import randomized_svd, times

_NOISE = 0.1


def spectral_start(matrix: sparse.csr_array, n_factors: int, *, seed: int = 0) -> tuple[Floats, Floats]:
    """Factors (U, F) and (I, F): roughly the singular vectors of ``matrix``, each times the root of its singular value.

    With equal confidences they would solve the problem but for the ridge, so with unequal ones they are close. Where
    the matrix has fewer than F of them, the other columns are small noise for the items and zero for the users.

    Source: Halko, Martinsson, Tropp 2011, doi:10.1137/090771806, with random signs for the normal numbers (quicker to
    draw, and as good), one power iteration and no oversampling: the epochs that follow work like further iterations, so
    a better decomposition was measured to cost more than it saves.
    """
    width = min(n_factors, *matrix.shape)
    signs = np.random.default_rng(seed).integers(0, 2, (matrix.shape[1], width), dtype=np.int8)
    transposed = sparse.csr_array(matrix.T.tocsr())
    start = times(matrix, 2 * signs.astype(np.float32) - 1)
    found = randomized_svd(transposed, width, iterations=0, start=start)
    k, roots = len(found.values), np.sqrt(found.values)
    if k == n_factors:
        return found.right * roots, found.left * roots
    users = np.zeros((matrix.shape[0], n_factors), np.float32)
    items = random_start(matrix, n_factors, seed=seed)
    users[:, :k], items[:, :k] = found.right * roots, found.left * roots
    return users, items


def random_start(matrix: sparse.csr_array, n_factors: int, *, seed: int = 0) -> Floats:
    """Item factors (I, F) of mean zero that grow with the root of the item's popularity."""
    popularity = np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.float64)
    relative = np.sqrt(popularity / max(popularity.mean(), 1e-12))
    noise = np.random.default_rng(seed).standard_normal((matrix.shape[1], n_factors), dtype=np.float32)
    noise *= (_NOISE * relative[:, None]).astype(np.float32)
    return noise
