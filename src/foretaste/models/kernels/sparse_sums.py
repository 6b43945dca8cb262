"""The best columns of a weighted sum of few sparse rows, without passing over all columns."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel
from foretaste.models.kernels.topk import _sift_down, _sift_up, sort_heap

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Indices = npt.NDArray[np.integer]
Mask = npt.NDArray[np.bool_]


@kernel
def _add_up(
    picks: Indices,
    weights: Floats,
    m_indptr: Indices,
    m_columns: Indices,
    m_entries: Floats,
    sums: Floats,
    marks: Mask,
    touched: Ints,
) -> int:
    """Add the picked rows to ``sums`` (I,); the columns they have go into ``touched``, their number is returned."""
    count = 0
    for n in range(len(picks)):
        weight = weights[n]
        if weight == 0:
            continue
        for p in range(m_indptr[picks[n]], m_indptr[picks[n] + 1]):
            column = m_columns[p]
            if not marks[column]:
                marks[column] = True
                touched[count] = column
                count += 1
            sums[column] += weight * m_entries[p]
    return count


@kernel
def best_sums(
    indptr: Indices,
    picks: Indices,
    weights: Floats,
    m_indptr: Indices,
    m_columns: Indices,
    m_entries: Floats,
    n_columns: int,
    above: np.float32,
    seen_indptr: Longs,
    seen: Ints,
    allowed: Mask,
    out_rows: Ints,
    out_scores: Floats,
) -> None:
    """For each b the largest sums of the sparse rows ``picks[indptr[b]:indptr[b + 1]]``, times their weights.

    Sums of 0 and those that are not above ``above`` do not count. Columns ``seen[seen_indptr[b]:…]`` are left out, and
    those where ``allowed`` ((0, 0), (1, I) or (B, I)) is false. Outputs (B, k) come filled with -1 and NaN; ties go to
    the smaller column.
    """
    k = out_rows.shape[1]
    sums, marks = np.zeros(n_columns, np.float32), np.zeros(n_columns, np.bool_)
    touched = np.empty(n_columns, np.int32)
    for b in range(len(indptr) - 1):
        own = slice(indptr[b], indptr[b + 1])
        n_touched = _add_up(picks[own], weights[own], m_indptr, m_columns, m_entries, sums, marks, touched)
        for n in range(seen_indptr[b], seen_indptr[b + 1]):
            sums[seen[n]] = np.float32(0)
        mask, count = min(b, allowed.shape[0] - 1), 0
        best, where = out_scores[b], out_rows[b]
        for n in range(n_touched):
            column = touched[n]
            score = sums[column]
            sums[column], marks[column] = np.float32(0), False
            if score == 0 or not score > above or (mask >= 0 and not allowed[mask, column]):
                continue
            if count < k:
                _sift_up(best, where, count, score, column)
                count += 1
            elif score > best[0] or (score == best[0] and column < where[0]):
                _sift_down(best, where, k, score, column)
        sort_heap(count, best, where)
