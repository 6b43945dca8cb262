"""The largest singular values and vectors of a sparse matrix, by a randomised method."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from foretaste.errors import ModelTrainingError
from foretaste.models.memory import check_fits
from foretaste.models.threads import blas_threads, map_threads, n_threads

Floats = npt.NDArray[np.float32]

_COPIES = 4
"""Dense matrices of the larger side held at once."""
_GRAM_ROWS = 4096
"""Rows turned into float64 at a time."""


@dataclass(frozen=True, eq=False)
class SVD:
    """``left @ diag(values) @ right.T`` approximates the matrix; values fall, and none is zero."""

    left: Floats  # (U, k)
    values: Floats  # (k,)
    right: Floats  # (I, k)


def randomized_svd(
    matrix: sparse.csr_array,
    k: int,
    *,
    oversampling: int = 16,
    iterations: int = 4,
    seed: int = 0,
    start: Floats | None = None,
) -> SVD:
    """The ``k`` largest singular values of ``matrix`` (U, I) with their vectors.

    Fewer come back where the matrix has a lower rank (to float32). In each right vector the entry of largest size is
    positive, so that the signs do not depend on the seed. ``start`` (I, n) is a block to begin with instead of
    k + ``oversampling`` columns of normally distributed numbers.

    Source: Halko, Martinsson, Tropp 2011, doi:10.1137/090771806, algorithms 4.4 and 5.1: a random start of
    k + ``oversampling`` columns, ``iterations`` products with AᵀA (each brings the space nearer to the largest
    vectors) normalised by LU, then orthonormal columns, and the singular values of the projected matrix by its Gram
    matrix in float64.
    Cost: 2·iterations + 2 sparse products with k + oversampling columns, as many LUs of matrices of that width; about
    16·max(U, I)·k bytes.

    Raises:
        ModelTrainingError: it does not fit in memory.
    """
    n_rows, n_columns = matrix.shape
    width = min(k + oversampling if start is None else start.shape[1], n_rows, n_columns)
    k = min(k, width)
    check_fits(_COPIES * 4 * max(n_rows, n_columns) * width, f"a decomposition of {k} vectors", hint="lower n_factors")
    transposed = sparse.csr_array(matrix.T.tocsr())
    with blas_threads(n_threads()):
        block = start
        if block is None:
            block = np.random.default_rng(seed).standard_normal((n_columns, width), dtype=np.float32)
        for _ in range(iterations):
            block = _normalized(times(transposed, _normalized(times(matrix, block))))
        basis = _orthonormal(_orthonormal(times(matrix, block)))  # (U, width); the second time removes rounding
        projected = times(transposed, basis)  # (I, width) = V diag(values) Wᵀ
        squares, turn = np.linalg.eigh(_gram(projected))
        values = np.sqrt(np.maximum(squares[::-1], 0.0))
        noise = 10 * np.sqrt(max(matrix.shape)) * np.finfo(np.float32).eps  # of float32 sums, relative
        k = min(k, int((values > noise * values.max(initial=0.0)).sum()))
        values, turn = values[:k], turn[:, ::-1][:, :k]
        right = projected @ (turn / values).astype(np.float32)
        left = basis @ turn.astype(np.float32)
    largest = np.abs(right).argmax(axis=0) if k else np.zeros(0, np.int64)
    signs = np.where(right[largest, np.arange(k)] < 0, np.float32(-1), np.float32(1))
    return SVD(left * signs, values.astype(np.float32), right * signs)


def _normalized(block: Floats) -> Floats:
    """Columns that span the same space and are far from parallel (the L of an LU decomposition)."""
    return np.asarray(linalg.lu(_finite(block), permute_l=True, check_finite=False)[0], np.float32)


def _orthonormal(block: Floats) -> Floats:
    """Orthonormal columns that span the same space, by the eigenvectors of the Gram matrix: a fifth of a QR's time.

    Directions that are only rounding are left out. The columns are orthonormal to float32 times the condition.
    """
    squares, turn = np.linalg.eigh(_gram(_finite(block)))
    kept = squares > np.finfo(np.float64).eps * len(squares) * squares.max(initial=0.0)
    return np.asarray(block @ (turn[:, kept] / np.sqrt(squares[kept])).astype(np.float32))


def _gram(block: Floats) -> npt.NDArray[np.float64]:
    """blockᵀ block, summed in float64."""
    total = np.zeros((block.shape[1], block.shape[1]))
    for start in range(0, len(block), _GRAM_ROWS):
        part = block[start : start + _GRAM_ROWS].astype(np.float64)
        total += part.T @ part
    return total


def _finite(block: Floats) -> Floats:
    if not np.isfinite(block).all():
        raise ModelTrainingError("the decomposition gave values that are not finite")
    return block


def times(matrix: sparse.csr_array, block: Floats) -> Floats:
    """``matrix @ block`` for a dense block, sixteen columns at a time on all threads."""
    from foretaste.models.kernels.panels import WIDTH, multiply_panel

    indptr, columns = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
    entries = matrix.data.astype(np.float32)
    out = np.empty((matrix.shape[0], block.shape[1]), np.float32)

    def multiply(start: int) -> None:
        stop = min(start + WIDTH, block.shape[1])
        panel = np.zeros((matrix.shape[1], WIDTH), np.float32)
        panel[:, : stop - start] = block[:, start:stop]
        product = np.empty((matrix.shape[0], WIDTH), np.float32)
        multiply_panel(indptr, columns, entries, panel, product)
        out[:, start:stop] = product[:, : stop - start]

    map_threads(multiply, range(0, block.shape[1], WIDTH))
    return out
