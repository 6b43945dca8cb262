"""What the neighbours' votes come to, and what each item of the history had to do with it."""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.models.base import FloatBlock, Rows
from foretaste.models.nearest import csr_arrays
from foretaste.models.reasons import to_history


def summed(left: sparse.csr_array, right: sparse.csr_array) -> FloatBlock:
    """The dense product (B, I) of two sparse matrices (B, n) and (n, I); -inf where nothing was added."""
    from foretaste.models.kernels.neighbours import sum_of_rows

    scores = np.zeros((left.shape[0], right.shape[1]), np.float32)
    sum_of_rows(*csr_arrays(left), *csr_arrays(right), scores)
    return scores


def shares_of_items(
    history: Rows, own: sparse.csr_array, similarities: sparse.csr_array, matrix: sparse.csr_array, item_rows: Rows
) -> npt.NDArray[np.floating]:
    """For one user, how much each history entry adds to Σ_v sim(u, v)·r_vi of each item (H, n), where a similarity of
    sets is split evenly among the items that are shared.

    Args:
        history: (H,) the history's items.
        own: (1, I) the same as a matrix.
        similarities: (1, U) to the neighbours.
        matrix: (U, I) what they took.
        item_rows: (n,) the items scored.
    """
    theirs = matrix[similarities.indices]  # (m, I)
    parts = (theirs[:, own.indices].toarray() > 0).astype(np.float64)  # (m, own)
    totals = parts.sum(axis=1, keepdims=True)
    parts *= similarities.data[:, None] / np.where(totals > 0, totals, 1.0)
    return to_history(history, own.indices, parts.T @ theirs[:, item_rows].toarray())
