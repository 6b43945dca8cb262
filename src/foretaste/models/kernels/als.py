"""Conjugate gradients for weighted least squares over the short list of each row, with the Gram as preconditioner.

Every row solves (diag(d) + Σ a z zᵀ) x = Σ (1 + a) z over its gathered table rows z. The table is given in the basis in
which its Gram is diagonal, so the Gram costs F operations instead of F², and is the preconditioner at the same time:
two steps do what takes four or more without. Four gathered rows are taken at once, so that a vector of x is loaded, and
the sums of a dot product are folded, once for four.
"""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

REORDER = {"reassoc", "contract", "nsz", "arcp"}
"""What the compiler may do to sums so that they vectorise; NaN and infinity keep their meaning."""

ONE = np.float32(1)
ZERO = np.float32(0)


@kernel(fastmath=REORDER)
def _add_residual(table: Floats, columns: Ints, extra: Floats, x: Floats, out: Floats) -> np.float32:
    """Add Σ ((1 + a) - a z·x) z to ``out``; returns Σ (1 + a) z·x."""
    n, n_factors = len(columns), table.shape[1]
    pulled = ZERO
    i = 0
    while i + 4 <= n:
        z0, z1, z2, z3 = table[columns[i]], table[columns[i + 1]], table[columns[i + 2]], table[columns[i + 3]]
        s0, s1, s2, s3 = ZERO, ZERO, ZERO, ZERO
        for f in range(n_factors):
            s0 += z0[f] * x[f]
            s1 += z1[f] * x[f]
            s2 += z2[f] * x[f]
            s3 += z3[f] * x[f]
        a0, a1, a2, a3 = extra[i], extra[i + 1], extra[i + 2], extra[i + 3]
        pulled += (ONE + a0) * s0 + (ONE + a1) * s1 + (ONE + a2) * s2 + (ONE + a3) * s3
        w0, w1, w2, w3 = ONE + a0 - a0 * s0, ONE + a1 - a1 * s1, ONE + a2 - a2 * s2, ONE + a3 - a3 * s3
        for f in range(n_factors):
            out[f] += w0 * z0[f] + w1 * z1[f] + w2 * z2[f] + w3 * z3[f]
        i += 4
    while i < n:
        z0 = table[columns[i]]
        s0 = ZERO
        for f in range(n_factors):
            s0 += z0[f] * x[f]
        a0 = extra[i]
        pulled += (ONE + a0) * s0
        w0 = ONE + a0 - a0 * s0
        for f in range(n_factors):
            out[f] += w0 * z0[f]
        i += 1
    return pulled


@kernel(fastmath=REORDER)
def _add_product(table: Floats, columns: Ints, extra: Floats, p: Floats, out: Floats) -> None:
    """Add Σ a (z·p) z to ``out``."""
    n, n_factors = len(columns), table.shape[1]
    i = 0
    while i + 4 <= n:
        z0, z1, z2, z3 = table[columns[i]], table[columns[i + 1]], table[columns[i + 2]], table[columns[i + 3]]
        s0, s1, s2, s3 = ZERO, ZERO, ZERO, ZERO
        for f in range(n_factors):
            s0 += z0[f] * p[f]
            s1 += z1[f] * p[f]
            s2 += z2[f] * p[f]
            s3 += z3[f] * p[f]
        w0, w1, w2, w3 = extra[i] * s0, extra[i + 1] * s1, extra[i + 2] * s2, extra[i + 3] * s3
        for f in range(n_factors):
            out[f] += w0 * z0[f] + w1 * z1[f] + w2 * z2[f] + w3 * z3[f]
        i += 4
    while i < n:
        z0 = table[columns[i]]
        s0 = ZERO
        for f in range(n_factors):
            s0 += z0[f] * p[f]
        w0 = extra[i] * s0
        for f in range(n_factors):
            out[f] += w0 * z0[f]
        i += 1


@kernel(fastmath=REORDER)
def solve_rows(
    table: Floats,
    spectrum: Floats,
    ridge: Floats,
    indptr: Longs,
    columns: Ints,
    extra: Floats,
    solution: Floats,
    max_steps: int,
    step_length: np.float32,
    tolerance: np.float32,
) -> float:
    """Improve ``solution`` (B, F) in place by at most ``max_steps`` steps of conjugate gradients a row.

    Args:
        table: (M, F), rows of the fixed side, in the basis where tableᵀ table = diag(spectrum).
        spectrum: (F,) ≥ 0.
        ridge: (B,) > 0, the regularisation of each row.
        indptr: (B + 1,); row b owns ``columns[indptr[b]:indptr[b + 1]]``, which are rows of the table.
        columns: (N,).
        extra: (N,) ≥ 0, confidence above that of an unobserved pair, which has 1.
        solution: (B, F), where to start from, and the result.
        max_steps: 2 is enough within alternation; to solve exactly, more than F.
        step_length: ω of x ← x₀ + ω (x_cg - x₀); above 1 over-relaxes, from 2 on it would raise the loss.
        tolerance: a row ends when its error, relative and in the norm of its own matrix, is surely below this.

    Returns:
        Σ over rows of their loss at the new solution, less the constant Σ (1 + a): since the residual is at hand it
        costs nothing, xᵀAx - 2bᵀx = -xᵀ(b + r), and each step of length t lowers it by t rᵀz.
    """
    n_factors = table.shape[1]
    diagonal = np.empty(n_factors, np.float32)
    r = np.empty(n_factors, np.float32)
    p = np.empty(n_factors, np.float32)
    q = np.empty(n_factors, np.float32)
    left_over = (ONE - step_length) * (ONE - step_length)
    total = 0.0
    for row in range(len(ridge)):
        x = solution[row]
        own, weights = columns[indptr[row] : indptr[row + 1]], extra[indptr[row] : indptr[row + 1]]
        for f in range(n_factors):
            diagonal[f] = spectrum[f] + ridge[row]
            r[f] = -diagonal[f] * x[f]
        pulled = _add_residual(table, own, weights, x, r)
        rx, rz = ZERO, ZERO
        for f in range(n_factors):
            rx += r[f] * x[f]
            p[f] = r[f] / diagonal[f]
            rz += r[f] * p[f]
        before, drop = -(pulled + rx), ZERO
        for _ in range(max_steps):
            # The preconditioned matrix is at least 1, so rᵀM⁻¹r bounds the squared error; -loss its squared size.
            if not rz > tolerance * tolerance * max(drop - before, ZERO):
                break
            for f in range(n_factors):
                q[f] = diagonal[f] * p[f]
            _add_product(table, own, weights, p, q)
            pq = ZERO
            for f in range(n_factors):
                pq += p[f] * q[f]
            length = rz / pq
            drop += length * rz
            new_rz = ZERO
            for f in range(n_factors):
                x[f] += step_length * length * p[f]
                r[f] -= length * q[f]
                new_rz += r[f] * r[f] / diagonal[f]
            turn = new_rz / rz
            rz = new_rz
            for f in range(n_factors):
                p[f] = r[f] / diagonal[f] + turn * p[f]
        total += before - drop + left_over * drop
    return total
