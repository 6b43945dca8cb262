"""Inner loops of the linear item-item models."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

STRIPE = 4096
"""Columns added up together: 16 kB of the result stay in the first cache while the rows of the history pass."""

TILE = 16


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
        for first in range(0, count, TILE):  # mirrored tile by tile, which stay in the first cache
            for left in range(0, first + 1, TILE):
                for i in range(first, min(first + TILE, count)):
                    for j in range(left, min(left + TILE, i)):
                        gram[j, i] = gram[i, j]


@kernel
def gathered_grams(targets: Ints, members: Ints, counts: Longs, gram: Floats, grams: Floats, products: Floats) -> None:
    """What :func:`local_grams` gives, picked from the Gram matrix (I, I) of all items."""
    for n in range(len(targets)):
        count, chosen = counts[n], members[n]
        grams[n] = 0
        products[n] = 0
        for i in range(count):
            row, out = gram[chosen[i]], grams[n, i]
            products[n, i] = row[targets[n]]
            for j in range(count):
                out[j] = row[chosen[j]]


@kernel(fastmath={"reassoc", "contract", "nsz"})
def _product(gram: Floats, diagonal: Floats, count: int, vector: Floats, out: Floats) -> np.float32:
    """``out`` becomes (G with another diagonal)·v; returns v·out."""
    total = np.float32(0)
    for i in range(count):
        row = gram[i]
        sums = (diagonal[i] - row[i]) * vector[i]
        for j in range(count):
            sums += row[j] * vector[j]
        out[i] = sums
        total += sums * vector[i]
    return total


@kernel(fastmath={"reassoc", "contract", "nsz"})
def ridges(
    grams: Floats,
    products: Floats,
    counts: Longs,
    share: np.float32,
    ridge: np.float32,
    steps: int,
    tolerance: np.float32,
    weights: Floats,
) -> None:
    """Solve (G with the diagonal share·G_kk + ridge) w = g for each of N targets, by conjugate gradients from zero.

    ``grams`` (N, K, K), ``products`` (N, K) and ``weights`` (N, K) count up to ``counts``; what is beyond stays as it
    is. The diagonal is the preconditioner. Ends when the residual, in the norm of its inverse, is below ``tolerance``
    times the right side, or after so many steps. A singular system ends at its solution of least norm. (Elimination is
    no choice here: where few products are not zero, what fills in is so small that the processor crawls.)
    """
    k = grams.shape[1]
    zero = np.float32(0)
    diagonal, rest = np.empty(k, np.float32), np.empty(k, np.float32)
    direction, moved = np.empty(k, np.float32), np.empty(k, np.float32)
    for n in range(len(counts)):
        count, gram, w = counts[n], grams[n], weights[n]
        energy = zero
        for i in range(count):
            diagonal[i] = share * gram[i, i] + ridge
            w[i] = zero
            rest[i] = products[n, i]
            direction[i] = rest[i] / diagonal[i]
            energy += rest[i] * direction[i]
        enough = tolerance * tolerance * energy
        for _ in range(steps):
            if not energy > enough:
                break
            curvature = _product(gram, diagonal, count, direction, moved)
            if not curvature > zero:
                break
            length = energy / curvature
            previous = energy
            energy = zero
            for i in range(count):
                w[i] += length * direction[i]
                rest[i] -= length * moved[i]
                energy += rest[i] * rest[i] / diagonal[i]
            ratio = energy / previous
            for i in range(count):
                direction[i] = rest[i] / diagonal[i] + ratio * direction[i]


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
