"""Popularity: what most people took, overall, of late, or in each user's own categories."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeFloat, PositiveFloat
from scipy import sparse

from foretaste.data import Dataset, Histories, Interactions, Reason, RecList
from foretaste.errors import ConfigurationError, DataInsufficientError, NotFoundError
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.baselines.columns import NO_GROUP, item_groups
from foretaste.models.baselines.shared import SameForAll
from foretaste.models.growing import padded_matrix
from foretaste.models.ranking import Floats, Ranked, rank_dense

DAY_S = 86_400.0


class PopularConfig(ModelConfig):
    """Settings of :class:`Popular`."""

    values: Literal["binary", "weight"] = "binary"
    """Count each user once for an item, or add up the weights."""
    window_days: PositiveFloat | None = None
    """Only interactions of the last days before the newest one; None for all time."""
    per: str | None = None
    """Item column (a category, tags); each user then gets what is popular in the categories of the own history."""
    prior: NonNegativeFloat = 1.0
    """With ``per``: interactions of average taste added to each history, so that other categories follow at the end."""


class Popular(SameForAll):
    """Items by how many users took them: the same list for everybody, or mixed by each user's categories.

    With ``per`` the score is Σ_c P(c|u) · P(i|c): P(c|u) is the share of category c in the user's history, P(i|c) the
    share of item i in what people took of c. A user without a history gets the overall mix, which is the plain
    popularity. An item in several categories takes part in each with an equal share.

    Items that nobody took (in the window) have no evidence and are left out; so are, with ``per``, items that came
    with :meth:`updated`, as their categories are not known before the next training.
    """

    name = "popular"
    config_class = PopularConfig
    state_fields = ("counts", "groups", "group_names")
    updates_incrementally = True
    updates_in_part = True
    reason_kind = "popular"

    def _fit(self, data: Dataset) -> None:
        recent = in_window(data, self.config.window_days)
        matrix = data.with_interactions(recent).matrix(self.config.values)
        self.counts = np.asarray(matrix.sum(axis=0), dtype=np.float32)  # (I,)
        self.group_names: list[str] = []
        self.groups = sparse.csr_array((data.n_items, 0), dtype=np.float32)
        if self.config.per is not None:
            self.group_names, groups = item_groups(data, self.config.per)
            sizes = np.asarray(groups.sum(axis=1)).ravel()  # (I,)
            self.groups = sparse.csr_array(sparse.diags_array(1.0 / sizes) @ groups).astype(np.float32)  # (I, C)
        self._restored()

    def _update(self, data: Dataset) -> None:
        self._fit(data)

    def _learn_part(self, users: Rows, items: Rows) -> None:
        """Count the touched items anew; the others keep their counts, also where a window has moved on meanwhile."""
        own = self.population.histories.of_items(items)
        if self.config.window_days is not None:
            known = self.population.histories.timestamps
            start = float(np.nanmax(known, initial=-np.inf)) - self.config.window_days * DAY_S
            own = own.where(own.timestamps > start)
        matrix = own.matrix(self.config.values, duplicates=self.population.duplicates)
        counts = np.zeros(len(self.items), np.float32)
        counts[: len(self.counts)] = self.counts
        counts[items] = np.asarray(matrix.sum(axis=0), dtype=np.float32)[items]
        self.counts = counts
        self.groups = padded_matrix(self.groups, len(self.items))
        self._restored()

    def _restored(self) -> None:
        taken = np.asarray(self.groups.T @ self.counts.astype(np.float64))  # (C,)
        self._group_share = taken / max(float(taken.sum()), 1e-12)
        item_share = self.groups.copy()  # (I, C): P(i|c)
        counts = np.repeat(self.counts, np.diff(item_share.indptr))
        item_share.data = item_share.data * counts / np.maximum(taken, 1e-12)[item_share.indices]
        self._item_share = item_share.astype(np.float32)
        self._forget()

    def _for_all(self) -> Floats:
        return np.where(self.counts > 0, self.counts, np.float32(-np.inf))

    def _rank(self, batch: UserBatch, k: int, seen: Histories | None, allowed: npt.NDArray[np.bool_] | None) -> Ranked:
        if self.config.per is None:
            return super()._rank(batch, k, seen, allowed)
        return Recommender._rank(self, batch, k, seen, allowed)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        if self.config.per is None:
            return super()._scores(batch)
        shares = self._tastes(batch)  # (B, C)
        scores = np.ascontiguousarray((self._item_share @ shares.T).T, dtype=np.float32)
        scores[:, self.counts <= 0] = -np.inf
        scores[scores <= 0] = -np.inf
        return scores

    def _tastes(self, batch: UserBatch) -> npt.NDArray[np.float32]:
        """The share of each category in each user's history (B, C), the prior mixed in."""
        taken = (batch.histories.matrix(self.config.values) @ self.groups).toarray()
        totals = taken.sum(axis=1, keepdims=True)
        prior = np.where(totals > 0, self.config.prior, 1.0)
        return np.asarray((taken + prior * self._group_share) / (totals + prior), dtype=np.float32)

    def by_category(self, category: str, k: int = 10, *, allowed: npt.NDArray[np.bool_] | None = None) -> RecList:
        """The ``k`` most popular items of one category, scored by their counts.

        Raises:
            ConfigurationError: the model was made without ``per``, or k is below 1.
            NotFoundError: no item has this category.
        """
        population = self.population
        if self.config.per is None:
            raise ConfigurationError("this model knows no categories", hint='make it with per="category"')
        if k < 1:
            raise ConfigurationError(f"k = {k} is out of range", hint="ask for at least one item")
        if category not in self.group_names:
            raise NotFoundError(f"no item has the {self.config.per} {category!r}")
        column = self.groups.tocsc()[:, [self.group_names.index(category)]]
        inside = np.zeros(len(population.items), dtype=bool)
        inside[column.nonzero()[0]] = True
        scores = np.where(inside & (self.counts > 0), self.counts, -np.inf).astype(np.float32)
        rows, best = rank_dense(scores[None, :], k=min(k, len(scores)), allowed=allowed)
        found = rows[0][rows[0] >= 0]
        values = tuple(best[0, : len(found)].tolist())
        return RecList(tuple(population.items.ids_of(found)), values, reasons=self._popular_in(found))

    def _reasons_of_one(self, batch: UserBatch, item_rows: npt.NDArray[np.int32]) -> tuple[Reason | None, ...]:
        if self.config.per is not None:
            return self._popular_in(item_rows)
        window = self.config.window_days
        plain = Reason(self.reason_kind, features=() if window is None else (f"period: {window:g}",))
        return tuple(plain if row >= 0 else None for row in item_rows.tolist())

    def _popular_in(self, item_rows: npt.NDArray[np.int32]) -> tuple[Reason | None, ...]:
        """Reasons that name the item's categories, None for -1."""
        reasons: list[Reason | None] = []
        for row in item_rows.tolist():
            if row < 0:
                reasons.append(None)
                continue
            columns = self.groups.indices[self.groups.indptr[row] : self.groups.indptr[row + 1]]
            named = [self.group_names[column] for column in columns if self.group_names[column] != NO_GROUP]
            reasons.append(Reason(self.reason_kind, features=tuple(f"{self.config.per}: {n}" for n in named)))
        return tuple(reasons)


def in_window(data: Dataset, window_days: float | None) -> Interactions:
    """The interactions of the last days before the newest one; all of them for None.

    Raises:
        DataInsufficientError: a window was asked for, and no interaction has a time.
    """
    interactions = data.interactions
    if window_days is None:
        return interactions
    times = interactions.timestamps
    return interactions.where(times > newest_time(data, "a window") - window_days * DAY_S)


def newest_time(data: Dataset, what: str) -> float:
    """The time of the newest interaction, in seconds since 1970 UTC.

    Raises:
        DataInsufficientError: no interaction has a time, which ``what`` needs.
    """
    times = data.interactions.timestamps
    known = times[~np.isnan(times)]
    if len(known) == 0:
        raise DataInsufficientError(
            f"no interaction of data set {data.name!r} has a timestamp, which {what} needs",
            hint="map a time column when reading the data, or use popularity over all time",
        )
    return float(known.max())
