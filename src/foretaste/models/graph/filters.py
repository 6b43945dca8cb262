"""What the graph filters share: the normalised graph, polynomials of it, and a low-rank part.

With R̃ = D_U^-½ R D_I^-½ (D: degrees) and P = R̃ᵀR̃, the filters of this family are all of the form

    s = p(P)(r ∘ a) ∘ a⁻¹ + ((r ∘ b) V) Wᵀ

for a history r, a polynomial p, vectors a and b of the items' degrees, and two tall matrices: the singular vectors V of
R̃ and what they become, W. So they differ only in ``_design``.
"""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Chebyshev, chebyshev
from numpy.polynomial.polynomial import polyval
from pydantic import NonNegativeInt, PositiveInt
from scipy import sparse

from foretaste.data import Dataset
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.memory import check_fits
from foretaste.models.reasons import to_history
from foretaste.models.spectral import randomized_svd
from foretaste.models.threads import map_threads, n_threads

Floats = npt.NDArray[np.float32]

SHORTEN_TOLERANCE = 1e-4
"""How far a response, which lies between 0 and 1, may be off where a shorter polynomial stands in for it."""
_CONTRIBUTION_BYTES = 64_000_000
"""Responses to single items held at once where a list is explained."""


class GraphFilterConfig(ModelConfig):
    """What all graph filters have."""

    n_factors: PositiveInt = 256
    """Singular vectors of the low-rank («ideal») part; fewer where the graph has a lower rank."""
    values: Literal["binary", "weight"] = "binary"
    """Every interaction counts the same, or by its weight."""
    dense_items: NonNegativeInt = 8000
    """Up to so many items the filter is kept as a dense item-item matrix (4·I² bytes): a user then costs no more than
    the rows of the history."""
    svd_iterations: PositiveInt = 6
    """Power iterations of the randomised decomposition; more are nearer to the exact one."""
    seed: int = 0
    """Seed of the randomised decomposition."""


@dataclass(frozen=True, eq=False)
class Design:
    """One filter of the family: see the module."""

    coefficients: npt.NDArray[np.float64]  # (K + 1,) of p in the Chebyshev polynomials of I - 2P
    scale: Floats  # (I,) a
    low_rank_scale: Floats  # (I,) b
    responses: Floats  # (I, k) W


