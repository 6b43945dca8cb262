"""ChebyCF: a plateau-shaped filter over the graph by Chebyshev polynomials."""

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev
from pydantic import Field, NonNegativeFloat, PositiveFloat

from foretaste.models.graph.filters import Design, Floats, Graph, GraphFilter, GraphFilterConfig, shortened


class ChebyCFConfig(GraphFilterConfig):
    """Settings of :class:`ChebyCF`."""

    degree: int = Field(default=8, ge=1, le=64)
    """K: the degree of the polynomial, so how many steps over the graph."""
    flatness: PositiveFloat = 1.5
    """φ: the larger, the nearer is the filter to one half except at the ends of the spectrum."""
    n_factors: int = Field(default=512, ge=1)
    """η: singular vectors of the ideal part; fewer where the graph has a lower rank."""
    ideal_share: NonNegativeFloat = 0.2
    """α: what the ideal part counts beside the polynomial."""
    item_exponent: float = Field(default=0.4, ge=0.0, le=1.0)
    """β: a history's items are divided by degree^β, the scores multiplied by it: the larger, the more popular the
    list."""


class ChebyCF(GraphFilter):
    """A graph filter with a freely shaped response, over as many steps as the polynomial has degrees.

    s = [Σ_m c_m T_m(I - 2P)y + α V Vᵀ y] ∘ D_I^β with y = r ∘ D_I^-β, P = R̃ᵀR̃, T_m the Chebyshev polynomials, V the
    η main right singular vectors of R̃. The c_m follow from the plateau h: with L̂'s eigenvalue x in [-1, 1] (-1 is the
    smoothest), h = ½(1 + |x|^φ) for x < 0, else ½(1 - x^φ).

    Source: Kim et al. 2025, arXiv:2505.00552. Differs: the decomposition is randomised; as the η main directions are
    known, their response is taken from them, and the polynomial, which then has to be right only for what they leave,
    is shortened to the degree that gives it within 1e-4 (on Gowalla 3 instead of 8; same lists but for one item in
    300).
    Cost: fitting 2·iterations + 2 sparse products with η columns; scoring at most 4·K·nnz + 2·I·η operations a user, or
    a row of a dense item-item matrix for each item of the history up to 8,000 items; keeps 8·I·η + 8·nnz bytes.
    """

    name = "chebycf"
    config: ChebyCFConfig
    config_class = ChebyCFConfig

    def _design(self, graph: Graph, degrees: Floats, vectors: Floats, strengths: Floats) -> Design:
        config = self.config
        powers = degrees ** np.float32(config.item_exponent)
        plateau = plateau_coefficients(config.degree, config.flatness)
        # What the vectors span is known exactly: the polynomial has to be right only for the strengths that are left.
        limit = float(strengths.min()) if len(strengths) == config.n_factors else 0.0
        short = shortened(plateau, limit)
        x = 1 - 2 * strengths.astype(np.float64)
        difference = chebyshev.chebval(x, plateau) - chebyshev.chebval(x, short)
        return Design(
            short,
            (1 / powers).astype(np.float32),
            (1 / powers).astype(np.float32),
            vectors * (config.ideal_share + difference).astype(np.float32) * powers[:, None],
        )


def plateau_coefficients(degree: int, flatness: float) -> npt.NDArray[np.float64]:
    """c_0 … c_K: the plateau at the points cos((K - j)π/K), taken as if they were the Chebyshev nodes."""
    j = np.arange(degree + 1)
    x = np.cos((degree - j) * np.pi / degree)
    target = np.where(x < 0, 0.5 * (1 + np.abs(x) ** flatness), 0.5 * (1 - np.abs(x) ** flatness))
    nodes = np.cos((degree + 0.5 - j) * np.pi / (degree + 1))
    coefficients = 2 / (degree + 1) * (target @ chebyshev.chebvander(nodes, degree))
    coefficients[0] /= 2
    return np.asarray(coefficients, np.float64)
