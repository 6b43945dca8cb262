"""Popularity: what most people took."""

from typing import Literal

import numpy as np
from pydantic import PositiveFloat

from foretaste.data import Dataset
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, UserBatch


class PopularConfig(ModelConfig):
    """Settings of :class:`Popular`."""

    values: Literal["binary", "weight"] = "binary"
    """Count each user once for an item, or add up the weights."""
    window_days: PositiveFloat | None = None
    """Only interactions of the last days before the newest one; None for all time."""


class Popular(Recommender):
    """The same list for everybody: items by how many users took them.

    Items that nobody took have no evidence and are left out.
    """

    name = "popular"
    config_class = PopularConfig
    state_fields = ("counts",)
    scores_new_users = True
    scores_without_history = True
    updates_incrementally = True
    reason_kind = "popular"

    def _fit(self, data: Dataset) -> None:
        matrix = data.matrix(self.config.values)
        self.counts = np.asarray(matrix.sum(axis=0), dtype=np.float32)  # (I,)

    def _update(self, data: Dataset) -> None:
        self._fit(data)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        scores = np.where(self.counts > 0, self.counts, -np.inf).astype(np.float32)
        return np.tile(scores, (len(batch), 1))
