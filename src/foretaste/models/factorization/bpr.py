"""Bayesian personalised ranking (BPR)."""

from pydantic import Field

from foretaste.models.factorization.sampled import SampledConfig, SampledFactors


class BPRConfig(SampledConfig):
    """Settings of :class:`BPR`."""

    n_candidates: int = Field(3, ge=1, le=63)
    """Other items drawn for a positive one, of which the highest-scored is compared with it; 1 is plain BPR."""


class BPR(SampledFactors):
    """Factors that put what a user took above what the user did not, pair by pair.

    Maximises Σ ln σ(ŷ_ui - ŷ_uj) - λ‖θ‖² over positives i and other items j, with ŷ_ui = x_u·y_i + b_i.

    Source: Rendle et al. 2009, arXiv:1205.2618. Differs: j is the highest-scored of a few drawn items (dynamic
    sampling, Zhang et al. 2013), drawn by popularity^½; rates fall row by row (Adagrad); see :class:`SampledFactors`
    for the order of the steps and the fold-in.
    Cost: O(nnz·F·candidates) an epoch; keeps 4·(U + I)·F bytes, about twice that while fitting.
    """

    name = "bpr"
    config: BPRConfig
    config_class = BPRConfig
    loss = 0

    @property
    def _candidates(self) -> int:
        return int(self.config.n_candidates)
