"""Non-negative rows by coordinate descent: the inner loop of NMF over the ratings that are there."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]


@kernel
def improve_rows(
    indptr: Longs, columns: Ints, ratings: Floats, own: Floats, other: Floats, ridge: float, rounds: int
) -> float:
    """Put each coordinate of each row of ``own`` at its minimum above 0 in turn, ``rounds`` times.

    The loss is Σ (r - p·q)² + λ·n·‖p‖² over a row's n ratings. Returns the sum of squared errors afterwards.
    """
    width = own.shape[1]
    longest = 0
    for row in range(len(indptr) - 1):
        longest = max(longest, indptr[row + 1] - indptr[row])
    errors, values = np.empty(longest, np.float32), np.empty((width, longest), np.float32)
    squares = np.empty(width, np.float32)
    total = 0.0
    for row in range(len(indptr) - 1):
        start = indptr[row]
        n = indptr[row + 1] - start
        penalty = np.float32(ridge * n)
        squares[:] = penalty
        for m in range(n):
            column = columns[start + m]
            predicted = np.float32(0.0)
            for f in range(width):
                value = other[column, f]
                values[f, m] = value
                squares[f] += value * value
                predicted += value * own[row, f]
            errors[m] = ratings[start + m] - predicted
        for _ in range(rounds):
            for f in range(width):
                if squares[f] <= np.float32(0.0):
                    continue
                pull = -penalty * own[row, f]
                for m in range(n):
                    pull += errors[m] * values[f, m]
                fresh = max(np.float32(0.0), own[row, f] + pull / squares[f])
                change = fresh - own[row, f]
                own[row, f] = fresh
                for m in range(n):
                    errors[m] -= change * values[f, m]
        for m in range(n):
            total += np.float64(errors[m]) * np.float64(errors[m])
    return total
