"""Similarities of the rows of a sparse matrix to each other, the K nearest of each kept, and never all pairs in memory.

Row by row (Gustavson): the columns of row i lead to the rows that share something with it, and a dense accumulator
collects the products. Where much is touched, the whole accumulator is turned into similarities and scanned for the K
best with vector instructions; where little is, only what was touched.
"""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel
from foretaste.models.kernels.topk import scan_row, sort_heap

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

SPARSE_SHARE = 8
"""A row is handled by its touched places when its products are fewer than this part (1/8) of all rows."""


@kernel
def accumulate(columns: Ints, values: Floats, indptr: Longs, rows: Ints, entries: Floats, out: Floats) -> None:
    """Add ``values[n] · (row vector of column n)`` to ``out`` for every column.

    ``indptr``, ``rows`` and ``entries`` hold the transposed matrix; empty ``entries`` stand for ones.
    """
    if len(entries) == 0:
        for n in range(len(columns)):
            value = values[n]
            for p in range(indptr[columns[n]], indptr[columns[n] + 1]):
                out[rows[p]] += value
    else:
        for n in range(len(columns)):
            value = values[n]
            for p in range(indptr[columns[n]], indptr[columns[n] + 1]):
                out[rows[p]] += value * entries[p]


@kernel
def _touched_rows(columns: Ints, indptr: Longs, rows: Ints, marks: npt.NDArray[np.bool_], touched: Ints) -> int:
    """List the rows that share a column with the given ones, ascending."""
    count = 0
    for column in columns:
        for p in range(indptr[column], indptr[column + 1]):
            row = rows[p]
            if not marks[row]:
                marks[row] = True
                touched[count] = row
                count += 1
    touched[:count].sort()
    for n in range(count):
        marks[touched[n]] = False
    return count


@kernel
def _to_similarity(
    products: Floats, own: np.float32, others: Floats, shrinkage: np.float32, is_overlap: bool, out: Floats
) -> None:
    """Products to similarities; see :func:`nearest_rows`."""
    if is_overlap:
        for j in range(len(products)):
            c = products[j]
            rest = own + others[j] - c + shrinkage
            out[j] = c / rest if rest > 0 else np.float32(0)
    else:
        for j in range(len(products)):
            scale = own * others[j] + shrinkage
            out[j] = products[j] / scale if scale > 0 else np.float32(0)


@kernel
def nearest_rows(
    targets: Ints,
    excluded: Ints,
    indptr: Longs,
    columns: Ints,
    left: Floats,
    t_indptr: Longs,
    t_rows: Ints,
    t_entries: Floats,
    own: Floats,
    others: Floats,
    shrinkage: np.float32,
    is_overlap: bool,
    out_rows: Ints,
    out_values: Floats,
    out_counts: Longs,
) -> None:
    """The K most similar rows of a matrix to each of ``targets``, rows of another (or the same) with equal columns.

    ``indptr``, ``columns`` and ``left`` are the matrix of the targets, ``t_…`` the other one transposed (empty
    ``t_entries`` are ones; the left values carry both weights then). With c the sum of products the similarity is
    ``c / (own[i]·others[j] + shrinkage)``, or ``c / (own[i] + others[j] - c + shrinkage)`` with ``is_overlap``
    (Jaccard). Only positive ones are kept; ties go to the smaller row; ``excluded[n]`` (-1: none) is left out.
    ``out_rows`` and ``out_values`` are (n, K), best first.
    """
    n_rows = len(others)
    products = np.zeros(n_rows, dtype=np.float32)
    similarity = np.empty(n_rows, dtype=np.float32)
    marks = np.zeros(n_rows, dtype=np.bool_)
    touched = np.empty(n_rows, dtype=np.int32)
    floor = np.float32(0)
    for n in range(len(targets)):
        i = targets[n]
        a, b = indptr[i], indptr[i + 1]
        work = 0
        for p in range(a, b):
            work += t_indptr[columns[p] + 1] - t_indptr[columns[p]]
        accumulate(columns[a:b], left[a:b], t_indptr, t_rows, t_entries, products)
        if excluded[n] >= 0:
            products[excluded[n]] = 0
        best, where = out_values[n], out_rows[n]
        if work * SPARSE_SHARE > n_rows:
            _to_similarity(products, own[i], others, shrinkage, is_overlap, similarity)
            count = scan_row(similarity, 0, floor, 0, best, where)
            products[:] = 0
        else:
            size = _touched_rows(columns[a:b], t_indptr, t_rows, marks, touched)
            near = touched[:size]
            _to_similarity(products[near], own[i], others[near], shrinkage, is_overlap, similarity[:size])
            count = scan_row(similarity[:size], 0, floor, 0, best, where)
            for m in range(count):
                where[m] = near[where[m]]
            for row in near:
                products[row] = 0
        sort_heap(count, best, where)
        out_counts[n] = count


@kernel
def dense_products(
    start: int,
    stop: int,
    indptr: Longs,
    columns: Ints,
    left: Floats,
    t_indptr: Longs,
    t_rows: Ints,
    t_entries: Floats,
    out: Floats,
) -> None:
    """Rows ``start:stop`` of matrix × transposed matrix, added to ``out`` (all rows, all rows) dense."""
    for i in range(start, stop):
        a, b = indptr[i], indptr[i + 1]
        accumulate(columns[a:b], left[a:b], t_indptr, t_rows, t_entries, out[i])


@kernel
def sum_of_rows(
    indptr: Longs, picks: Ints, weights: Floats, m_indptr: Longs, m_columns: Ints, m_entries: Floats, out: Floats
) -> None:
    """For each b, the weighted sum of the sparse rows ``picks[indptr[b]:indptr[b + 1]]`` into ``out`` (B, I) of zeros.

    What stays 0 becomes -inf: nothing spoke for it.
    """
    n_columns = out.shape[1]
    for b in range(len(indptr) - 1):
        row = out[b]
        for n in range(indptr[b], indptr[b + 1]):
            weight = weights[n]
            if weight == 0:
                continue
            for p in range(m_indptr[picks[n]], m_indptr[picks[n] + 1]):
                row[m_columns[p]] += weight * m_entries[p]
        for j in range(n_columns):
            row[j] = row[j] if row[j] != 0 else np.float32(-np.inf)
