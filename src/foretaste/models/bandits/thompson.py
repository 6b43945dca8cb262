"""Thompson sampling: each arm with the probability that it is the best, given what was seen."""

from typing import ClassVar
from zlib import crc32

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveFloat, PositiveInt

from foretaste.models.bandits.base import BanditConfig, Doubles, Longs, room_for
from foretaste.models.bandits.counts import CountingBandit
from foretaste.models.bandits.linear import LinearBandit, LinearConfig

_RENEW = 0.99
"""When what was seen has faded to this part, all draws are made anew."""


class ThompsonConfig(BanditConfig):
    """What is believed before anything is seen."""

    prior_successes: PositiveFloat = 1.0
    """α of the Beta distribution of an arm that was never shown."""
    prior_failures: PositiveFloat = 1.0
    """Its β; a larger one expects rarer rewards."""
    n_draws: PositiveInt = Field(default=128, le=10_000)
    """Draws from each arm's distribution, over which propensities are counted."""


class Thompson(CountingBandit):
    """Rewards of 0 or 1, Beta distributions of each arm's mean.

    The chance of an arm is how often it wins over ``n_draws`` draws, which follow from ``seed``, its id and what was
    seen of it, so that all workers hold the same; its error against the true probability p of being best is
    √(p(1 - p)/``n_draws``), but the propensity is that of the choice as it is made. ``floor`` keeps it from 0.
    Source: Chapelle and Li 2011, «An empirical evaluation of Thompson sampling».
    """

    name: ClassVar[str] = "thompson"
    config_class: ClassVar[type[BanditConfig]] = ThompsonConfig
    config: ThompsonConfig

    def _start(self) -> None:
        super()._start()
        self._draws = np.zeros((0, self.config.n_draws))
        self._is_stale = np.zeros(0)
        self._faded = 1.0

    def _grow(self, n_arms: int) -> None:
        super()._grow(n_arms)
        self._draws = room_for(self._draws, n_arms)
        self._is_stale = room_for(self._is_stale, n_arms, 1.0)

    def _show(self, arms: Longs, features: Doubles, weight: float) -> None:
        super()._show(arms, features, weight)
        self._is_stale[arms] = 1.0

    def _reward(self, arms: Longs, rewards: Doubles, features: Doubles) -> None:
        super()._reward(arms, rewards, features)
        self._is_stale[arms] = 1.0

    def _scale(self, factor: float) -> None:
        super()._scale(factor)
        self._faded *= factor
        if self._faded < _RENEW:
            self._is_stale[:] = 1.0
            self._faded = 1.0

    def _values(self, arms: Longs, features: Doubles, rng: np.random.Generator) -> Doubles:
        stale = np.unique(arms[self._is_stale[arms] > 0])
        if len(stale):
            successes = np.maximum(self.rewards[stale], 0.0)
            failures = np.maximum(self.pulls[stale] - successes, 0.0)
            a, b = successes + self.config.prior_successes, failures + self.config.prior_failures
            for n, row in enumerate(stale.tolist()):
                key = crc32(self._ids[row].encode("utf-8", "surrogatepass"))
                own = np.random.Generator(np.random.SFC64([self.config.seed, key]))
                self._draws[row] = own.beta(a[n], b[n], self.config.n_draws)
            self._is_stale[stale] = 0.0
        return np.ascontiguousarray(self._draws[arms].T)


class LinearThompsonConfig(LinearConfig):
    """How wide the belief is."""

    scale: float = Field(default=0.5, ge=0)
    """Standard deviation v of a reward around what the features say."""
    n_draws: PositiveInt = Field(default=64, le=10_000)
    """Draws from the belief, over which propensities are counted."""


class LinearThompson(LinearBandit):
    """Rewards that are linear in features, a normal belief N(θ, v²·A⁻¹) about the weights.

    Each choice makes ``n_draws`` draws of its own from its seed; propensities as for :class:`Thompson`. Source: Agrawal
    and Goyal 2013, arXiv:1209.3352.
    """

    name: ClassVar[str] = "linear_thompson"
    config_class: ClassVar[type[BanditConfig]] = LinearThompsonConfig
    config: LinearThompsonConfig

    def _values(self, arms: Longs, features: Doubles, rng: np.random.Generator) -> Doubles:
        if not self.config.shared:  # other models are independent: one number each is enough
            means, deviations = self.estimates(arms, features)
            noise: npt.NDArray[np.float64] = rng.standard_normal((self.config.n_draws, len(arms)))
            return means + self.config.scale * deviations * noise
        weights = self.inverses[0] @ self.moments[0]
        spread = np.linalg.cholesky(self.inverses[0])
        noise = rng.standard_normal((self.config.n_draws, self.config.n_features))
        return np.ascontiguousarray((weights + self.config.scale * noise @ spread.T) @ features.T)
