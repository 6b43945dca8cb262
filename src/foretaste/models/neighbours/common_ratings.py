"""Which rows of a matrix of ratings are alike over the columns that they have in common."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.models.memory import check_fits
from foretaste.models.nearest import balanced_parts, csr_arrays, work_of_rows
from foretaste.models.threads import map_threads

Floats = npt.NDArray[np.float32]
RatingSimilarity = Literal["cosine", "adjusted_cosine", "pearson", "pearson_baseline", "msd"]
Lists = tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], Floats]
"""Neighbours of each row, nearest first: where each list starts (n + 1,), rows and similarities."""


def turned(matrix: sparse.csr_array) -> sparse.csr_array:
    """The transposed matrix; entries that are 0 stay entries."""
    return sparse.csr_array(matrix.T.tocsr())


def with_values(matrix: sparse.csr_array, values: npt.NDArray[np.floating]) -> sparse.csr_array:
    """The same structure with other entries, float32."""
    return sparse.csr_array((values.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


def nearest_raters(
    rows: sparse.csr_array,
    others: sparse.csr_array,
    k: int,
    *,
    similarity: RatingSimilarity,
    shrinkage: float,
    significance: float,
    min_support: int,
    excluded: npt.NDArray[np.int32],
) -> Lists:
    """For each of ``rows`` (n, F) the at most ``k`` most similar columns of ``others`` (F, m) with a positive
    similarity.

    The entries are compared as they are: what is to be subtracted has been. ``excluded`` (n,) names a column to leave
    out for each row, -1 for none.

    Cost: the sum over features of (rows that have it) times (others that have it), on all threads; 24 bytes an other
    for each thread, 8·n·k for the result.
    """
    from foretaste.models.kernels import rating_knn as kernels

    n_others = others.shape[1]
    k = max(1, min(k, n_others))
    check_fits(16 * rows.shape[0] * k, f"keeping {k:,} neighbours of {rows.shape[0]:,}", hint="lower n_kept")
    named = {"pearson": kernels.PEARSON, "msd": kernels.SQUARED_DIFFERENCE}
    kind = named.get(similarity, kernels.COSINE)
    own, theirs = csr_arrays(rows), csr_arrays(others)

    def work(part: npt.NDArray[np.int32]) -> Lists:
        n = len(part)
        found: npt.NDArray[np.int32] = np.zeros((n, k), np.int32)
        values: Floats = np.zeros((n, k), np.float32)
        counts: npt.NDArray[np.int64] = np.zeros(n, np.int64)
        kernels.nearest_over_common(
            int(part[0]), int(part[-1]) + 1, excluded, *own, *theirs, n_others, kind, np.float32(shrinkage),
            np.float32(significance), min_support, found, values, counts,
        )  # fmt: skip
        kept = np.arange(k) < counts[:, None]
        return counts, found[kept], values[kept]

    parts = map_threads(work, balanced_parts(work_of_rows(rows, others)))
    counts, found, values = (np.concatenate(pieces) for pieces in zip(*parts, strict=True))
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]), found, values


def chosen_lists(lists: Lists, rows: npt.NDArray[np.integer]) -> Lists:
    """The lists of ``rows``; a row of -1 has an empty one."""
    starts, known = lists[0], np.maximum(rows, 0)
    lengths = np.where(rows >= 0, np.diff(starts)[known], 0)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    picks = np.repeat(starts[known] - indptr[:-1], lengths) + np.arange(indptr[-1])
    return indptr, lists[1][picks], lists[2][picks]


def joined_lists(first: Lists, second: Lists, places: npt.NDArray[np.integer]) -> Lists:
    """Both after each other, then in the order of ``places``."""
    indptr = np.concatenate([first[0], second[0][1:] + first[0][-1]])
    both = indptr, np.concatenate([first[1], second[1]]), np.concatenate([first[2], second[2]])
    return chosen_lists(both, places)


def means_and_deviations(matrix: sparse.csr_array, otherwise: float) -> tuple[Floats, Floats]:
    """Mean and standard deviation of every row's entries; ``otherwise`` and 1 where there are none, or no spread."""
    counts = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(matrix.shape[0]), counts)
    values = matrix.data.astype(np.float64)
    divisors = np.maximum(counts, 1)
    means = np.bincount(rows, weights=values, minlength=matrix.shape[0]) / divisors
    squares = np.bincount(rows, weights=(values - means[rows]) ** 2, minlength=matrix.shape[0]) / divisors
    spreads = np.sqrt(squares)
    means = np.where(counts > 0, means, otherwise)
    spreads = np.where(spreads > 1e-6 * np.maximum(np.abs(means), 1e-30), spreads, 1.0)
    return means.astype(np.float32), spreads.astype(np.float32)
