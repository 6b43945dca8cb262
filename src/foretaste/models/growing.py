"""Arrays and matrices with more rows, for models that learn beside the traffic."""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

D = TypeVar("D", bound=np.generic)


def padded_rows(array: npt.NDArray[D], n_rows: int) -> npt.NDArray[D]:
    """A copy of ``array`` (n, …) with zeros below it up to ``n_rows``."""
    out = np.zeros((n_rows, *array.shape[1:]), array.dtype)
    out[: len(array)] = array
    return out


def padded_indptr(indptr: npt.NDArray[np.integer], n_rows: int) -> npt.NDArray[np.integer]:
    """Slices for ``n_rows`` rows, the new ones empty."""
    return np.concatenate([indptr, np.full(n_rows + 1 - len(indptr), indptr[-1], indptr.dtype)])


def padded_matrix(matrix: Any, n_rows: int) -> Any:
    """A CSR ``matrix`` with empty rows below it up to ``n_rows``; shares the entries' memory."""
    indptr = padded_indptr(matrix.indptr, n_rows)
    return sparse.csr_array((matrix.data, matrix.indices, indptr), shape=(n_rows, matrix.shape[1]))


def with_rows(
    matrix: sparse.csr_array, rows: npt.NDArray[np.integer], fresh: sparse.csr_array, shape: tuple[int, int]
) -> sparse.csr_array:
    """``matrix`` at a new, larger shape, with ``fresh`` (m, …) in the place of its ``rows`` (m, sorted)."""
    indptr = padded_indptr(matrix.indptr.astype(np.int64), shape[0])
    lengths = np.diff(indptr)
    old = np.repeat(np.arange(shape[0]), lengths)
    is_old = np.ones(shape[0], dtype=bool)
    is_old[rows] = False
    kept = is_old[old]
    lengths[rows] = np.diff(fresh.indptr)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    owner = np.repeat(np.arange(shape[0]), lengths)
    from_old = is_old[owner]
    data = np.empty(starts[-1], matrix.dtype)
    indices = np.empty(starts[-1], np.int32)
    data[from_old], indices[from_old] = matrix.data[kept], matrix.indices[kept]
    data[~from_old], indices[~from_old] = fresh.data, fresh.indices
    return sparse.csr_array((data, indices, starts), shape=shape)
