"""The k best columns of each row, some columns left out."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel


@kernel
def top_k(
    scores: npt.NDArray[np.float32],
    k: int,
    out_rows: npt.NDArray[np.int32],
    out_scores: npt.NDArray[np.float32],
) -> None:
    """Write the ``k`` largest finite entries of each row, largest first, ties by the smaller column.

    ``scores`` is (B, I); ``out_rows`` and ``out_scores`` are (B, k) and come filled with -1 and NaN. NaN and -inf
    never qualify.
    """
    n_rows, n_columns = scores.shape
    for b in range(n_rows):
        count = 0
        row = scores[b]
        best = out_scores[b]
        where = out_rows[b]
        threshold = np.float32(-np.inf)
        for i in range(n_columns):
            s = row[i]
            if s > threshold:  # false for NaN
                place = count if count < k else k - 1
                while place > 0 and best[place - 1] < s:
                    best[place] = best[place - 1]
                    where[place] = where[place - 1]
                    place -= 1
                best[place] = s
                where[place] = i
                if count < k:
                    count += 1
                if count == k:
                    threshold = best[k - 1]


@kernel
def mask_seen(scores: npt.NDArray[np.float32], indptr: npt.NDArray[np.int64], columns: npt.NDArray[np.int32]) -> None:
    """Set ``scores[b, columns[indptr[b]:indptr[b+1]]]`` to -inf, in place."""
    for b in range(scores.shape[0]):
        for n in range(indptr[b], indptr[b + 1]):
            scores[b, columns[n]] = -np.inf
