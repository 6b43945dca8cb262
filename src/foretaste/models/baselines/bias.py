"""Baseline ratings: the overall mean, how high this user rates, how high this item is rated."""

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeFloat, PositiveInt

from foretaste.data import Dataset
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.biases import Biases


class BiasConfig(ModelConfig):
    """Settings of :class:`Bias`."""

    epochs: PositiveInt = 10
    """Rounds of solving for the items given the users, then for the users given the items."""
    regularization_users: NonNegativeFloat = 15.0
    """Ratings of exactly average height added to each user."""
    regularization_items: NonNegativeFloat = 10.0
    """Ratings of exactly average height added to each item."""


class Bias(Recommender):
    """Predicts a rating as μ + b_u + b_i, which every other rating predictor must beat.

    Minimises Σ (r - μ - b_u - b_i)² + λ_u Σ b_u² + λ_i Σ b_i² by turns; each turn is a mean with λ ratings of 0 added:
    b_i = Σ_u (r - μ - b_u) / (λ_i + n_i), then b_u = Σ_i (r - μ - b_i) / (λ_u + n_u). Ratings of 0 or below are not
    taken for ratings («seen, no interest»).

    ``score`` is kept within the lowest and highest rating seen; lists are ordered, and scored, without that cut. An
    item that nobody rated is left out of lists; its predicted rating is μ + b_u. A new user's b_u is the same mean over
    the history.

    Source: Koren 2010, “Factor in the neighbors”, section 2.1; defaults as in Surprise's BaselineOnly.
    """

    name = "bias"
    config_class = BiasConfig
    state_fields = ("mean", "user_bias", "item_bias", "is_rated", "lowest", "highest")
    scores_new_users = True
    scores_without_history = True
    predicts_ratings = True
    reason_kind = "top_rated"

    def _fit(self, data: Dataset) -> None:
        ratings = data.matrix("weight")  # (U, I)
        self._biases = Biases.fit(
            ratings,
            epochs=self.config.epochs,
            regularization_users=self.config.regularization_users,
            regularization_items=self.config.regularization_items,
            report=self._report,
        )
        self.mean, self.lowest, self.highest = self._biases.mean, self._biases.lowest, self._biases.highest
        self.user_bias, self.item_bias = self._biases.users, self._biases.items
        self.is_rated = np.bincount(ratings.indices, minlength=data.n_items) > 0  # (I,)

    def _restored(self) -> None:
        self._biases = Biases(
            self.mean, self.user_bias, self.item_bias, self.lowest, self.highest, self.config.regularization_users
        )

    def _scores(self, batch: UserBatch) -> FloatBlock:
        items = np.where(self.is_rated, self.item_bias, -np.inf).astype(np.float32)
        return self._heights(batch)[:, None] + items[None, :]

    def _pair_scores(self, user_rows: Rows, item_rows: Rows) -> npt.NDArray[np.float32]:
        ratings = np.float32(self.mean) + self.user_bias[user_rows] + self.item_bias[item_rows]
        return np.asarray(np.clip(ratings, self.lowest, self.highest))

    def _heights(self, batch: UserBatch) -> npt.NDArray[np.float32]:
        """μ + b_u of each user (B,), from the history where that is newer than training."""
        learnt = batch.learnt
        heights = self.user_bias[np.maximum(batch.rows, 0)]
        if not learnt.all():
            ratings = batch.histories.matrix("weight", duplicates=self.population.duplicates)
            folded = self._biases.of_histories(ratings)
            heights = np.where(learnt, heights, folded)
        return (np.float32(self.mean) + heights).astype(np.float32)
