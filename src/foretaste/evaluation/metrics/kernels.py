"""The compiled loops of judging: look listed items up in the truth, and the ideal gains.

Metrics import no model, so the kernels are compiled here and not through the models' helper.
"""

import numba
import numpy as np
import numpy.typing as npt


@numba.njit(cache=True, nogil=True)
def look_up(
    item_rows: npt.NDArray[np.int32],
    indptr: npt.NDArray[np.int64],
    relevant_rows: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float64],
    out_gains: npt.NDArray[np.float64],
) -> None:
    """Write the weight of each listed item (B, k); 0 where it is not relevant.

    User b's relevant items are ``relevant_rows[indptr[b]:indptr[b + 1]]``, ascending.
    """
    for b in range(item_rows.shape[0]):
        start, stop = indptr[b], indptr[b + 1]
        for place in range(item_rows.shape[1]):
            row = item_rows[b, place]
            low, high = start, stop
            while low < high:
                middle = (low + high) >> 1
                if relevant_rows[middle] < row:
                    low = middle + 1
                else:
                    high = middle
            found = low < stop and relevant_rows[low] == row
            out_gains[b, place] = weights[low] if found else 0.0


@numba.njit(cache=True, nogil=True)
def best_first(indptr: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], out: npt.NDArray[np.float64]) -> None:
    """Write the largest weights of each user in falling order (B, k); ``out`` comes filled with 0."""
    k = out.shape[1]
    for b in range(len(indptr) - 1):
        count = 0
        for n in range(indptr[b], indptr[b + 1]):
            weight = weights[n]
            if count == k and weight <= out[b, k - 1]:
                continue
            place = count if count < k else k - 1
            while place > 0 and out[b, place - 1] < weight:
                out[b, place] = out[b, place - 1]
                place -= 1
            out[b, place] = weight
            if count < k:
                count += 1


@numba.njit(cache=True, nogil=True)
def first_repeated(item_rows: npt.NDArray[np.int32], last_seen: npt.NDArray[np.int64]) -> int:
    """The first list (B, k) with an item twice or a row outside the catalogue, -1 when there is none.

    ``last_seen`` (I,) comes filled with -1 and is overwritten. Rows of -1 are padding.
    """
    n_items = len(last_seen)
    for b in range(item_rows.shape[0]):
        for place in range(item_rows.shape[1]):
            row = item_rows[b, place]
            if row == -1:
                continue
            if row < 0 or row >= n_items or last_seen[row] == b:
                return b
            last_seen[row] = b
    return -1
