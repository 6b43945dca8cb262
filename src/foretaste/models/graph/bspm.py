"""BSPM: blur a history over the graph, then sharpen it by a differential equation."""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeFloat

from foretaste.models.graph.filters import Design, Floats, Graph, GraphFilter, GraphFilterConfig, power_coefficients


class BSPMConfig(GraphFilterConfig):
    """Settings of :class:`BSPM`."""

    n_factors: int = Field(default=448, ge=1)
    """Singular vectors of the ideal part; fewer where the graph has a lower rank."""
    ideal_share: NonNegativeFloat = 0.2
    """β: what the ideal low-pass filter counts beside the blur."""
    sharpening_time: float = Field(default=2.5, ge=0.0, le=20.0)
    """T: how far the sharpening goes."""
    solver: Literal["rk4", "euler"] = "rk4"
    """Runge and Kutta's fourth-order steps, or Euler's."""
    steps: int = Field(default=1, ge=1, le=8)
    """Steps that the solver takes to T. With one step of ``rk4`` the polynomial has degree 4."""


class BSPM(GraphFilter):
    """The history blurred over the graph, with the ideal low-pass filter added, then sharpened.

    y = rP + β·r D_I^-½ V Vᵀ D_I^½; then dz/dt = -zP from z(0) = y to t = T. P = R̃ᵀR̃, R̃ = D_U^-½ R D_I^-½, V its k main
    right singular vectors. The solver's steps are a polynomial of P, so the whole filter is.

    Source: Choi et al. 2023, arXiv:2211.09324 (the variant with early merge). Differs: the decomposition is randomised,
    and the sharpening of the ideal part is done once, on V.
    Cost: as :class:`~foretaste.models.graph.chebycf.ChebyCF` with K = 4·steps + 1 (``rk4``) or steps + 1.
    """

    name = "bspm"
    config: BSPMConfig
    config_class = BSPMConfig

    def _design(self, graph: Graph, degrees: Floats, vectors: Floats, strengths: Floats) -> Design:
        config = self.config
        root = np.sqrt(degrees)
        sharpen = sharpening(config.sharpening_time, config.solver, config.steps)
        blurred_first = np.concatenate([[0.0], sharpen])  # P·p(P)
        return Design(
            power_coefficients(blurred_first),
            np.ones_like(degrees),
            (config.ideal_share / root).astype(np.float32),
            graph.respond_dense(vectors * root[:, None], power_coefficients(sharpen)),
        )


def sharpening(time: float, solver: str, steps: int) -> npt.NDArray[np.float64]:
    """What the solver makes of z₀ as powers of P: (Σ_n (-hP)ⁿ/n!)^steps with h = time/steps, n to 4 or to 1."""
    order = 4 if solver == "rk4" else 1
    step = np.array([(-time / steps) ** n / math.factorial(n) for n in range(order + 1)])
    return np.asarray(np.polynomial.polynomial.polypow(step, steps))
