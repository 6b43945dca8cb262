"""Slope One: how much higher one item is rated than another by those who rated both."""

import numpy as np
import numpy.typing as npt
from pydantic import PositiveInt
from scipy import sparse

from foretaste.data import Dataset
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.memory import check_fits
from foretaste.models.nearest import balanced_parts, csr_arrays, work_of_rows
from foretaste.models.neighbours.common_ratings import turned
from foretaste.models.threads import map_threads

Floats = npt.NDArray[np.float32]
PAIRS_PER_PART = 20_000


class SlopeOneConfig(ModelConfig):
    """Settings of :class:`SlopeOne`."""

    weighted: bool = True
    """A pair of items counts by the number of users who rated both; else every pair counts the same."""
    min_support: PositiveInt = 1
    """Users who must have rated both items of a pair."""
    max_dense_items: PositiveInt = 10_000
    """Up to so many items all pairs are kept; above, the ``n_kept`` of each item."""
    n_kept: PositiveInt = 1000
    """Items kept for each item of a large catalogue: those rated together with it by the most users."""


class SlopeOne(Recommender):
    """Predicts a rating from the user's other ratings plus the mean difference between the items.

    With dev_ij the mean of r_ui - r_uj over the n_ij users who rated both: weighted,
    r̂_ui = Σ_j (dev_ij + r_uj)·n_ij / Σ_j n_ij over the items j that u rated; not weighted,
    r̂_ui = r̄_u + mean over j of dev_ij. Where no pair is known, and for a user without ratings, it is the item's mean,
    or else the overall mean. Ratings of 0 or below are not taken for ratings.

    ``score`` is kept within the lowest and highest rating seen; lists are ordered, and scored, without that cut. An
    item that nobody rated is left out of lists. A user never seen is served from the ratings of the query.

    Source: Lemire and Maclachlan 2005, arXiv:cs/0702144. Surprise's SlopeOne is the one that is not weighted.
    Cost: Σ over users of (items rated)² on all threads; keeps 8·I² bytes, or 8·I·``n_kept`` and the places of a large
    catalogue.
    """

    name = "slope_one"
    config: SlopeOneConfig
    config_class = SlopeOneConfig
    state_fields = ("mean", "lowest", "highest", "item_means", "is_rated", "indptr", "others", "deviations", "support")
    scores_new_users = True
    scores_without_history = True
    predicts_ratings = True
    updates_incrementally = False
    reason_kind = "top_rated"

    def _fit(self, data: Dataset) -> None:
        from foretaste.models.kernels.slope_one import deviations_of

        ratings = data.matrix("weight")  # (U, I)
        n_items = data.n_items
        self.mean = float(ratings.data.mean(dtype=np.float64)) if ratings.nnz else 0.0
        self.lowest = float(ratings.data.min()) if ratings.nnz else 0.0
        self.highest = float(ratings.data.max()) if ratings.nnz else 0.0
        counts = np.bincount(ratings.indices, minlength=n_items)
        sums = np.bincount(ratings.indices, weights=ratings.data, minlength=n_items)
        self.is_rated = counts > 0
        self.item_means = np.where(self.is_rated, sums / np.maximum(counts, 1), self.mean).astype(np.float32)
        dense = n_items <= self.config.max_dense_items
        kept = n_items if dense else min(self.config.n_kept, n_items)
        check_fits(
            (8 if dense else 24) * n_items * kept,
            f"the differences between {n_items:,} items",
            hint="lower max_dense_items or n_kept",
        )
        items = turned(ratings)
        rows, columns = csr_arrays(items), csr_arrays(ratings)
        width = kept
        deviations: Floats = np.zeros((n_items, width), np.float32)
        support: Floats = np.zeros((n_items, width), np.float32)
        others = np.zeros((0 if dense else n_items, width), np.int32)
        found = np.zeros(n_items, np.int64)

        def work(part: Rows) -> None:
            deviations_of(
                int(part[0]), int(part[-1]) + 1, *rows, *columns, self.config.min_support,
                deviations, support, others, found,
            )  # fmt: skip

        map_threads(work, balanced_parts(work_of_rows(items, ratings)))
        if dense:
            self.indptr, self.others = np.zeros(0, np.int64), np.zeros(0, np.int32)
            self.deviations, self.support = deviations.ravel(), support.ravel()
            return
        mask = np.arange(width) < found[:, None]
        self.indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(found)])
        self.others, self.deviations, self.support = others[mask], deviations[mask], support[mask]

    def _pair_scores(self, user_rows: Rows, item_rows: Rows) -> Floats:
        order = np.argsort(user_rows, kind="stable")
        users, places = np.unique(user_rows[order], return_inverse=True)
        ratings = self.population.histories.take(users).matrix("weight", duplicates=self.population.duplicates)
        found: Floats = np.empty(len(order), np.float32)
        owners, items = places.astype(np.int32), item_rows[order].astype(np.int32)
        starts = range(0, len(order), PAIRS_PER_PART)
        map_threads(lambda a: self._predict(a, a + PAIRS_PER_PART, owners, items, ratings, found), starts)
        out: Floats = np.empty_like(found)
        out[order] = found
        return np.clip(out, np.float32(self.lowest), np.float32(self.highest))

    def _predict(
        self, start: int, stop: int, owners: Rows, items: Rows, ratings: sparse.csr_array, out: Floats
    ) -> None:
        from foretaste.models.kernels.slope_one import predictions

        predictions(
            start, min(stop, len(owners)), owners, items, *csr_arrays(ratings), self.indptr, self.others,
            self.deviations, self.support, self.item_means, self.config.weighted, out,
        )  # fmt: skip

    def _scores(self, batch: UserBatch) -> FloatBlock:
        ratings = batch.histories.matrix("weight", duplicates=self.population.duplicates)
        n_users, n_items = len(batch), len(self.items)
        found: Floats = np.empty(n_users * n_items, np.float32)
        users, items = np.arange(n_users, dtype=np.int32), np.arange(n_items, dtype=np.int32)
        self._predict(0, len(found), np.repeat(users, n_items), np.tile(items, n_users), ratings, found)
        scores = found.reshape(n_users, n_items)
        scores[:, ~self.is_rated] = -np.inf
        return scores
