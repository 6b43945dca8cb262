"""Weighted approximate-rank pairwise loss (WARP)."""

from pydantic import Field, PositiveInt

from foretaste.models.factorization.sampled import SampledConfig, SampledFactors


class WARPConfig(SampledConfig):
    """Settings of :class:`WARP`."""

    epochs: PositiveInt = 10
    """Passes over the interactions."""
    max_trials: int = Field(15, ge=1, le=1000)
    """Other items drawn in search of one that comes within the margin of the positive one."""
    popularity_exponent: float = Field(0.0, ge=0.0, le=1.0)
    """Others are drawn with probability ∝ popularity^this; above 0 the estimated rank leans to well-known items."""


class WARP(SampledFactors):
    """Factors that push down items standing too high beside what a user took, harder where the top is concerned.

    For a positive i other items are drawn until one has ŷ_uj > ŷ_ui - 1; after N draws the rank of i is about
    ⌊(I - 1)/N⌋, and the step is log(1 + rank) times that of the hinge max(0, 1 - ŷ_ui + ŷ_uj). ŷ_ui = x_u·y_i + b_i.

    Source: Weston, Bengio, Usunier 2011, «WSABIE». Differs: log(1 + rank) for the harmonic sum; a ridge instead of
    norm limits; rates fall row by row (Adagrad); see :class:`SampledFactors` for the order of steps and the fold-in.
    Cost: O(nnz·F·draws) an epoch, draws being few at first and at most ``max_trials``; keeps 4·(U + I)·F bytes.
    """

    name = "warp"
    config: WARPConfig
    config_class = WARPConfig
    loss = 1

    @property
    def _candidates(self) -> int:
        return int(self.config.max_trials)
