"""Mean differences between the ratings of two items, and predictions from them."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel
from foretaste.models.kernels.neighbours import select_largest

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


@kernel
def deviations_of(
    start: int,
    stop: int,
    indptr: Longs,
    users: Ints,
    ratings: Floats,
    u_indptr: Longs,
    u_items: Ints,
    u_ratings: Floats,
    min_support: int,
    deviations: Floats,
    support: Floats,
    others: Ints,
    found: Longs,
) -> None:
    """For items ``start:stop`` the mean of r_ui - r_uj over the users of both, and how many they are.

    ``indptr``, ``users``, ``ratings`` are items × users, ``u_…`` the same turned. With no ``others`` (0, I) column j of
    the outputs (I, I) is item j, 0 without support. Otherwise the columns are the ``others`` (I, K) with the most
    support, ascending, ``found`` (I,) of them.
    """
    n_items = deviations.shape[0]
    dense = len(others) == 0
    sums = np.zeros(n_items, dtype=np.float32)
    counts = np.zeros(n_items, dtype=np.float32)
    maxima = np.empty(2 * (n_items // 32) + 1, dtype=np.float32)
    keys = np.empty(n_items + 1, dtype=np.int64)
    best = np.empty(deviations.shape[1], dtype=np.float32)
    for i in range(start, stop):
        for p in range(indptr[i], indptr[i + 1]):
            user, rating = users[p], ratings[p]
            for q in range(u_indptr[user], u_indptr[user + 1]):
                sums[u_items[q]] += rating - u_ratings[q]
                counts[u_items[q]] += 1
        counts[i] = 0
        for j in range(n_items):
            if counts[j] < min_support:
                counts[j] = 0
        if dense:
            for j in range(n_items):
                deviations[i, j] = sums[j] / counts[j] if counts[j] > 0 else np.float32(0)
                support[i, j] = counts[j]
        else:
            size = select_largest(counts, others[i, :0], maxima, keys, others[i], best)
            chosen = others[i, :size]
            chosen.sort()
            for m in range(size):
                deviations[i, m] = sums[chosen[m]] / counts[chosen[m]]
                support[i, m] = counts[chosen[m]]
            found[i] = size
        sums[:] = 0
        counts[:] = 0


@kernel
def predictions(
    start: int,
    stop: int,
    owners: Ints,
    items: Ints,
    indptr: Longs,
    rated: Ints,
    ratings: Floats,
    d_indptr: Longs,
    d_others: Ints,
    deviations: Floats,
    support: Floats,
    item_means: Floats,
    weighted: bool,
    out: Floats,
) -> None:
    """Predicted ratings of pairs ``start:stop``: ``owners`` are rows of the ratings ``indptr``, ``rated``, ``ratings``
    (rated items ascending).

    With an empty ``d_indptr`` the differences are (I, I) laid flat; else item i has those to ``d_others``, ascending.
    """
    n_items = len(item_means)
    dense = len(d_indptr) == 0
    for n in range(start, stop):
        item = items[n]
        a, b = indptr[owners[n]], indptr[owners[n] + 1]
        total, weight = 0.0, 0.0
        mean = 0.0
        if not weighted:
            for p in range(a, b):
                mean += ratings[p] / (b - a)
        q = np.int64(item) * n_items if dense else d_indptr[item]
        end = np.int64(0) if dense else d_indptr[item + 1]
        for p in range(a, b):
            if dense:
                place = q + rated[p]
            else:
                while q < end and d_others[q] < rated[p]:
                    q += 1
                if q == end:
                    break
                if d_others[q] != rated[p]:
                    continue
                place = q
            known = support[place]
            if known > 0:
                if weighted:
                    total += known * (deviations[place] + ratings[p])
                    weight += known
                else:
                    total += deviations[place] + mean
                    weight += 1
        out[n] = total / weight if weight > 0 else item_means[item]
