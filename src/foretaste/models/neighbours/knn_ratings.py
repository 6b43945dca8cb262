"""Ratings predicted from neighbours: how they rated, each measured against what was expected of it."""

from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeFloat, PositiveInt
from scipy import sparse

from foretaste.data import Dataset, Histories
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.biases import Biases, row_numbers
from foretaste.models.nearest import csr_arrays
from foretaste.models.neighbours.common_ratings import (
    Lists,
    RatingSimilarity,
    chosen_lists,
    joined_lists,
    means_and_deviations,
    nearest_raters,
    turned,
    with_values,
)
from foretaste.models.threads import map_threads

Floats = npt.NDArray[np.float32]
PAIRS_PER_PART = 20_000


class KNNRatingsConfig(ModelConfig):
    """Settings of :class:`KNNRatings`."""

    of: Literal["items", "users"] = "items"
    """Neighbours are items that the user rated, or users who rated the item."""
    n_neighbours: PositiveInt = 30
    """At most so many of the nearest that have a rating to give are asked."""
    min_neighbours: PositiveInt = 1
    """With fewer of them the prediction is what was expected anyway."""
    similarity: RatingSimilarity = "pearson_baseline"
    """Over what two items (users) have in common: ``cosine`` of ratings, ``adjusted_cosine`` (less the mean of the user
    who rated, or of the item rated), ``pearson``, ``pearson_baseline`` (less μ + b_u + b_i), or ``msd``,
    1 / (1 + mean squared difference)."""
    shrinkage: NonNegativeFloat = 500.0
    """s in n / (n + s), which a similarity over n common ratings is multiplied by."""
    significance: NonNegativeFloat = 0.0
    """s in min(n, s) / s, another such weight; 0 turns it off."""
    min_support: PositiveInt = 1
    """Common ratings needed to be neighbours."""
    centring: Literal["none", "mean", "zscore", "baseline"] = "baseline"
    """What a rating is measured against: nothing, the mean of the item (user), the same in standard deviations, or
    μ + b_u + b_i."""
    damping: NonNegativeFloat = 0.0
    """Added to Σ similarity: predictions from few or far neighbours stay near to what was expected."""
    n_kept: PositiveInt = 1000
    """Neighbours remembered of each item (user), among which those with a rating are looked for."""
    epochs: PositiveInt = 10
    """Rounds of solving for the biases."""
    regularization_users: NonNegativeFloat = 15.0
    """Ratings of average height added to each user."""
    regularization_items: NonNegativeFloat = 10.0
    """Ratings of average height added to each item."""


