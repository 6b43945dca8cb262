"""Epsilon-greedy: mostly the arm with the best mean, now and then any."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from foretaste.models.bandits.base import BanditConfig, Doubles, Longs
from foretaste.models.bandits.counts import CountingBandit


class EpsilonGreedyConfig(BanditConfig):
    """How often it explores."""

    epsilon: float = Field(default=0.1, ge=0, le=1)
    """Share of choices made evenly among all arms (``floor`` where that is larger)."""


class EpsilonGreedy(CountingBandit):
    """The arm with the best mean reward, with probability ε any arm. Arms never shown come before all that were.

    Propensities are exact: (1 - ε)/(ties) for the best ones plus ε/n.
    """

    name: ClassVar[str] = "epsilon_greedy"
    config_class: ClassVar[type[BanditConfig]] = EpsilonGreedyConfig
    config: EpsilonGreedyConfig

    @property
    def _floor(self) -> float:
        return max(self.config.epsilon, self.config.floor)

    def _values(self, arms: Longs, features: Doubles, rng: np.random.Generator) -> Doubles:
        pulls = self.pulls[arms]
        means = np.full(len(arms), np.inf)
        np.divide(self.rewards[arms], pulls, out=means, where=pulls > 0)
        return means[None, :]
