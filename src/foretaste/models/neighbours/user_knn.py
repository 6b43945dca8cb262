"""User-based neighbourhoods: what people with a like history took."""

from functools import cached_property
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator
from scipy import sparse

from foretaste.data import Dataset
from foretaste.models.base import FloatBlock, ModelConfig, Rows, UserBatch
from foretaste.models.growing import with_rows
from foretaste.models.nearest import as_matrix
from foretaste.models.neighbours.similarity import (
    CENTRED,
    Similarity,
    Weighted,
    nearest,
    nearest_of_new,
    refreshed,
    weighted,
)
from foretaste.models.neighbours.votes import UserVotes, dense_similarity, shares_of_items, summed
from foretaste.models.reasons import to_history


class UserKNNConfig(ModelConfig):
    """Settings of :class:`UserKNN`."""

    n_neighbours: PositiveInt = 100
    """Users asked for each user."""
    similarity: Similarity = "cosine"
    """``cosine``, ``jaccard``, or the cosine after ``tfidf`` or ``bm25`` weighting; of ratings also ``pearson`` (less
    the user's mean) and ``adjusted_cosine`` (less the mean of the item taken), which need ``values="weight"``."""
    shrinkage: NonNegativeFloat = 1.0
    """Added to the denominator, so that similarities that rest on few items count less."""
    item_exponent: float = Field(default=0.5, ge=0.0, le=2.0)
    """An item counts for the likeness of two users divided by (users who took it)^this: what everybody took says
    little. 0 turns it off; Jaccard has no such weights."""
    values: Literal["binary", "weight"] = "binary"
    """Every interaction counts the same, or by its weight."""

    @model_validator(mode="after")
    def _heights_to_centre(self) -> Self:
        if self.similarity in CENTRED and self.values == "binary":
            raise ValueError(f'similarity {self.similarity!r} compares heights: set values="weight"')
        return self


class UserKNN(UserVotes):
    """Scores an item by how alike the people are who took it: s_ui = Σ_v sim(u, v)·r_vi over the K nearest users v.

    A user never seen is compared with everybody who shares an item with the history, in the same way.

    Source: Herlocker et al. 1999, doi:10.1145/312624.312682.
    Cost: Σ over items of (users who took it)² products on all threads for fitting; one user asks for the products with
    those who share an item. Keeps 8·U·K bytes.
    """

    name = "user_knn"
    config: UserKNNConfig
    config_class = UserKNNConfig
    state_fields = ("neighbours",)
    updates_in_part = True

    def _fit(self, data: Dataset) -> None:
        self._forget("_compared")
        found = nearest(self._compared, self.config.n_neighbours, shrinkage=self.config.shrinkage)
        self.neighbours = as_matrix(*found, data.n_users)  # (U, U), K entries a row

    def _learn_part(self, users: Rows, items: Rows) -> None:
        """Compare the users of the new events with all others anew; see :func:`refreshed`.

        A newer history is always compared with the histories as they are now. Stored neighbours are exact for
        ``item_exponent=0`` with the plain cosine or Jaccard and lists that were not full; else pairs of untouched users
        keep the weight that their items had before more people took them.
        """
        known = self.population
        shape = (len(known.users), len(known.items))
        matrix = with_rows(self._matrix, users, self._taken(known.histories.take(users)), shape)
        self._forget("_compared")
        self._matrix = matrix
        k, shrinkage = self.config.n_neighbours, self.config.shrinkage
        self.neighbours = refreshed(self.neighbours, self._compared, users, k, shrinkage=shrinkage)

    @cached_property
    def _compared(self) -> Weighted:
        matrix = self._matrix
        items = sparse.csr_array(matrix.T.tocsr())
        return weighted(matrix, items, self.config.similarity, feature_exponent=self.config.item_exponent)

    def _nearest(self, batch: UserBatch) -> sparse.csr_array:
        """Similarities (B, U) to the nearest users: those found while fitting, or looked up for a newer history."""
        learnt = batch.learnt
        if learnt.all():
            return self.neighbours[batch.rows]
        fresh, histories = batch.fresh()
        found = nearest_of_new(
            self._compared,
            self._taken(histories),
            self.config.n_neighbours,
            similarity=self.config.similarity,
            shrinkage=self.config.shrinkage,
            excluded=batch.rows[fresh],
        )
        looked_up = as_matrix(*found, len(self.users))
        if len(fresh) == len(batch):
            return looked_up
        known = self.neighbours[batch.rows[learnt]]
        order = np.argsort(np.concatenate([np.flatnonzero(learnt), fresh]))
        return sparse.csr_array(sparse.vstack([known, looked_up]))[order]

    def _scores(self, batch: UserBatch) -> FloatBlock:
        return summed(self._nearest(batch), self._matrix)

    def _user_similarity(self, rows: Rows) -> FloatBlock:
        return dense_similarity(self.neighbours[rows])

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> npt.NDArray[np.floating] | None:
        """A similarity is a sum over shared items: each passes on its part of every neighbour's vote.

        With w the weight of a shared item in sim(u, v), the history's item j adds Σ_v w_uvj·r_vi to the score of i.
        Jaccard, Pearson and adjusted cosine are split evenly among the shared items.
        """
        near = self._nearest(batch)
        own = self._taken(batch.histories)
        if not near.nnz or not own.nnz:
            return None
        if self.config.similarity == "jaccard" or self.config.similarity in CENTRED:
            return shares_of_items(batch.histories.item_rows, own, near, self._matrix, item_rows)
        theirs = self._matrix[near.indices]  # (n, I)
        shared = theirs[:, own.indices].toarray().astype(np.float64)  # (n, H)
        parts = shared * own.data * self._compared.feature_weights[own.indices]
        totals = parts.sum(axis=1, keepdims=True)
        parts *= near.data[:, None] / np.where(totals > 0, totals, 1.0)
        votes = theirs[:, item_rows].toarray()  # (n, k)
        return to_history(batch.histories.item_rows, own.indices, parts.T @ votes)