class KNNRatings(Recommender):
    """Predicts a rating as what is expected, plus how the nearest neighbours departed from it.

    r̂_ui = c_ui + σ·Σ_j s_ij·(r_uj - c_uj)/σ_j / (Σ_j s_ij + damping) over the k items j most similar to i among those
    that u rated (``of="items"``), or over the k users most similar to u among those who rated i (``of="users"``). c is
    set by ``centring``, σ is 1 but for ``zscore``. Only positive similarities count. Without neighbours, and for users
    and items that nobody knows, it is μ + b_u + b_i. Ratings of 0 or below are not taken for ratings.

    ``score`` is kept within the lowest and highest rating seen; lists are ordered, and scored, without that cut. An
    item that nobody rated is left out of lists. A new user's ratings are folded in: no retraining.

    Source: Herlocker et al. 1999, doi:10.1145/312624.312682; Sarwar et al. 2001, doi:10.1145/371920.372071; baselines
    and shrinkage from Koren 2010, “Factor in the neighbors”. Shrinks by n/(n + s) where Surprise has n - 1 for n.
    Cost: Σ over users of (items rated)² on all threads (of users: over items, of raters²); keeps 8·``n_kept`` bytes an
    item (user).
    """

    name = "knn_ratings"
    config: KNNRatingsConfig
    config_class = KNNRatingsConfig
    state_fields = (
        "mean", "lowest", "highest", "user_bias", "item_bias", "centres", "spreads", "is_rated",
        "list_indptr", "list_rows", "list_values",
    )  # fmt: skip
    scores_new_users = True
    scores_without_history = True
    predicts_ratings = True
    reason_kind = "top_rated"

    def _fit(self, data: Dataset) -> None:
        for name in ("_ratings", "_compared", "_departures"):
            self.__dict__.pop(name, None)
        ratings = data.matrix("weight")  # (U, I)
        self._biases = Biases.fit(
            ratings,
            epochs=self.config.epochs,
            regularization_users=self.config.regularization_users,
            regularization_items=self.config.regularization_items,
        )
        self.mean, self.lowest, self.highest = self._biases.mean, self._biases.lowest, self._biases.highest
        self.user_bias, self.item_bias = self._biases.users, self._biases.items
        self.is_rated = np.bincount(ratings.indices, minlength=data.n_items) > 0  # (I,)
        self.centres, self.spreads = means_and_deviations(ratings if self._of_users else turned(ratings), self.mean)
        rows = self._compared[0]
        self.list_indptr, self.list_rows, self.list_values = self._nearest(
            rows, np.arange(rows.shape[0], dtype=np.int32)
        )

    def _restored(self) -> None:
        self._biases = Biases(
            self.mean, self.user_bias, self.item_bias, self.lowest, self.highest, self.config.regularization_users
        )

    @property
    def _of_users(self) -> bool:
        return bool(self.config.of == "users")

    @property
    def _lists(self) -> Lists:
        return self.list_indptr, self.list_rows, self.list_values

    @cached_property
    def _ratings(self) -> sparse.csr_array:
        """Of the fitted users (U, I)."""
        return self._rated(self.population.histories)

    def _rated(self, histories: Histories) -> sparse.csr_array:
        return histories.matrix("weight", duplicates=self.population.duplicates)

    @cached_property
    def _compared(self) -> tuple[sparse.csr_array, sparse.csr_array]:
        """What rows are compared by, (n, F), and transposed, (F, n); rows are items, or users."""
        values = self._to_compare(self._ratings, self.user_bias)
        return (values, turned(values)) if self._of_users else (turned(values), values)

    def _to_compare(self, ratings: sparse.csr_array, user_bias: Floats) -> sparse.csr_array:
        """Ratings (B, I) less what the similarity does not want in them."""
        match self.config.similarity:
            case "pearson_baseline":
                return with_values(ratings, ratings.data - self._expected_by_biases(ratings, user_bias))
            case "adjusted_cosine":
                return with_values(ratings, ratings.data - self._crossing_means(ratings))
            case "pearson":  # it takes the means off itself; near 0 little is lost to rounding
                return with_values(ratings, ratings.data - self.mean)
            case _:
                return ratings

    def _expected_by_biases(self, ratings: sparse.csr_array, user_bias: Floats) -> Floats:
        per_entry = np.float32(self.mean) + user_bias[row_numbers(ratings)] + self.item_bias[ratings.indices]
        return np.asarray(per_entry, dtype=np.float32)

    def _crossing_means(self, ratings: sparse.csr_array) -> Floats:
        """For every entry the mean of its user where items are compared, of its item where users are."""
        if self._of_users:
            return means_and_deviations(turned(self._ratings), self.mean)[0][ratings.indices]
        return means_and_deviations(ratings, self.mean)[0][row_numbers(ratings)]

    def _nearest(self, rows: sparse.csr_array, excluded: Rows) -> Lists:
        return nearest_raters(
            rows,
            self._compared[1],
            self.config.n_kept,
            similarity=self.config.similarity,
            shrinkage=self.config.shrinkage,
            significance=self.config.significance,
            min_support=self.config.min_support,
            excluded=excluded.astype(np.int32),
        )

    # --- predictions -------------------------------------------------------------------------------------------------

    @cached_property
    def _departures(self) -> sparse.csr_array:
        """How the fitted ratings departed from what was expected: users × items, or turned where users are asked."""
        found = self._departures_of(self._ratings, self.user_bias, self.centres)
        return turned(found) if self._of_users else found

    def _departures_of(self, ratings: sparse.csr_array, user_bias: Floats, centres: Floats) -> sparse.csr_array:
        if self.config.centring == "none":
            return ratings
        if self.config.centring == "baseline":
            return with_values(ratings, ratings.data - self._expected_by_biases(ratings, user_bias))
        own = row_numbers(ratings) if self._of_users else ratings.indices
        values = ratings.data - centres[own]
        return with_values(ratings, values / self.spreads[own] if self.config.centring == "zscore" else values)

    def _pair_scores(self, user_rows: Rows, item_rows: Rows) -> Floats:
        own, crossing = (user_rows, item_rows) if self._of_users else (item_rows, user_rows)
        order = np.argsort(crossing, kind="stable")
        own, crossing = own[order].astype(np.int32), crossing[order].astype(np.int32)
        found: Floats = np.empty(len(own), np.float32)
        starts = range(0, len(own), PAIRS_PER_PART)
        map_threads(
            lambda a: self._ask(a, a + PAIRS_PER_PART, own, crossing, self._lists, self._departures, found), starts
        )
        means: Floats = np.empty_like(found)
        means[order] = found
        expected = np.float32(self.mean) + self.user_bias[user_rows] + self.item_bias[item_rows]
        place = user_rows if self._of_users else item_rows
        ratings = self._finished(means, expected, self.centres[place], self.spreads[place])
        return np.clip(ratings, np.float32(self.lowest), np.float32(self.highest))

    def _ask(
        self, start: int, stop: int, own: Rows, crossing: Rows, lists: Lists, departures: sparse.csr_array, out: Floats
    ) -> None:
        from foretaste.models.kernels.rating_knn import weighted_deviations

        config = self.config
        weighted_deviations(
            start, min(stop, len(own)), own, crossing, *lists, *csr_arrays(departures), len(self.centres),
            config.n_neighbours, config.min_neighbours, np.float32(config.damping), out,
        )  # fmt: skip

    def _finished(self, means: Floats, expected: Floats, centres: Floats, spreads: Floats) -> Floats:
        """Ratings from mean departures, NaN where too few neighbours were found."""
        match self.config.centring:
            case "none":
                ratings = means
            case "mean":
                ratings = centres + means
            case "zscore":
                ratings = centres + spreads * means
            case _:
                ratings = expected + means
        return np.where(np.isnan(means), expected, ratings).astype(np.float32)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        ratings, user_bias, centres, spreads = self._users_of(batch)
        n_users, n_items = len(batch), len(self.items)
        found: Floats = np.empty(n_users * n_items, np.float32)
        users, items = np.arange(n_users, dtype=np.int32), np.arange(n_items, dtype=np.int32)
        if self._of_users:
            lists = self._lists_of(batch, ratings, user_bias)
            self._ask(0, len(found), np.tile(users, n_items), np.repeat(items, n_users), lists, self._departures, found)
            means = np.ascontiguousarray(found.reshape(n_items, n_users).T)
        else:
            departures = self._departures_of(ratings, user_bias, self.centres)
            self._ask(0, len(found), np.tile(items, n_users), np.repeat(users, n_items), self._lists, departures, found)
            means = found.reshape(n_users, n_items)
        expected = np.float32(self.mean) + user_bias[:, None] + self.item_bias
        scores = self._finished(means, expected, centres, spreads)
        scores[:, ~self.is_rated] = -np.inf
        return scores

    def _users_of(self, batch: UserBatch) -> tuple[sparse.csr_array, Floats, Floats, Floats]:
        """Ratings (B, I) and biases (B,) of a batch, and centres and spreads that fit its scores (B or 1, I or 1)."""
        ratings = self._rated(batch.histories)
        learnt = batch.learnt
        known = np.maximum(batch.rows, 0)
        user_bias = np.where(learnt, self.user_bias[known], self._biases.of_histories(ratings))
        if not self._of_users:
            return ratings, user_bias, self.centres[None, :], self.spreads[None, :]
        centres, spreads = means_and_deviations(ratings, self.mean)
        return ratings, user_bias, centres[:, None], spreads[:, None]

    def _lists_of(self, batch: UserBatch, ratings: sparse.csr_array, user_bias: Floats) -> Lists:
        """Neighbours of a batch of users: those found while fitting, or looked for with a newer history."""
        learnt = batch.learnt
        lists = chosen_lists(self._lists, np.where(learnt, batch.rows, -1))
        if learnt.all():
            return lists
        fresh = np.flatnonzero(~learnt)
        looked_up = self._nearest(self._to_compare(ratings, user_bias)[fresh], batch.rows[fresh])
        places = np.arange(len(batch))
        places[fresh] = len(batch) + np.arange(len(fresh))
        return joined_lists(lists, looked_up, places)
