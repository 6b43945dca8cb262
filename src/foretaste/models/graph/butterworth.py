"""A graph filter with a soft edge: the Butterworth response on the main directions of the graph."""

import numpy as np
from pydantic import Field, PositiveFloat

from foretaste.models.graph.filters import Design, Floats, Graph, GraphFilter, GraphFilterConfig


class ButterworthConfig(GraphFilterConfig):
    """Settings of :class:`Butterworth`."""

    n_factors: int = Field(default=512, ge=1)
    """Singular vectors; as many as have an eigenvalue near ``cutoff`` or above. Fewer where the graph has a lower
    rank."""
    cutoff: PositiveFloat = 0.05
    """λ_c: the eigenvalue of P at which the response is one half."""
    order: float = Field(default=3.0, gt=0.0, le=64.0)
    """n: how steep the edge is; large is the ideal filter, that takes each direction whole or not at all."""
    item_exponent: float = Field(default=0.25, ge=0.0, le=1.0)
    """β: a history's items are divided by degree^β, the scores multiplied by it: the larger, the more popular the
    list."""


class Butterworth(GraphFilter):
    """The history projected on the main directions of the graph, each as far as it is strong.

    s = [V g(Λ) Vᵀ (r ∘ D_I^-β)] ∘ D_I^β with g(λ) = λⁿ / (λⁿ + λ_cⁿ), where V and Λ are the k main eigenvectors and
    eigenvalues of P = R̃ᵀR̃, R̃ = D_U^-½ R D_I^-½. With n = 1 and all vectors this is ridge regression on R̃ᵀR̃, with n
    without bound the ideal filter of GF-CF.

    Source: the response is Butterworth's (1930, «On the theory of filter amplifiers»); normalisation and degrees as in
    Shen et al. 2021, arXiv:2108.07567, and Kim et al. 2025, arXiv:2505.00552.
    Cost: fitting 2·iterations + 2 sparse products with k columns; scoring 2·I·k operations a user, or a row of a dense
    item-item matrix for each item of the history up to 8,000 items; keeps 8·I·k bytes.
    """

    name = "butterworth"
    config: ButterworthConfig
    config_class = ButterworthConfig

    def _design(self, graph: Graph, degrees: Floats, vectors: Floats, strengths: Floats) -> Design:
        config = self.config
        powers = degrees ** np.float32(config.item_exponent)
        ratio = config.cutoff / strengths.astype(np.float64)
        response = 1 / (1 + ratio**config.order)
        return Design(
            np.zeros(1),
            np.ones_like(degrees),
            (1 / powers).astype(np.float32),
            vectors * response.astype(np.float32) * powers[:, None],
        )
