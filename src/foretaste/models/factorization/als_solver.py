"""Alternating least squares for implicit feedback, on plain arrays: half-steps, loss and fold-in."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.models.threads import map_threads, n_threads

Floats = npt.NDArray[np.float32]

EXACT = 1e-5
"""Relative error at which a row counts as solved; float32 gives little more."""
_CHUNKS_PER_THREAD = 8
_LEAST_WORK = 5_000
"""Entries and rows of a chunk that is worth a thread."""
_WIDTH = 16
"""Tables are padded with zero columns to a multiple of it: the kernel works by vectors of this width."""


@dataclass(frozen=True)
class Entries:
    """The rows of one side: sorted entries with a = confidence - 1, cut into chunks of equal work."""

    indptr: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int32]
    extra: Floats
    ridge: Floats
    """λ of each row."""

    @cached_property
    def constant(self) -> float:
        """Σ (1 + a): the loss of the observed pairs where everything is predicted as 0."""
        return len(self.extra) + float(self.extra.sum(dtype=np.float64))

    @classmethod
    def of(cls, matrix: sparse.csr_array, *, alpha: float, regularization: float, exponent: float) -> "Entries":
        """From weights (n, m): a = alpha·weight, λ_u = regularization·(m + Σ a)^exponent."""
        extra = (alpha * matrix.data).astype(np.float32)
        indptr = matrix.indptr.astype(np.int64)
        sums = (
            np.add.reduceat(np.append(extra, np.float32(0)), indptr[:-1]) if len(extra) else np.zeros(len(indptr) - 1)
        )
        sums = np.where(np.diff(indptr) > 0, sums, 0.0)
        ridge = regularization * (matrix.shape[1] + sums.astype(np.float64)) ** exponent
        return cls(indptr, matrix.indices.astype(np.int32), extra, ridge.astype(np.float32))

    @cached_property
    def chunks(self) -> list[tuple[int, int]]:
        """Ranges of rows with about the same number of entries."""
        n_rows = len(self.ridge)
        work = self.indptr + np.arange(n_rows + 1)  # an entry and a row cost alike
        parts = max(1, min(n_threads() * _CHUNKS_PER_THREAD, int(work[-1]) // _LEAST_WORK))
        cuts = np.searchsorted(work, np.linspace(0, work[-1], parts + 1)[1:-1])
        bounds = np.unique(np.concatenate([[0], cuts, [n_rows]]))
        return [(int(a), int(b)) for a, b in pairwise(bounds)]


@dataclass(frozen=True)
class Basis:
    """One side's factors Y, ready for solving the other side: G = YᵀY = QΛQᵀ and the table Z = YQ."""

    vectors: Floats  # Q (F, F)
    spectrum: Floats  # Λ (W,), W being F rounded up to whole vectors, the rest 0
    table: Floats  # Z (m, W), the rest 0

    @classmethod
    def of(cls, factors: Floats) -> "Basis":
        """Diagonalise the Gram matrix (float64) and turn the factors into its eigenbasis."""
        n_rows, n_factors = factors.shape
        blocks = _blocks(n_rows)
        gram = np.zeros((n_factors, n_factors))
        for part in map_threads(lambda ab: factors[ab[0] : ab[1]].T @ factors[ab[0] : ab[1]], blocks):
            gram += part
        eigenvalues, eigenvectors = np.linalg.eigh(gram)
        vectors = eigenvectors.astype(np.float32)
        table = _padded(n_rows, n_factors)
        spectrum = np.zeros(table.shape[1], np.float32)
        spectrum[:n_factors] = np.maximum(eigenvalues, 0.0)

        def turn(bounds: tuple[int, int]) -> None:
            a, b = bounds
            np.matmul(factors[a:b], vectors, out=table[a:b, :n_factors])

        map_threads(turn, blocks)
        return cls(vectors, spectrum, table)


def half_step(
    entries: Entries,
    basis: Basis,
    factors: Floats,
    *,
    steps: int | None,
    relaxation: float = 1.0,
    tolerance: float = 0.0,
) -> float:
    """Move each row of ``factors`` (n, F) towards its least-squares solution given the other side, in place.

    At most ``steps`` conjugate-gradient steps a row (None: as many as it takes), fewer where the relative error of a
    row is surely below ``tolerance``. Returns the loss afterwards, less the other side's Σ λ‖y‖².
    """
    from foretaste.models.kernels.als import solve_rows

    n_factors = factors.shape[1]
    most = 2 * n_factors + 50 if steps is None else steps  # in exact arithmetic F are enough
    back = np.ascontiguousarray(basis.vectors.T)

    def work(bounds: tuple[int, int]) -> float:
        a, b = bounds
        turned = _padded(b - a, n_factors)
        np.matmul(factors[a:b], basis.vectors, out=turned[:, :n_factors])
        left = solve_rows(
            entries.indptr[a : b + 1],
            entries.columns,
            entries.extra,
            basis.table,
            basis.spectrum,
            entries.ridge[a:b],
            turned,
            most,
            relaxation,
            tolerance,
        )
        np.matmul(turned[:, :n_factors], back, out=factors[a:b])
        return left

    return entries.constant + sum(map_threads(work, entries.chunks))


def solve_exactly(entries: Entries, basis: Basis) -> Floats:
    """The least-squares factors (n, F) of rows given the other side, from nothing: the fold-in."""
    factors = np.zeros((len(entries.ridge), len(basis.vectors)), np.float32)
    half_step(entries, basis, factors, steps=None, tolerance=EXACT)
    return factors


def loss(entries: Entries, ridge_of_columns: Floats, left: Floats, right: Floats) -> float:
    """Σ c(p - xᵀy)² over all pairs + Σ λ_u‖x_u‖² + Σ λ_i‖y_i‖², without visiting the unobserved pairs."""
    from foretaste.models.kernels.als import observed_loss

    observed = map_threads(
        lambda ab: observed_loss(entries.indptr, entries.columns, entries.extra, left, right, *ab), entries.chunks
    )
    grams = [side.astype(np.float64, copy=False).T @ side for side in (left, right)]
    everywhere = float(np.sum(grams[0] * grams[1]))
    ridges = np.dot(entries.ridge, np.square(left).sum(axis=1)) + np.dot(ridge_of_columns, np.square(right).sum(axis=1))
    return float(sum(observed)) + everywhere + float(ridges)


def _blocks(n: int) -> list[tuple[int, int]]:
    step = max(256, -(-n // (n_threads() * 4)))
    return [(a, min(a + step, n)) for a in range(0, n, step)]


def _padded(n_rows: int, n_factors: int) -> Floats:
    """An array (n, F rounded up) whose vectors do not lie across cache lines; the extra columns are 0."""
    width = -(-n_factors // _WIDTH) * _WIDTH
    raw = np.empty(n_rows * width + _WIDTH, np.float32)
    first = -(raw.ctypes.data // 4) % _WIDTH
    array = raw[first : first + n_rows * width].reshape(n_rows, width)
    array[:, n_factors:] = 0.0
    return array