def power_coefficients(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Chebyshev coefficients in x = 1 - 2λ of the polynomial Σ values[n] λⁿ."""
    degree = len(values) - 1
    x = chebyshev.chebpts1(degree + 1)
    return np.asarray(chebyshev.chebfit(x, polyval((1 - x) / 2, values), degree), np.float64)


def shortened(coefficients: npt.NDArray[np.float64], limit: float) -> npt.NDArray[np.float64]:
    """The coefficients of lowest degree that give the same within :data:`SHORTEN_TOLERANCE` for λ in [0, ``limit``]."""
    degree = len(coefficients) - 1
    domain = [1 - 2 * min(max(limit, 1e-6), 1.0), 1.0]
    x = np.linspace(domain[0], domain[1], 20 * degree + 20)
    target = chebyshev.chebval(x, coefficients)
    for lower in range(1, degree):
        near = Chebyshev.interpolate(lambda at: chebyshev.chebval(at, coefficients), lower, domain=domain)
        if np.abs(near(x) - target).max() <= SHORTEN_TOLERANCE:
            return np.asarray(near.convert(domain=[-1, 1], kind=Chebyshev).coef, np.float64)
    return coefficients


class Graph:
    """R̃ and its transpose with the items in order of popularity, and polynomials of P = R̃ᵀR̃ applied to panels.

    The order of popularity keeps the rows that are gathered most often side by side, in the core's own cache.
    """

    def __init__(self, matrix: sparse.csr_array) -> None:
        popularity = np.bincount(matrix.indices, minlength=matrix.shape[1])
        order = np.argsort(-popularity, kind="stable")
        self.n_users, self.n_items = matrix.shape
        self.places = np.empty(self.n_items, np.int32)  # of each item in the order of popularity
        self.places[order] = np.arange(self.n_items, dtype=np.int32)
        ordered = sparse.csr_array((matrix.data.copy(), self.places[matrix.indices], matrix.indptr), shape=matrix.shape)
        ordered.sort_indices()
        self._forth = _parts(ordered)
        self._back = _parts(sparse.csr_array(ordered.T.tocsr()))

    def respond(
        self,
        rows: sparse.csr_array,
        coefficients: npt.NDArray[np.float64],
        scale: Floats,
        own_scale: Floats,
        out: Floats,
    ) -> None:
        """``out = own_scale ∘ out + scale ∘ p(P) rows``, p by its Chebyshev coefficients, for B sparse rows (B, I)."""
        from foretaste.models.kernels.panels import WIDTH, add_panel, put_rows

        panels = [np.empty((self.n_items, WIDTH), np.float32) for _ in range(4)]
        between = np.empty((self.n_users, WIDTH), np.float32)
        indptr, columns = rows.indptr.astype(np.int64), rows.indices.astype(np.int32)
        for start in range(0, rows.shape[0], WIDTH):
            stop = min(start + WIDTH, rows.shape[0])
            panels[0][:] = 0
            put_rows(indptr[start : stop + 1], columns, rows.data, self.places, panels[0])
            total = self._polynomial(panels, between, coefficients)
            add_panel(total, self.places, scale, own_scale, out[start:stop])

    def respond_dense(self, block: Floats, coefficients: npt.NDArray[np.float64]) -> Floats:
        """p(P) ``block`` for a dense block (I, k), on all threads."""
        from foretaste.models.kernels.panels import WIDTH

        out = np.empty(block.shape, np.float32)

        def work(start: int) -> None:
            stop = min(start + WIDTH, block.shape[1])
            panels = [np.zeros((self.n_items, WIDTH), np.float32) for _ in range(4)]
            between = np.empty((self.n_users, WIDTH), np.float32)
            panels[0][self.places, : stop - start] = block[:, start:stop]
            out[:, start:stop] = self._polynomial(panels, between, coefficients)[self.places, : stop - start]

        map_threads(work, range(0, block.shape[1], WIDTH))
        return out

    def _polynomial(self, panels: list[Floats], between: Floats, coefficients: npt.NDArray[np.float64]) -> Floats:
        """Σ_m c_m T_m(I - 2P) of ``panels[0]``; all panels are overwritten, the last one returned."""
        from foretaste.models.kernels.panels import multiply_panel, next_chebyshev, subtract_twice

        previous, current, _, total = panels
        np.multiply(previous, np.float32(coefficients[0]), out=total)
        for m in range(1, len(coefficients)):
            multiply_panel(*self._forth, previous if m == 1 else current, between)
            if m == 1:
                subtract_twice(*self._back, between, previous, current)
                total += np.float32(coefficients[1]) * current
            else:
                next_chebyshev(*self._back, between, current, previous, np.float32(coefficients[m]), total)
                previous, current = current, previous
        return total


def _parts(matrix: sparse.csr_array) -> tuple[npt.NDArray[np.int64], Rows, Floats]:
    return (
        np.asarray(matrix.indptr, np.int64),
        np.asarray(matrix.indices, np.int32),
        np.asarray(matrix.data, np.float32),
    )


def normalized_graph(matrix: sparse.csr_array) -> sparse.csr_array:
    """R̃ = D_U^-½ R D_I^-½; degrees are sums of the entries. Its singular values lie between 0 and 1."""
    users = _inverse_roots(matrix.sum(axis=1))
    items = _inverse_roots(matrix.sum(axis=0))
    data = matrix.data * np.repeat(users, np.diff(matrix.indptr)) * items[matrix.indices]
    return sparse.csr_array((data.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


def _inverse_roots(sums: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    degrees = np.asarray(sums, np.float64)
    return np.asarray(np.where(degrees > 0, degrees, 1.0) ** -0.5)


class GraphFilter(Recommender):
    """A linear filter of the history over the graph of users and items; see the module."""

    config: GraphFilterConfig
    config_class = GraphFilterConfig
    state_fields = ("degrees", "graph", "dense", "coefficients", "scale", "low_rank_scale", "vectors", "responses")
    scores_new_users = True
    explains_exactly = True
    finds_similar_items = True

    @abstractmethod
    def _design(self, graph: Graph, degrees: Floats, vectors: Floats, strengths: Floats) -> Design:
        """The filter for items of ``degrees`` (I,), all positive; ``vectors`` (I, k) and ``strengths`` (k,) are P's
        main eigenvectors and eigenvalues.
        """

    def _fit(self, data: Dataset) -> None:
        self.__dict__.pop("_graph", None)
        matrix = data.matrix(self.config.values)
        self.graph = normalized_graph(matrix)
        self.degrees = np.asarray(matrix.sum(axis=0), np.float32)  # (I,)
        is_small = data.n_items <= self.config.dense_items
        if is_small:
            check_fits(8 * data.n_items**2, f"model {self.name!r} on {data.n_items} items", hint="lower dense_items")
        found = randomized_svd(
            self.graph, self.config.n_factors, iterations=self.config.svd_iterations, seed=self.config.seed
        )
        self.vectors = found.right
        known = np.where(self.degrees > 0, self.degrees, np.float32(1))
        design = self._design(self._graph, known, found.right, np.square(found.values))
        self.coefficients, self.scale = design.coefficients, design.scale
        self.low_rank_scale, self.responses = design.low_rank_scale, design.responses
        self.dense = np.zeros((0, 0), np.float32)
        if is_small:
            self.dense = self._all_responses(data.n_items)
            self.graph = self.graph[:0]
            self.vectors = self.responses = np.zeros((0, 0), np.float32)

    @cached_property
    def _graph(self) -> Graph:
        return Graph(self.graph)

    def _all_responses(self, n_items: int) -> Floats:
        """The dense filter (I, I): the response to each single item."""
        out = np.empty((n_items, n_items), np.float32)
        step = max(16, min(256, -(-n_items // n_threads())))

        def work(start: int) -> None:
            stop = min(start + step, n_items)
            out[start:stop] = self._respond(_units(np.arange(start, stop, dtype=np.int32), n_items))

        map_threads(work, range(0, n_items, step))
        return out

    def _respond(self, rows: sparse.csr_array) -> Floats:
        """The filter's answer (B, I) to sparse histories (B, I)."""
        if len(self.dense):
            return np.asarray(rows @ self.dense, np.float32)
        read = sparse.csr_array((rows.data * self.low_rank_scale[rows.indices], rows.indices, rows.indptr), rows.shape)
        out = np.ascontiguousarray((read @ self.vectors) @ self.responses.T, dtype=np.float32)
        if not np.any(self.coefficients):
            return out
        scaled = sparse.csr_array((rows.data * self.scale[rows.indices], rows.indices, rows.indptr), rows.shape)
        back = (1 / self.scale).astype(np.float32)
        self._graph.respond(scaled, self.coefficients, back, np.ones_like(back), out)
        return out

    def _history(self, batch: UserBatch) -> sparse.csr_array:
        return batch.histories.matrix(self.config.values, duplicates=self.population.duplicates)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        history = self._history(batch)
        scores = self._respond(history)
        scores[np.diff(history.indptr) == 0] = -np.inf  # no history, no evidence
        scores[:, self.degrees <= 0] = -np.inf
        return scores

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        """The response to an item alone."""
        scores = self._respond(_units(rows, len(self.degrees)))
        scores[scores <= 0] = -np.inf
        scores[:, self.degrees <= 0] = -np.inf
        return scores

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> npt.NDArray[np.floating] | None:
        """The response to each item of the history alone: the filter is linear."""
        own = self._history(batch)
        step = max(16, _CONTRIBUTION_BYTES // (4 * max(1, len(self.degrees))))
        parts = [
            self._respond(_units(own.indices[start : start + step], len(self.degrees)))[:, item_rows]
            for start in range(0, len(own.indices), step)
        ]
        shares = np.concatenate(parts) if parts else np.zeros((0, len(item_rows)), np.float32)
        return to_history(batch.histories.item_rows, own.indices, own.data[:, None] * shares)


def _units(items: npt.NDArray[np.integer], n_items: int) -> sparse.csr_array:
    """Rows (n, I) with a single 1, at ``items``."""
    ones = np.ones(len(items), np.float32)
    return sparse.csr_array((ones, items, np.arange(len(items) + 1)), shape=(len(items), n_items))
