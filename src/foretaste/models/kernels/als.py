"""The inner loop of implicit alternating least squares."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]


@kernel(fastmath=True)
def _add_products(
    columns: npt.NDArray[np.int32],
    extra: Floats,
    start: int,
    stop: int,
    table: Floats,
    vector: Floats,
    base: float,
    sign: float,
    out: Floats,
) -> None:
    """out += Σ_n (base·(1 + a_n) + sign·a_n·(z_n·vector)) z_n over the entries ``start:stop`` of one row.

    With base 0 and sign 1 this is the product with Z_uᵀA_uZ_u; with base 1 and sign -1 what the entries add to the
    residual. Four entries at a time: their sums run side by side, and ``out`` is read and written once for all four.
    """
    n_factors = out.shape[0]
    n = start
    while n + 4 <= stop:
        c0, c1 = np.uintp(columns[n]), np.uintp(columns[n + 1])
        c2, c3 = np.uintp(columns[n + 2]), np.uintp(columns[n + 3])
        s0 = np.float32(0.0)
        s1 = np.float32(0.0)
        s2 = np.float32(0.0)
        s3 = np.float32(0.0)
        for f in range(n_factors):
            s0 += table[c0, f] * vector[f]
            s1 += table[c1, f] * vector[f]
            s2 += table[c2, f] * vector[f]
            s3 += table[c3, f] * vector[f]
        w0 = np.float32(base * (1.0 + extra[n]) + sign * extra[n] * s0)
        w1 = np.float32(base * (1.0 + extra[n + 1]) + sign * extra[n + 1] * s1)
        w2 = np.float32(base * (1.0 + extra[n + 2]) + sign * extra[n + 2] * s2)
        w3 = np.float32(base * (1.0 + extra[n + 3]) + sign * extra[n + 3] * s3)
        for f in range(n_factors):
            out[f] += w0 * table[c0, f] + w1 * table[c1, f] + w2 * table[c2, f] + w3 * table[c3, f]
        n += 4
    while n < stop:
        c0 = np.uintp(columns[n])
        s0 = np.float32(0.0)
        for f in range(n_factors):
            s0 += table[c0, f] * vector[f]
        w0 = np.float32(base * (1.0 + extra[n]) + sign * extra[n] * s0)
        for f in range(n_factors):
            out[f] += w0 * table[c0, f]
        n += 1


@kernel(fastmath=True)
def solve_rows(
    indptr: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int32],
    extra: Floats,
    table: Floats,
    spectrum: Floats,
    ridge: Floats,
    state: Floats,
    steps: int,
    relaxation: float,
    tolerance: float,
) -> None:
    """Solve (D_u + Z_uᵀ A_u Z_u) v = Z_uᵀ (1 + a_u) for each row u by preconditioned conjugate gradients, in place.

    ``table`` Z (m, F) holds the other side's factors in the eigenbasis of their Gram matrix, whose eigenvalues are
    ``spectrum`` (F,). There D_u = diag(spectrum + ridge[u]) is the whole part of the system that does not depend on the
    row's entries, so it is the preconditioner and two steps nearly solve it. Row u has the entries
    ``columns[indptr[u]:indptr[u+1]]`` with confidences 1 + ``extra`` (a > 0). ``state`` (n, F) holds the start and
    receives v₀ + relaxation·(v - v₀). A row without entries gets zeros. Stops early where the residual, in the norm of
    the preconditioner, is below ``tolerance`` times that of the right-hand side.
    """
    n_factors = table.shape[1]
    residual = np.empty(n_factors, np.float32)
    direction = np.empty(n_factors, np.float32)
    product = np.empty(n_factors, np.float32)
    solution = np.empty(n_factors, np.float32)
    inverse = np.empty(n_factors, np.float32)
    diagonal = np.empty(n_factors, np.float32)
    for u in range(state.shape[0]):
        start, stop = indptr[u], indptr[u + 1]
        v = state[u]
        if start == stop:
            for f in range(n_factors):
                v[f] = 0.0
            continue
        for f in range(n_factors):
            diagonal[f] = spectrum[f] + ridge[u]
            inverse[f] = np.float32(1.0) / diagonal[f]
            residual[f] = -diagonal[f] * v[f]
            solution[f] = v[f]
        _add_products(columns, extra, start, stop, table, solution, 1.0, -1.0, residual)
        energy = np.float32(0.0)
        for f in range(n_factors):
            direction[f] = inverse[f] * residual[f]
            energy += residual[f] * direction[f]
        enough = np.float32(tolerance) * energy
        for _ in range(steps):
            if energy <= enough or energy <= np.float32(1e-20):
                break
            for f in range(n_factors):
                product[f] = diagonal[f] * direction[f]
            _add_products(columns, extra, start, stop, table, direction, 0.0, 1.0, product)
            curvature = np.float32(0.0)
            for f in range(n_factors):
                curvature += direction[f] * product[f]
            length = energy / curvature
            previous = energy
            energy = np.float32(0.0)
            for f in range(n_factors):
                solution[f] += length * direction[f]
                residual[f] -= length * product[f]
                energy += residual[f] * residual[f] * inverse[f]
            ratio = energy / previous
            for f in range(n_factors):
                direction[f] = inverse[f] * residual[f] + ratio * direction[f]
        omega = np.float32(relaxation)
        for f in range(n_factors):
            v[f] += omega * (solution[f] - v[f])


@kernel(fastmath=True)
def observed_loss(
    indptr: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int32],
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
            y = right[columns[n]]
            dot = np.float32(0.0)
            for f in range(left.shape[1]):
                dot += x[f] * y[f]
            total += (1.0 + extra[n]) * (1.0 - dot) ** 2 - dot * dot
    return total
