"""The rows of a sparse matrix most like each of them, on all threads, and such lists as a matrix."""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.models.threads import map_threads, n_threads

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

PARTS_PER_THREAD = 16


def csr_arrays(matrix: sparse.csr_array) -> tuple[Longs, Ints, Floats]:
    """A sparse matrix as the kernels want it: ``indptr``, ``indices``, entries."""
    return *csr_places(matrix), np.asarray(matrix.data, np.float32)


def csr_places(matrix: sparse.csr_array) -> tuple[Longs, Ints]:
    """Where the entries of a sparse matrix stand, as the kernels want it: ``indptr``, ``indices``."""
    return np.asarray(matrix.indptr, np.int64), np.asarray(matrix.indices, np.int32)


def nearest_others(
    matrix: sparse.csr_array,
    entries: npt.NDArray[np.floating],
    transposed: sparse.csr_array,
    transposed_entries: npt.NDArray[np.floating],
    k: int,
    *,
    own: Floats,
    others: Floats,
    shrinkage: float = 0.0,
    is_overlap: bool = False,
) -> tuple[Ints, Floats, Longs]:
    """The ``k`` other rows most similar to each row, best first: rows (n, k), similarities (n, k), counts (n,).

    The similarity of rows i and j is ``c / (own[i]·others[j] + shrinkage)`` with c the sum of products, or with
    ``is_overlap`` Jaccard's ``c / (own[i] + others[j] - c + shrinkage)``; only positive ones are kept. ``entries`` and
    ``transposed_entries`` (nnz,) stand in the place of the matrices' own; empty ones of the transposed are ones.
    Cost: Σ over columns of (rows that have it)² products on all threads; 13 bytes a row for each thread, and the
    result.
    """
    from foretaste.models.kernels.neighbours import nearest_rows

    n = matrix.shape[0]
    k = max(1, min(k, n - 1))
    rows, values, counts = np.zeros((n, k), np.int32), np.zeros((n, k), np.float32), np.zeros(n, np.int64)
    left = (*csr_places(matrix), np.asarray(entries, np.float32))
    right = (*csr_places(transposed), np.asarray(transposed_entries, np.float32))

    def work(targets: Ints) -> None:
        block = slice(int(targets[0]), int(targets[-1]) + 1)
        out = (rows[block], values[block], counts[block])
        nearest_rows(targets, targets, *left, *right, own, others, np.float32(shrinkage), is_overlap, *out)

    map_threads(work, balanced_parts(work_of_rows(matrix, transposed)))
    return rows, values, counts


def work_of_rows(matrix: sparse.csr_array, transposed: sparse.csr_array) -> npt.NDArray[np.float64]:
    """Products that comparing each row costs (n,), and its share of the scan."""
    lengths = np.diff(transposed.indptr).astype(np.float64)
    return row_sums(matrix.indptr, lengths[matrix.indices]) + matrix.shape[0] / 8


def row_sums(indptr: npt.NDArray[np.integer], values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The sums (n,) of the entries ``values`` (nnz,) of each row."""
    sums = np.concatenate([np.zeros(1), np.cumsum(values)])
    return np.asarray(np.diff(sums[indptr]))


def balanced_parts(work: npt.NDArray[np.float64]) -> list[Ints]:
    """Consecutive rows in parts of about equal work, several for each thread."""
    n_parts = PARTS_PER_THREAD * n_threads()
    edges = np.searchsorted(np.cumsum(work), np.linspace(0, work.sum(), n_parts + 1)[1:-1])
    rows = np.arange(len(work), dtype=np.int32)
    return [part for part in np.split(rows, np.unique(edges)) if len(part)]


def as_matrix(rows: Ints, values: Floats, counts: Longs, n_columns: int) -> sparse.csr_array:
    """Lists of neighbours as a sparse matrix (n, n_columns)."""
    kept = np.arange(rows.shape[1]) < counts[:, None]
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return sparse.csr_array((values[kept], rows[kept], indptr), shape=(len(rows), n_columns))
