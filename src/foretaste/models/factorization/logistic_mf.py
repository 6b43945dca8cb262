"""Logistic matrix factorisation with sampled negatives."""

from pydantic import Field

from foretaste.models.factorization.sampled import SampledConfig, SampledFactors


class LogisticMFConfig(SampledConfig):
    """Settings of :class:`LogisticMF`."""

    n_negatives: int = Field(3, ge=1, le=3)
    """Other items drawn for a positive one, each taken as a no."""


class LogisticMF(SampledFactors):
    """Factors whose score is the log-odds that a user takes an item rather than a drawn one.

    Maximises Σ w_ui ln σ(ŷ_ui) + Σ ln σ(-ŷ_uj) - λ‖θ‖² over positives i and drawn other items j, with
    ŷ_ui = x_u·y_i + b_i.

    Source: Johnson 2014, «Logistic matrix factorization for implicit feedback data». Differs: a few negatives are drawn
    instead of all pairs counting (an epoch costs nnz, not U·I), and no user bias, which ranks nothing; see
    :class:`SampledFactors` for the order of the steps and the fold-in.
    Cost: O(nnz·F·negatives) an epoch; keeps 4·(U + I)·F bytes, about twice that while fitting.
    """

    name = "logistic_mf"
    config: LogisticMFConfig
    config_class = LogisticMFConfig
    loss = 2

    @property
    def _candidates(self) -> int:
        return int(self.config.n_negatives)
