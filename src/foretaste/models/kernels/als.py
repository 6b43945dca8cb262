"""The inner loop of implicit alternating least squares.

Widths (F below) are multiples of 16, the columns that fill them up being zero, so that everything is done by vectors.
"""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel
from foretaste.models.kernels.products import four_products
from foretaste.models.kernels.vectors import (
    WIDTH,
    add,
    load,
    multiply,
    multiply_add,
    prefetch,
    splat,
    store,
)

Floats = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]

REORDER = {"reassoc", "contract", "nsz", "arcp"}
"""What the compiler may do to sums so that they vectorise; NaN and infinity keep their meaning."""

ZERO, ONE = np.float32(0.0), np.float32(1.0)
AHEAD = 16
"""Gathered rows are asked for so many rows before they are used."""


@kernel(fastmath=REORDER)
def _add_entries(
    columns: Ints,
    extra: Floats,
    start: int,
    stop: int,
    table: Floats,
    width: int,
    vector: Floats,
    base: np.float32,
    sign: np.float32,
    out: Floats,
) -> np.float32:
    """out += Σ_n (base·(1 + a_n) + sign·a_n·(z_n·vector)) z_n over the entries ``start:stop`` of one row.

    Returns Σ_n (1 + a_n)(z_n·vector). With base 0 and sign 1 this is the product with Z_uᵀA_uZ_u; with base 1 and sign
    -1 what the entries add to the residual. ``table`` is flat. Four entries at a time: their sums are folded together,
    and ``out`` is read and written once for all four.
    """
    pulled = ZERO
    n = start
    while n + 4 <= stop:
        if n + AHEAD + 4 <= stop:
            for ahead in range(n + AHEAD, n + AHEAD + 4):
                place = np.intp(columns[ahead]) * width
                for f in range(0, width, WIDTH):
                    prefetch(table, place + f)
        z0, z1 = np.intp(columns[n]) * width, np.intp(columns[n + 1]) * width
        z2, z3 = np.intp(columns[n + 2]) * width, np.intp(columns[n + 3]) * width
        d0, d1, d2, d3 = four_products(table, z0, z1, z2, z3, width, vector)
        a0, a1, a2, a3 = extra[n], extra[n + 1], extra[n + 2], extra[n + 3]
        pulled += (ONE + a0) * d0 + (ONE + a1) * d1 + (ONE + a2) * d2 + (ONE + a3) * d3
        w0, w1 = splat(base * (ONE + a0) + sign * a0 * d0), splat(base * (ONE + a1) + sign * a1 * d1)
        w2, w3 = splat(base * (ONE + a2) + sign * a2 * d2), splat(base * (ONE + a3) + sign * a3 * d3)
        for f in range(0, width, WIDTH):
            left = multiply_add(w1, load(table, z1 + f), multiply(w0, load(table, z0 + f)))
            right = multiply_add(w3, load(table, z3 + f), multiply(w2, load(table, z2 + f)))
            store(out, f, add(load(out, f), add(left, right)))
        n += 4
    while n < stop:
        z0 = np.intp(columns[n]) * width
        d0 = ZERO
        for f in range(width):
            d0 += table[z0 + f] * vector[f]
        a0 = extra[n]
        pulled += (ONE + a0) * d0
        w0 = splat(base * (ONE + a0) + sign * a0 * d0)
        for f in range(0, width, WIDTH):
            store(out, f, multiply_add(w0, load(table, z0 + f), load(out, f)))
        n += 1
    return pulled


@kernel(fastmath=REORDER)
def solve_rows(
    indptr: Longs,
    columns: Ints,
    extra: Floats,
    table: Floats,
    spectrum: Floats,
    ridge: Floats,
    state: Floats,
    steps: int,
    relaxation: float,
    tolerance: float,
) -> float:
    """Solve (D_u + Z_uᵀ A_u Z_u) v = Z_uᵀ (1 + a_u) for each row u by preconditioned conjugate gradients, in place.

    ``table`` Z (m, F) holds the other side's factors in the eigenbasis of their Gram matrix, whose eigenvalues are
    ``spectrum`` (F,). There D_u = diag(spectrum + ridge[u]) is the whole part of the system that does not depend on the
    row's entries, so it is the preconditioner and two steps nearly solve it. Row u has the entries
    ``columns[indptr[u]:indptr[u+1]]`` with confidences 1 + ``extra`` (a > 0). ``state`` (n, F) holds the start v₀ and
    receives v₀ + relaxation·(v - v₀). A row ends early when its error, in the norm of its own matrix, is surely below
    ``tolerance`` times its solution: the preconditioned matrix is at least 1, so rᵀD⁻¹r bounds the squared error.

    Returns the rows' share of the loss after the call, less Σ (1 + a): Σ_u vᵀA v - 2bᵀv. It costs nothing, as this is
    -vᵀ(b + r) at the start, and a step of length t lowers it by t rᵀD⁻¹r.
    """
    width = table.shape[1]
    flat = table.reshape(-1)
    residual = np.empty(width, np.float32)
    direction = np.empty(width, np.float32)
    product = np.empty(width, np.float32)
    inverse = np.empty(width, np.float32)
    diagonal = np.empty(width, np.float32)
    omega, enough = np.float32(relaxation), np.float32(tolerance * tolerance)
    undone = (ONE - omega) * (ONE - omega)
    total = 0.0
    for u in range(state.shape[0]):
        start, stop = indptr[u], indptr[u + 1]
        v = state[u]
        ridge_u = ridge[u]
        for f in range(width):
            diagonal[f] = spectrum[f] + ridge_u
            inverse[f] = ONE / diagonal[f]
            residual[f] = -diagonal[f] * v[f]
        pulled = _add_entries(columns, extra, start, stop, flat, width, v, ONE, -ONE, residual)
        energy, along = ZERO, ZERO
        for f in range(width):
            along += residual[f] * v[f]
            direction[f] = inverse[f] * residual[f]
            energy += residual[f] * direction[f]
        before, drop = -(pulled + along), ZERO
        for _ in range(steps):
            if not energy > enough * max(drop - before, ZERO):
                break
            for f in range(width):
                product[f] = diagonal[f] * direction[f]
            _add_entries(columns, extra, start, stop, flat, width, direction, ZERO, ONE, product)
            curvature = ZERO
            for f in range(width):
                curvature += direction[f] * product[f]
            if not curvature > ZERO:  # the energy is so small that its square vanishes
                break
            length = energy / curvature
            drop += length * energy
            moved = omega * length
            previous = energy
            energy = ZERO
            for f in range(width):
                v[f] += moved * direction[f]
                residual[f] -= length * product[f]
                energy += residual[f] * residual[f] * inverse[f]
            ratio = energy / previous
            for f in range(width):
                direction[f] = inverse[f] * residual[f] + ratio * direction[f]
        total += np.float64(before - drop + undone * drop)
    return total


@kernel(fastmath=REORDER)
def observed_loss(
    indptr: Longs,
    columns: Ints,
    extra: Floats,
    left: Floats,
    right: Floats,
    start: int,
    stop: int,
) -> float:
    """Σ over the entries of rows ``start:stop`` of c(1 - ŷ)² - ŷ²: what they add beyond the sum of ŷ² over all
    pairs.
    """
    total = 0.0
    for u in range(start, stop):
        x = left[u]
        for n in range(indptr[u], indptr[u + 1]):
            y = right[np.uintp(columns[n])]
            dot = ZERO
            for f in range(left.shape[1]):
                dot += x[f] * y[f]
            total += np.float64((ONE + extra[n]) * (ONE - dot) * (ONE - dot) - dot * dot)
    return total
