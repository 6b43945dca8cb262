"""GF-CF: one step over the graph, and an ideal low-pass filter."""

import numpy as np
from pydantic import NonNegativeFloat

from foretaste.models.graph.filters import Design, Floats, Graph, GraphFilter, GraphFilterConfig, power_coefficients


class GFCFConfig(GraphFilterConfig):
    """Settings of :class:`GFCF`."""

    ideal_share: NonNegativeFloat = 0.3
    """α: what the low-rank part counts beside the step over the graph."""


class GFCF(GraphFilter):
    """Items near to the history on the graph, and what the main directions of taste say.

    s = rP + α·r D_I^-½ V Vᵀ D_I^½, P = R̃ᵀR̃, R̃ = D_U^-½ R D_I^-½, V its k right singular vectors of largest value.

    Source: Shen et al. 2021, arXiv:2108.07567. Differs: the decomposition is randomised.
    Cost: fitting 2·iterations + 2 sparse products with k columns; scoring 4·nnz + 2·I·k operations a user, or a row of
    a dense item-item matrix for each item of the history up to 8,000 items; keeps 8·I·k + 8·nnz bytes.
    """

    name = "gfcf"
    config: GFCFConfig
    config_class = GFCFConfig

    def _design(self, graph: Graph, degrees: Floats, vectors: Floats, strengths: Floats) -> Design:
        root = np.sqrt(degrees)
        return Design(
            power_coefficients(np.array([0.0, 1.0])),
            np.ones_like(degrees),
            (self.config.ideal_share / root).astype(np.float32),
            vectors * root[:, None],
        )
