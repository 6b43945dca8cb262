"""LinUCB: the arm that may yet prove best in this situation."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from foretaste.models.bandits.base import BanditConfig, Doubles, Longs
from foretaste.models.bandits.linear import LinearBandit, LinearConfig


class LinUCBConfig(LinearConfig):
    """How much doubt counts."""

    exploration: float = Field(default=0.5, ge=0)
    """Factor α of the doubt."""


class LinUCB(LinearBandit):
    """The arm with the largest θᵀx + α·√(xᵀA⁻¹x), one θ for each arm (disjoint) or one for all (``shared``).

    Source: Li, Chu, Langford and Schapire 2010, arXiv:1003.0146, algorithm 1. Propensities are exact: 1 - floor for
    the best (shared by ties) plus floor/n.
    """

    name: ClassVar[str] = "linucb"
    config_class: ClassVar[type[BanditConfig]] = LinUCBConfig
    config: LinUCBConfig

    def _values(self, arms: Longs, features: Doubles, rng: np.random.Generator) -> Doubles:
        means, deviations = self.estimates(arms, features)
        return (means + self.config.exploration * deviations)[None, :]
