"""What the callers of the sampling kernels prepare: items to draw from, ranges of users, tables of whole vectors."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

_WIDTH = 16
_DRAWS_PER_ITEM = 8


def drawn_items(items: npt.NDArray[np.integer], popularity: Ints, exponent: float) -> Ints:
    """``items`` repeated in proportion to popularity^exponent, each at least once."""
    if exponent == 0 or not len(items):
        return items.astype(np.int32)
    wanted = popularity[items].astype(np.float64) ** exponent
    counts = np.maximum(1, np.rint(wanted * (_DRAWS_PER_ITEM / wanted.mean()))).astype(np.int64)
    return np.repeat(items, counts).astype(np.int32)


def equal_parts(indptr: Longs, n_parts: int) -> list[tuple[int, int]]:
    """Ranges of rows with about the same number of entries, at most ``n_parts``."""
    n_rows = len(indptr) - 1
    work = indptr + np.arange(n_rows + 1)
    cuts = np.searchsorted(work, np.linspace(0, work[-1], n_parts + 1)[1:-1])
    return [(int(a), int(b)) for a, b in pairwise(np.unique(np.concatenate([[0], cuts, [n_rows]])))]


def padded(n_rows: int, n_factors: int) -> Floats:
    """Zeros (n, F rounded up to whole vectors)."""
    return np.zeros((n_rows, -(-n_factors // _WIDTH) * _WIDTH), np.float32)
