"""Neighbours of raters or rated things: similarity over what two rows have in common, and predictions from them."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel
from foretaste.models.kernels.neighbours import select_largest

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

COSINE, PEARSON, SQUARED_DIFFERENCE = 0, 1, 2
"""Kinds of similarity."""
ROUNDING = 1e-5
"""A similarity, or a variance as a part of the squares, below this is nothing but rounding."""


@kernel
def _similarity(
    kind: int, n: np.float32, x: np.float32, y: np.float32, xx: np.float32, yy: np.float32, xy: np.float32
) -> np.float32:
    """The similarity of two rows by sums over their ``n`` common columns; what is not above rounding is 0."""
    if kind == SQUARED_DIFFERENCE:
        return np.float32(1 / (max(xx + yy - 2 * xy, np.float32(0)) / n + 1))
    if kind == PEARSON:
        vx, vy = xx - x * x / n, yy - y * y / n
        if vx <= ROUNDING * xx or vy <= ROUNDING * yy:
            return np.float32(0)
        found = (xy - x * y / n) / np.sqrt(vx * vy)
        return np.float32(found if found > ROUNDING else 0)
    if xx <= 0 or yy <= 0:
        return np.float32(0)
    found = xy / np.sqrt(xx * yy)
    return np.float32(found if found > ROUNDING else 0)


@kernel
def nearest_over_common(
    start: int,
    stop: int,
    excluded: Ints,
    indptr: Longs,
    columns: Ints,
    values: Floats,
    t_indptr: Longs,
    t_rows: Ints,
    t_values: Floats,
    n_rows: int,
    kind: int,
    shrinkage: np.float32,
    significance: np.float32,
    min_support: int,
    out_rows: Ints,
    out_values: Floats,
    out_counts: Longs,
) -> None:
    """The K most similar rows of a matrix to rows ``start:stop`` of another (or the same), best first.

    ``t_…`` is the one transposed. A similarity over n common columns is multiplied by ``n / (n + shrinkage)`` and
    ``min(n, significance) / significance``, and left out below ``min_support`` columns or when it is not positive.
    ``out_…`` are (stop - start, K) and (stop - start,); ``excluded[i]`` (-1: none) is left out for row i.
    """
    sums = np.zeros((n_rows, 6), dtype=np.float32)  # n, x, y, xx, yy, xy
    touched = np.empty(n_rows, dtype=np.int32)
    similarity = np.empty(n_rows, dtype=np.float32)
    maxima = np.empty(2 * (n_rows // 32) + 1, dtype=np.float32)
    keys = np.empty(n_rows + 1, dtype=np.int64)
    for i in range(start, stop):
        size = 0
        for p in range(indptr[i], indptr[i + 1]):
            x, column = values[p], columns[p]
            for q in range(t_indptr[column], t_indptr[column + 1]):
                j, y = t_rows[q], t_values[q]
                own = sums[j]
                if own[0] == 0:
                    touched[size] = j
                    size += 1
                own[0] += 1
                own[1] += x
                own[2] += y
                own[3] += x * x
                own[4] += y * y
                own[5] += x * y
        for m in range(size):
            own = sums[touched[m]]
            n = own[0]
            found = np.float32(0)
            if n >= min_support and touched[m] != excluded[i]:
                found = _similarity(kind, n, own[1], own[2], own[3], own[4], own[5])
                found *= n / (n + shrinkage)
                if n < significance:
                    found *= n / significance
            similarity[m] = max(found, np.float32(0))
            own[:] = 0
        out_counts[i - start] = select_largest(
            similarity[:size], touched[:size], maxima, keys, out_rows[i - start], out_values[i - start]
        )


@kernel
def weighted_deviations(
    start: int,
    stop: int,
    own: Ints,
    crossing: Ints,
    l_indptr: Longs,
    l_rows: Ints,
    l_values: Floats,
    r_indptr: Longs,
    r_columns: Ints,
    r_values: Floats,
    n_own: int,
    k: int,
    least: int,
    damping: np.float32,
    out: Floats,
) -> None:
    """For pairs ``start:stop``, the mean deviation of the ``k`` nearest neighbours that have one, by similarity.

    Pair n asks for ``own[n]`` (an item, or a user) and ``crossing[n]`` (a user, or an item). ``l_…`` lists the
    neighbours of every ``own``, nearest first; ``r_…`` holds the deviations of every ``crossing`` from what was
    expected. Pairs with equal ``crossing`` should come together. NaN where fewer than ``least`` neighbours are found.
    """
    deviations = np.zeros(n_own, dtype=np.float32)
    is_there = np.zeros(n_own, dtype=np.bool_)
    current = -1
    for n in range(start, stop):
        if crossing[n] != current:
            if current >= 0:
                for p in range(r_indptr[current], r_indptr[current + 1]):
                    is_there[r_columns[p]] = False
            current = crossing[n]
            for p in range(r_indptr[current], r_indptr[current + 1]):
                is_there[r_columns[p]] = True
                deviations[r_columns[p]] = r_values[p]
        above, below, found = np.float32(0), damping, 0
        for p in range(l_indptr[own[n]], l_indptr[own[n] + 1]):
            j = l_rows[p]
            if is_there[j]:
                above += l_values[p] * deviations[j]
                below += l_values[p]
                found += 1
                if found == k:
                    break
        out[n] = above / below if found >= least and below > 0 else np.float32(np.nan)
