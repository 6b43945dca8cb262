"""Bandits whose rewards are linear in features: ridge regressions kept up to date with each observation."""

from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import PositiveFloat, PositiveInt

from foretaste.models.bandits.base import Bandit, BanditConfig, Doubles, Longs, room_for

_RENEW = 0.9
"""When what was seen counts less than this since the inverses were made, they are made anew."""


class LinearConfig(BanditConfig):
    """What linear bandits can be told."""

    n_features: PositiveInt = 1
    """Length of the features."""
    shared: bool = False
    """One regression over all arms, whose features must tell them apart, instead of one for each arm."""
    regularization: PositiveFloat = 1.0
    """Ridge term λ: how strongly weights are held at 0 until something is seen."""


class LinearBandit(Bandit, ABC):
    """Keeps XᵀX, Xᵀr and (XᵀX + λI)⁻¹ for each arm, or once for all where ``shared``.

    The inverse follows each observation by the formula of Sherman and Morrison, O(d²), and is computed anew as what
    was seen fades. Memory: 16·d² bytes an arm.
    """

    needs_features: ClassVar[bool] = True
    state_arrays = ("grams", "moments")
    config: LinearConfig

    def _start(self) -> None:
        d = self.config.n_features
        self.grams: Doubles = np.zeros((0, d, d))
        self.inverses: Doubles = np.zeros((0, d, d))
        self.moments: Doubles = np.zeros((0, d))
        self._weight = 1.0
        if self.config.shared:
            self._make_room(1)

    def _grow(self, n_arms: int) -> None:
        if not self.config.shared:
            self._make_room(n_arms)

    def _make_room(self, n: int) -> None:
        d = self.config.n_features
        self.grams, self.moments = room_for(self.grams, n), room_for(self.moments, n)
        self.inverses = room_for(self.inverses, n, np.eye(d) / self.config.regularization)

    @property
    def _is_by_arm(self) -> bool:
        return not self.config.shared

    def _models(self, arms: Longs) -> Longs:
        return np.zeros(len(arms), dtype=np.int64) if self.config.shared else arms

    def estimates(self, arms: Longs, features: Doubles) -> tuple[Doubles, Doubles]:
        """What is expected of each arm at its features (n,), and the standard deviation √(xᵀA⁻¹x) of that (n,)."""
        from foretaste.models.bandits.kernels import estimates

        out = np.empty((2, len(arms)))
        estimates(self._models(arms), features, self.inverses, self.moments, out)
        return out[0], np.sqrt(out[1])

    def _show(self, arms: Longs, features: Doubles, weight: float) -> None:
        from foretaste.models.bandits.kernels import observe

        observe(self._models(arms), features * np.sqrt(weight), self.grams, self.inverses)

    def _reward(self, arms: Longs, rewards: Doubles, features: Doubles) -> None:
        np.add.at(self.moments, self._models(arms), rewards[:, None] * features)

    def _scale(self, factor: float) -> None:
        self.grams *= factor
        self.moments *= factor
        self._weight *= factor
        if self._weight < _RENEW:
            self._renew()

    def _restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        super()._restore(arrays)
        self._renew()

    def _renew(self) -> None:
        ridge = self.config.regularization * np.eye(self.config.n_features)
        self.inverses = np.asarray(np.linalg.inv(self.grams + ridge), dtype=np.float64)
        self._weight = 1.0
