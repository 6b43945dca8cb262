"""Trends: what is taken more of late than it was before."""

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import PositiveFloat

from foretaste.data import Dataset
from foretaste.models.base import ModelConfig
from foretaste.models.baselines.popular import DAY_S, newest_time
from foretaste.models.baselines.shared import SameForAll
from foretaste.models.ranking import Floats


class TrendingConfig(ModelConfig):
    """Settings of :class:`Trending`."""

    window_days: PositiveFloat = 7.0
    """Length of «of late», counted back from the newest interaction."""
    before_days: PositiveFloat = 28.0
    """Length of the time before the window that says what was to be expected; less where the data begin later."""
    half_life_days: PositiveFloat | None = 3.5
    """Inside the window an interaction loses half of its weight in so many days; None weighs all alike."""
    smoothing: PositiveFloat = 5.0
    """Interactions added to what was expected: the larger, the more it takes for an item to count as a trend."""
    values: Literal["binary", "weight"] = "binary"
    """Count each user once for an item in each of the two times, or add up the weights."""


class Trending(SameForAll):
    """The same list for everybody: items that are taken more often than their past would suggest.

    With ages a in days, window W, time before B, half-life h and smoothing s, for each item::

        recent   = Σ over a < W of 2^(-a / h)
        expected = (Σ over W ≤ a < W + B of 1) · L / B,    L = ∫₀^W 2^(-a/h) da = h / ln 2 · (1 - 2^(-W / h))
        score    = (recent - expected) / sqrt(expected + s)

    which is the surprise in standard deviations of a Poisson count, smoothed so that one purchase of an unknown item is
    no trend. Scores below 0 belong to items on the way down. Items that nobody took in the window are left out.

    Raises:
        DataInsufficientError: when fitted on data without timestamps (interactions without one are passed over).
    """

    name = "trending"
    config_class = TrendingConfig
    state_fields = ("velocity", "is_recent")
    updates_incrementally = True
    reason_kind = "trending"

    def _fit(self, data: Dataset) -> None:
        config: TrendingConfig = self.config
        now = newest_time(data, f"model {self.name!r}")
        ages = (now - data.interactions.timestamps) / DAY_S  # (N,) days, NaN where unknown
        window = config.window_days
        before = min(config.before_days, max(0.0, float(np.nanmax(ages)) - window))
        length = window
        if config.half_life_days is not None:
            rate = math.log(2) / config.half_life_days
            length = (1 - math.exp(-rate * window)) / rate
        recent = self._counts(data, ages, 0.0, window, decay=True)
        expected = np.zeros(data.n_items)
        if before > 0:
            past = self._counts(data, ages, window, window + config.before_days, decay=False)
            expected = past * (length / before)
        score = (recent - expected) / np.sqrt(expected + config.smoothing)
        self.velocity, self.is_recent = score.astype(np.float32), recent > 0  # (I,)
        self._forget()

    def _update(self, data: Dataset) -> None:
        self._fit(data)

    def _counts(
        self, data: Dataset, ages: npt.NDArray[np.float64], start: float, stop: float, *, decay: bool
    ) -> npt.NDArray[np.float64]:
        """What was taken of each item (I,) at ages ``start`` ≤ a < ``stop``."""
        interactions = data.interactions.where((ages >= start) & (ages < stop))
        binary = self.config.values == "binary"
        worth = (interactions.weights > 0).astype(np.float64) if binary else interactions.weights.astype(np.float64)
        if decay and self.config.half_life_days is not None:
            worth *= np.exp2(-ages[(ages >= start) & (ages < stop)] / self.config.half_life_days)
        weighed = data.with_interactions(replace(interactions, weights=worth.astype(np.float32)))
        policy = "max" if binary else data.duplicates  # the newest of one user is worth the most
        matrix = weighed.histories.matrix("weight", duplicates=policy, dtype=np.float64)
        return np.asarray(matrix.sum(axis=0), dtype=np.float64)

    def _for_all(self) -> Floats:
        return np.where(self.is_recent, self.velocity, np.float32(-np.inf))
