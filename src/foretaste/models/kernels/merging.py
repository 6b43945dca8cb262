"""Gains of the same items in several lists added up, and the best of them."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Ints = npt.NDArray[np.int32]
Doubles = npt.NDArray[np.float64]


@kernel
def add_up(
    rows: Ints,
    gains: Doubles,
    codes: npt.NDArray[np.int16],
    out_rows: Ints,
    out_totals: Doubles,
    out_codes: npt.NDArray[np.int16],
    out_counts: npt.NDArray[np.int64],
) -> None:
    """Each item of the lists ``rows`` (B, n) once, in the order of rows: the sum of its ``gains`` (B, n), the largest
    first, and of ``codes`` (n,) that of the largest (of the first one where they tie). Rows below 0 are passed over.
    """
    n_lists, n = rows.shape
    for b in range(n_lists):
        order = np.argsort(rows[b], kind="mergesort")
        count, place = 0, 0
        while place < n:
            row = rows[b, order[place]]
            end = place + 1
            while end < n and rows[b, order[end]] == row:
                end += 1
            if row >= 0:
                for i in range(place + 1, end):  # the largest gain first; few lists have the same item
                    moved = order[i]
                    j = i
                    while j > place and gains[b, order[j - 1]] < gains[b, moved]:
                        order[j] = order[j - 1]
                        j -= 1
                    order[j] = moved
                total = 0.0
                for i in range(place, end):
                    total += gains[b, order[i]]
                out_rows[b, count], out_totals[b, count], out_codes[b, count] = row, total, codes[order[place]]
                count += 1
            place = end
        out_counts[b] = count


@kernel
def best_totals(
    rows: Ints,
    totals: Doubles,
    codes: npt.NDArray[np.int16],
    counts: npt.NDArray[np.int64],
    out_rows: Ints,
    out_scores: npt.NDArray[np.float32],
    out_codes: npt.NDArray[np.int16],
) -> None:
    """The largest totals of each list, in the order in which they stand where they tie; outputs (B, k) come filled."""
    for b in range(len(counts)):
        order = np.argsort(-totals[b, : counts[b]], kind="mergesort")
        for place in range(min(len(order), out_rows.shape[1])):
            at = order[place]
            out_rows[b, place], out_scores[b, place] = rows[b, at], totals[b, at]
            out_codes[b, place] = codes[b, at]
