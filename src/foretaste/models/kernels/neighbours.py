"""Similarities of the rows of a sparse matrix to each other, the K nearest of each kept, and never all pairs in memory.

Row by row (Gustavson): the columns of row i lead to the rows that share something with it, and a dense accumulator
collects the products. Where much is touched, the whole accumulator is turned into similarities with vector
instructions; where little is, only what was touched. The K best are found through the largest value of every 32: the
K-th largest of those is a bound that hardly more than K values reach, and only these are sorted.
"""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

CHUNK = 32
"""Values whose largest is taken; a constant, so that the compiler unrolls the loop."""
SPARSE_SHARE = 32
"""A row is handled by its touched places when its products are fewer than this part (1/32) of all rows."""


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
    """List the rows that share a column with the given ones, in any order."""
    count = 0
    for column in columns:
        for p in range(indptr[column], indptr[column + 1]):
            row = rows[p]
            if not marks[row]:
                marks[row] = True
                touched[count] = row
                count += 1
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


@kernel(fastmath={"nnan", "nsz"})
def _chunk_maxima(values: Floats, maxima: Floats) -> None:
    """The largest of every ``CHUNK`` values; a rest is left out. Values are never NaN here, so vectors may be used."""
    for c in range(len(maxima)):
        largest = values[c * CHUNK]
        for i in range(c * CHUNK, c * CHUNK + CHUNK):
            largest = max(largest, values[i])
        maxima[c] = largest


@kernel
def kth_largest(values: Floats, k: int) -> np.float32:
    """The ``k``-th largest (from 1) of ``values``, which are reordered (Hoare's selection)."""
    low, high, place = 0, len(values) - 1, k - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            break
    return np.float32(values[place])


@kernel
def select_largest(values: Floats, rows: Ints, maxima: Floats, keys: Longs, where: Ints, best: Floats) -> int:
    """Write the rows and values of the ``len(best)`` largest positive ``values``, largest first; returns how many.

    ``rows`` names the row of each value; empty, it is the place. Ties go to the smaller row. ``maxima`` (≥ n / 16) and
    ``keys`` (≥ n + 1) are scratch.
    """
    n, k = len(values), len(best)
    n_chunks = n // CHUNK
    bound = np.float32(0)
    chunks = maxima[:n_chunks]
    _chunk_maxima(values, chunks)
    if n_chunks > k:
        copy = maxima[n_chunks : 2 * n_chunks]
        copy[:] = chunks
        bound = kth_largest(copy, k)
    bits = values.view(np.int32)  # of positive floats these are in the same order as the values
    named = len(rows) > 0
    count = 0
    for c in range(n_chunks + 1):
        if c < n_chunks and (chunks[c] < bound or chunks[c] <= 0):
            continue
        for i in range(c * CHUNK, min(c * CHUNK + CHUNK, n)):
            row = rows[i] if named else i
            keys[count] = (np.int64(bits[i]) << 32) | np.int64(0x7FFFFFFF - row)
            count += (values[i] >= bound) & (values[i] > 0)
    kept = keys[:count]
    kept.sort()
    size = min(count, k)
    found = best.view(np.int32)
    for m in range(size):
        where[m] = 0x7FFFFFFF - (kept[count - 1 - m] & 0x7FFFFFFF)
        found[m] = kept[count - 1 - m] >> 32
    return size


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
    maxima = np.empty(2 * (n_rows // CHUNK) + 1, dtype=np.float32)
    keys = np.empty(n_rows + 1, dtype=np.int64)  # one more: a key is written before it is known whether it stays
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
            count = select_largest(similarity, touched[:0], maxima, keys, where, best)
            products[:] = 0
        else:
            size = _touched_rows(columns[a:b], t_indptr, t_rows, marks, touched)
            near = touched[:size]
            _to_similarity(products[near], own[i], others[near], shrinkage, is_overlap, similarity[:size])
            count = select_largest(similarity[:size], near, maxima, keys, where, best)
            for row in near:
                products[row] = 0
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
    indptr: Longs,
    picks: Ints,
    weights: Floats,
    m_indptr: npt.NDArray[np.integer],
    m_columns: npt.NDArray[np.integer],
    m_entries: Floats,
    out: Floats,
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
