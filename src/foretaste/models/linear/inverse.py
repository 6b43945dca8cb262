"""The inverse of a large symmetric positive definite matrix in its own memory, by matrix products of bounded size."""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.models.threads import blas_threads, map_threads

Matrix = npt.NDArray[Any]

TILE = 512
"""Rows and columns swept together: products this wide run at the speed of the processor."""
WIDE = 2048
"""Columns of the product that each thread holds at once, 4 MB of float32 beside the ``TILE`` rows."""


def invert(matrix: Matrix) -> bool:
    """Replace a symmetric matrix (n, n), float32 or float64, by its inverse; False where it is not positive definite.

    Reads and writes the lower triangle and mirrors it in the end; after False the part above the diagonal is as it was,
    and the rest holds nothing of use. Sweeps ``TILE`` variables at a time: with K those, D = A_KK⁻¹ and W = A_:K D, the
    rest becomes A - W A_K:, column block K becomes W, and A_KK becomes -D. When all are swept, -A⁻¹ is left. Every
    product is a tile of ``TILE`` × ``WIDE``, whatever n, so memory beyond the matrix stays small. (LAPACK's own inverse
    was seen to crash at n = 40 981.)

    Source: Goodnight 1979, doi:10.1080/00031305.1979.10482688 (sweeps), here by blocks and for symmetric storage.
    Cost: n³ operations, the same as a Cholesky inverse, on all threads; 8·n·``TILE`` bytes beside the matrix in
    float32.
    """
    n = len(matrix)
    blocks = [slice(start, min(start + TILE, n)) for start in range(0, n, TILE)]
    with blas_threads(1):  # the threads are ours
        if not all(_sweep(matrix, block, blocks) for block in blocks):
            return False
    diagonal = matrix.diagonal()
    if not (np.isfinite(diagonal).all() and (diagonal < 0).all()):
        return False
    map_threads(partial(_negate_and_mirror, matrix), blocks)
    return True


def _sweep(matrix: Matrix, block: slice, blocks: list[slice]) -> bool:
    """One step of :func:`invert`; False where the block's own part is not positive definite."""
    start, stop = block.start, block.stop
    own = np.tril(matrix[block, block])
    own += np.tril(own, -1).T
    inverse = _small_inverse(own)
    if inverse is None:
        return False
    panel = np.empty((len(matrix), stop - start), matrix.dtype)  # A_:K, whole
    panel[:start] = matrix[block, :start].T
    panel[stop:] = matrix[stop:, block]
    panel[block] = 0  # so that the products leave row and column block K alone
    swept = np.empty_like(panel)
    lower = np.tri(TILE, dtype=bool)

    def multiply(rows: slice) -> None:
        np.matmul(panel[rows], inverse, out=swept[rows])

    def subtract(rows: slice) -> None:
        if rows == block:
            return
        for first in range(0, rows.start, WIDE):
            last = min(first + WIDE, rows.start)
            matrix[rows, first:last] -= swept[rows] @ panel[first:last].T
        corner, size = matrix[rows, rows], rows.stop - rows.start
        np.subtract(corner, swept[rows] @ panel[rows].T, out=corner, where=lower[:size, :size])

    map_threads(multiply, blocks)
    map_threads(subtract, blocks[::-1])  # the longest rows first
    matrix[block, :start] = swept[:start].T
    matrix[stop:, block] = swept[stop:]
    np.negative(inverse, out=matrix[block, block], where=lower[: stop - start, : stop - start])
    return True


def _small_inverse(matrix: Matrix) -> Matrix | None:
    """By Cholesky; None where that fails."""
    from scipy.linalg import lapack

    factorise, finish = (lapack.spotrf, lapack.spotri) if matrix.dtype == np.float32 else (lapack.dpotrf, lapack.dpotri)
    factor, failed = factorise(matrix, lower=1)
    if failed:
        return None
    inverse, failed = finish(factor, lower=1)
    if failed or not np.isfinite(inverse.diagonal()).all():
        return None
    lower = np.tril(inverse)
    return np.ascontiguousarray(lower + np.tril(lower, -1).T)


def _negate_and_mirror(matrix: Matrix, rows: slice) -> None:
    """Rows of the lower triangle negated, and what is left of the diagonal written above it."""
    np.negative(matrix[rows, : rows.start], out=matrix[rows, : rows.start])
    matrix[: rows.start, rows] = matrix[rows, : rows.start].T
    corner = np.tril(matrix[rows, rows])
    matrix[rows, rows] = -corner - np.tril(corner, -1).T
