"""Bandits that count: how often each arm was shown, and what came of it."""

from abc import ABC

import numpy as np

from foretaste.models.bandits.base import Bandit, Doubles, Longs, room_for


class CountingBandit(Bandit, ABC):
    """Keeps for each arm its pulls and the sum of its rewards (both forgotten at the same rate)."""

    state_arrays = ("pulls", "rewards")

    def _start(self) -> None:
        self.pulls, self.rewards = np.zeros(0), np.zeros(0)

    def _grow(self, n_arms: int) -> None:
        self.pulls, self.rewards = room_for(self.pulls, n_arms), room_for(self.rewards, n_arms)

    def _show(self, arms: Longs, features: Doubles, weight: float) -> None:
        np.add.at(self.pulls, arms, weight)

    def _reward(self, arms: Longs, rewards: Doubles, features: Doubles) -> None:
        np.add.at(self.rewards, arms, rewards)

    def _scale(self, factor: float) -> None:
        self.pulls *= factor
        self.rewards *= factor
