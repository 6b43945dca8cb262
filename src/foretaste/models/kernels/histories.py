"""What each entry of a history counts for, repeated items included, without building a matrix."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

BINARY, SUM, MAX, LAST = 0, 1, 2, 3


@kernel
def weigh_entries(
    indptr: npt.NDArray[np.int64],
    item_rows: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float32],
    policy: int,
    last_place: npt.NDArray[np.int64],
    out: npt.NDArray[np.float32],
) -> None:
    """Give each entry a value so that an item's entries sum to its value in the user-item matrix.

    ``policy`` says how repeated items combine: ones at the first, all added, the largest only, or the last only.
    ``last_place`` (I,) is scratch filled with -1. Entries without a positive weight get 0.
    """
    for b in range(len(indptr) - 1):
        start = indptr[b]
        for n in range(start, indptr[b + 1]):
            weight = weights[n]
            out[n] = 0
            if not weight > 0:
                continue
            before = last_place[item_rows[n]]
            is_first = before < start
            if policy == SUM:
                out[n] = weight
            elif policy == BINARY:
                out[n] = np.float32(1) if is_first else np.float32(0)
            elif is_first or policy == LAST or weight > weights[before]:
                if not is_first:
                    out[before] = 0
                out[n] = weight
            else:
                continue  # an earlier, larger one counts
            last_place[item_rows[n]] = n
