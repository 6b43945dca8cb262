"""Upper confidence bounds: the arm that may yet prove best."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from foretaste.models.bandits.base import BanditConfig, Doubles, Longs
from foretaste.models.bandits.counts import CountingBandit


class UCBConfig(BanditConfig):
    """How much doubt counts."""

    exploration: float = Field(default=1.0, ge=0)
    """Factor c of the doubt; 1 is UCB1 for rewards of 0 … 1, less suits rare rewards."""


class UCB(CountingBandit):
    """The arm with the largest mean + c·√(2 ln N / n), N all pulls and n its own; arms never shown come first.

    With ``half_life_days`` pulls and rewards fade, which is discounted UCB. Sources: Auer, Cesa-Bianchi and Fischer
    2002, doi:10.1023/A:1013689704352; Garivier and Moulines 2011, arXiv:0805.3415. Propensities are exact: 1 - floor
    for the best (shared by ties) plus floor/n.
    """

    name: ClassVar[str] = "ucb"
    config_class: ClassVar[type[BanditConfig]] = UCBConfig
    config: UCBConfig

    def _values(self, arms: Longs, features: Doubles, rng: np.random.Generator) -> Doubles:
        pulls = self.pulls[arms]
        bounds = np.full(len(arms), np.inf)
        np.divide(self.rewards[arms], pulls, out=bounds, where=pulls > 0)
        doubt = np.sqrt(2.0 * np.log(max(self.pulls.sum(), 1.0)) / np.where(pulls > 0, pulls, 1.0))
        return np.asarray(bounds + self.config.exploration * doubt)[None, :]
