"""The inner loop of implicit alternating least squares."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]


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
        for n in range(start, stop):
            z = table[columns[n]]
            dot = np.float32(0.0)
            for f in range(n_factors):
                dot += z[f] * v[f]
            weight = np.float32(1.0) + extra[n] - extra[n] * dot
            for f in range(n_factors):
                residual[f] += weight * z[f]
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
            for n in range(start, stop):
                z = table[columns[n]]
                dot = np.float32(0.0)
                for f in range(n_factors):
                    dot += z[f] * direction[f]
                dot *= extra[n]
                for f in range(n_factors):
                    product[f] += dot * z[f]
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
