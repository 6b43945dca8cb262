"""Alternating least squares for implicit feedback, on plain arrays: half-steps, loss and fold-in."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.models.threads import map_threads, n_threads

Floats = npt.NDArray[np.float32]
_CHUNKS_PER_THREAD = 8
_EXACT_STEPS = 60
_EXACT_TOLERANCE = 1e-10


@dataclass(frozen=True)
class Entries:
    """The rows of one side: sorted entries with a = confidence - 1, cut into chunks of equal work."""

    indptr: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int32]
    extra: Floats
    ridge: Floats
    """λ of each row."""

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
        parts = n_threads() * _CHUNKS_PER_THREAD
        cuts = np.searchsorted(work, np.linspace(0, work[-1], parts + 1)[1:-1])
        bounds = np.unique(np.concatenate([[0], cuts, [n_rows]]))
        return [(int(a), int(b)) for a, b in pairwise(bounds)]


@dataclass(frozen=True)
class Basis:
    """One side's factors Y, ready for solving the other side: G = YᵀY = QΛQᵀ and the table Z = YQ."""

    vectors: Floats  # Q (F, F)
    spectrum: Floats  # Λ (F,)
    table: Floats  # Z (m, F)

    @classmethod
    def of(cls, factors: Floats) -> "Basis":
        """Diagonalise the Gram matrix (float64) and turn the factors into its eigenbasis."""
        blocks = _blocks(len(factors))
        gram = np.zeros((factors.shape[1],) * 2)
        for part in map_threads(lambda ab: factors[ab[0] : ab[1]].T @ factors[ab[0] : ab[1]], blocks):
            gram += part
        spectrum, vectors = np.linalg.eigh(gram)
        turned = vectors.astype(np.float32)
        table = np.empty(factors.shape, np.float32)

        def turn(bounds: tuple[int, int]) -> None:
            np.matmul(factors[bounds[0] : bounds[1]], turned, out=table[bounds[0] : bounds[1]])

        map_threads(turn, blocks)
        return cls(turned, np.maximum(spectrum, 0.0).astype(np.float32), table)


def half_step(entries: Entries, basis: Basis, factors: Floats, *, steps: int, relaxation: float) -> None:
    """Move each row of ``factors`` (n, F) towards its least-squares solution given the other side, in place."""
    from foretaste.models.kernels.als import solve_rows

    back = np.ascontiguousarray(basis.vectors.T)

    def work(bounds: tuple[int, int]) -> None:
        a, b = bounds
        turned = factors[a:b] @ basis.vectors
        solve_rows(
            entries.indptr[a : b + 1],
            entries.columns,
            entries.extra,
            basis.table,
            basis.spectrum,
            entries.ridge[a:b],
            turned,
            steps,
            relaxation,
            0.0,
        )
        np.matmul(turned, back, out=factors[a:b])

    map_threads(work, entries.chunks)


def solve_exactly(entries: Entries, basis: Basis) -> Floats:
    """The least-squares factors (n, F) of rows given the other side, from nothing: the fold-in."""
    from foretaste.models.kernels.als import solve_rows

    turned = np.zeros((len(entries.ridge), len(basis.spectrum)), np.float32)

    def work(bounds: tuple[int, int]) -> None:
        a, b = bounds
        solve_rows(
            entries.indptr[a : b + 1],
            entries.columns,
            entries.extra,
            basis.table,
            basis.spectrum,
            entries.ridge[a:b],
            turned[a:b],
            _EXACT_STEPS,
            1.0,
            _EXACT_TOLERANCE,
        )

    map_threads(work, entries.chunks if len(turned) > 64 else [(0, len(turned))])
    solved: Floats = turned @ basis.vectors.T
    return solved


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
