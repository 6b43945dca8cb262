"""Compiled loops of the rules: which candidates of a list keep its caps."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


@kernel
def _fits(codes: Ints, caps: Longs, most: Longs, used: Ints, counts: Ints, n_used: Longs) -> bool:
    """Whether one more item with these values keeps all caps."""
    for w in range(len(codes)):
        cap = caps[w]
        for i in range(n_used[cap]):
            if used[cap, i] == codes[w] and counts[cap, i] >= most[cap]:
                return False
    return True


@kernel
def _count(codes: Ints, caps: Longs, used: Ints, counts: Ints, n_used: Longs) -> None:
    """Take note of the values of an item of the list."""
    for w in range(len(codes)):
        cap, place = caps[w], 0
        if codes[w] < 0:
            continue
        while place < n_used[cap] and used[cap, place] != codes[w]:
            place += 1
        if place == n_used[cap]:
            used[cap, place] = codes[w]
            n_used[cap] += 1
        counts[cap, place] += 1


@kernel
def within_caps(rows: Ints, n_pinned: int, k: int, codes: Ints, caps: Longs, most: Longs) -> Ints:
    """Of ``rows`` (n,), of which the first ``n_pinned`` are in the list already, those that fill it to ``k`` items.

    Column w of ``codes`` (n, W) holds values that cap ``caps[w]`` counts, -1 for none; of each at most ``most[cap]``
    may be in the list. A row that is there twice is taken once.
    """
    n, width = codes.shape
    taken = np.empty(n, np.int32)
    used = np.empty((len(most), max(1, n * width)), np.int32)
    counts = np.zeros((len(most), max(1, n * width)), np.int32)
    n_used = np.zeros(len(most), np.int64)
    n_taken = 0
    for c in range(n):
        if c >= n_pinned:
            if n_taken >= k:
                break
            is_new = True
            for i in range(n_taken):
                is_new &= taken[i] != rows[c]
            if not is_new or not _fits(codes[c], caps, most, used, counts, n_used):
                continue
        _count(codes[c], caps, used, counts, n_used)
        taken[n_taken] = rows[c]
        n_taken += 1
    return taken[n_pinned:n_taken]
