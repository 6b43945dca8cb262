"""Chance: the floor under every comparison."""

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeInt

from foretaste.data import Dataset
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch

Words = npt.NDArray[np.uint64]


class RandomConfig(ModelConfig):
    """Settings of :class:`Random`."""

    seed: NonNegativeInt = 0
    """Another seed gives every user another order."""


class Random(Recommender):
    """Each user's own random order of all items, the same in any batch, process or thread.

    The score is a hash of seed, user row and item row, uniform in [0, 1): no state, no generator to advance. A user
    who is not known is told apart by the items of the history, so all newcomers without one get the same order.

    Source of the hash: the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
    """

    name = "random"
    config_class = RandomConfig
    scores_without_history = True
    scores_new_items = True
    updates_incrementally = True
    reason_kind = "random"

    def _fit(self, data: Dataset) -> None:
        """Nothing is learnt."""

    def _update(self, data: Dataset) -> None:
        """Nothing is learnt."""

    def _scores(self, batch: UserBatch) -> FloatBlock:
        items = np.arange(batch.histories.n_items, dtype=np.uint64)
        return _uniform(self._user_keys(batch)[:, None], items[None, :])

    def _pair_scores(self, user_rows: Rows, item_rows: Rows) -> npt.NDArray[np.float32]:
        return _uniform(self._known_keys(user_rows), item_rows.astype(np.uint64))

    def _known_keys(self, user_rows: Rows) -> Words:
        return _mixed(_mixed(np.full(len(user_rows), self.config.seed, np.uint64)) + user_rows.astype(np.uint64) + 1)

    def _user_keys(self, batch: UserBatch) -> Words:
        """One number for each user (B,)."""
        keys = self._known_keys(np.maximum(batch.rows, 0))
        for b in np.flatnonzero(batch.rows < 0).tolist():
            taken = batch.histories.item_rows[batch.histories.slice(b)]
            own = np.bitwise_xor.reduce(_mixed(np.unique(taken).astype(np.uint64))) if len(taken) else np.uint64(0)
            keys[b] = _mixed(np.array([self.config.seed], np.uint64) ^ ~own)[0]
        return keys


def _mixed(words: Words) -> Words:
    """Each word scrambled, one to one."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _uniform(keys: Words, items: Words) -> npt.NDArray[np.float32]:
    """Numbers in [0, 1) with 24 bits, as many as float32 holds."""
    words = _mixed(keys + items * np.uint64(0xD1342543DE82EF95))
    return np.asarray((words >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24))
