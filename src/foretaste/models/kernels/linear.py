"""Inner loops of the linear item-item models."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

STRIPE = 4096
"""Columns added up together: 16 kB of the result stay in the first cache while the rows of the history pass."""


@kernel
def sum_of_dense_rows(indptr: Longs, picks: Ints, weights: Floats, matrix: Floats, out: Floats) -> None:
    """For each b, the weighted sum of the rows ``picks[indptr[b]:indptr[b + 1]]`` of ``matrix``, into ``out`` of
    zeros.
    """
    n_columns = matrix.shape[1]
    for b in range(len(indptr) - 1):
        for first in range(0, n_columns, STRIPE):
            last = min(first + STRIPE, n_columns)
            sums = out[b, first:last]
            for n in range(indptr[b], indptr[b + 1]):
                weight = weights[n]
                row = matrix[picks[n], first:last]
                for i in range(last - first):
                    sums[i] += weight * row[i]


@kernel
def local_grams(
    targets: Ints,
    members: Ints,
    counts: Longs,
    indptr: Longs,
    users: Ints,
    entries: Floats,
    sizes: Ints,
    touched: Ints,
    places: Ints,
    values: Floats,
    grams: Floats,
    products: Floats,
) -> None:
    """The products of each target's members with each other and with the target.

    Target n has the members ``members[n, :counts[n]]``, distinct items other than itself; ``indptr``, ``users`` and
    ``entries`` are the matrix items × users. ``grams`` (N, K, K) receives their Gram matrix, ``products`` (N, K) their
    products with the target; both are zero beyond the count. Scratch: ``sizes`` (U,) of zeros, and ``touched``,
    ``places``, ``values`` as long as the entries of all members and the target.

    The entries are sorted by user (a counting sort over the users that occur), then each user adds the pairs of what
    he took, so the work is that of the pairs and no Gram matrix of all items is needed.
    """
    for n in range(len(targets)):
        count = counts[n]
        n_touched, total = 0, 0
        for m in range(count + 1):
            item = members[n, m] if m < count else targets[n]
            for p in range(indptr[item], indptr[item + 1]):
                user = users[p]
                if sizes[user] == 0:
                    touched[n_touched] = user
                    n_touched += 1
                sizes[user] += 1
        for t in range(n_touched):
            user = touched[t]
            size = sizes[user]
            sizes[user] = total  # from now on where the user's next entry goes
            total += size
        for m in range(count + 1):
            item = members[n, m] if m < count else targets[n]
            for p in range(indptr[item], indptr[item + 1]):
                place = sizes[users[p]]
                places[place] = m
                values[place] = entries[p]
                sizes[users[p]] = place + 1
        gram, product = grams[n], products[n]
        gram[:] = 0
        product[:] = 0
        start = 0
        for t in range(n_touched):
            user = touched[t]
            stop = sizes[user]
            sizes[user] = 0
            for a in range(start, stop):  # members ascend, so b stays left of a's place
                value = values[a]
                row = gram[places[a]] if places[a] < count else product
                for b in range(start, a + 1):
                    if places[b] < count:
                        row[places[b]] += value * values[b]
            start = stop
        for i in range(count):
            for j in range(i):
                gram[j, i] = gram[i, j]


@kernel(fastmath={"reassoc", "contract", "nsz"})
def elastic_net(
    gram: Floats,
    product: Floats,
    count: int,
    l1: np.float32,
    l2: np.float32,
    is_positive: bool,
    sweeps: int,
    tolerance: np.float32,
    weights: Floats,
    rest: Floats,
) -> int:
    """Minimise ½wᵀGw - gᵀw + ½l2‖w‖² + l1‖w‖₁ (w ≥ 0 with ``is_positive``) by coordinate descent; returns the sweeps.

    ``gram`` G (K, K) and ``product`` g (K,) count up to ``count``; ``weights`` (K,) receive w from a start of zero.
    ``rest`` (K,) is scratch for g - Gw, kept up to date, so that a coordinate that stays costs one comparison. Ends
    when no step of a sweep was longer than ``tolerance`` times the largest weight.
    """
    zero = np.float32(0)
    for k in range(count):
        weights[k] = zero
        rest[k] = product[k]
    for sweep in range(sweeps):
        longest, largest = zero, zero
        for k in range(count):
            curvature = gram[k, k] + l2
            if not curvature > zero:
                continue
            old = weights[k]
            pull = rest[k] + gram[k, k] * old
            new = zero
            if pull > l1:
                new = (pull - l1) / curvature
            elif pull < -l1 and not is_positive:
                new = (pull + l1) / curvature
            largest = max(largest, abs(new))
            step = new - old
            if step != zero:
                weights[k] = new
                longest = max(longest, abs(step))
                row = gram[k]
                for j in range(count):
                    rest[j] -= step * row[j]
        if longest <= tolerance * largest:
            return sweep + 1
    return sweeps


@kernel
def elastic_nets(
    grams: Floats,
    products: Floats,
    counts: Longs,
    l1: np.float32,
    l2: np.float32,
    is_positive: bool,
    sweeps: int,
    tolerance: np.float32,
    weights: Floats,
) -> int:
    """:func:`elastic_net` for each of N targets; returns how many did not reach the tolerance."""
    rest = np.empty(grams.shape[1], np.float32)
    unfinished = 0
    for n in range(len(counts)):
        done = elastic_net(grams[n], products[n], counts[n], l1, l2, is_positive, sweeps, tolerance, weights[n], rest)
        unfinished += done == sweeps
    return unfinished
