"""The contract of every model: fit on a data set, then score and rank for users known and unknown, in batches."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from copy import copy
from typing import ClassVar, Literal, Self, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.data import Dataset, Histories, Population, Query, Reason, RecLists, Vocabulary
from foretaste.errors import (
    ColdStartError,
    ConfigurationError,
    DataInsufficientError,
    ModelTrainingError,
    UnknownItemError,
    UnknownUserError,
    UnsupportedError,
)
from foretaste.models.batches import (
    Rows,
    UserBatch,
    Users,
    as_queries,
    build_batch,
    check_length,
    check_mask,
    known_batch,
    left_out,
)
from foretaste.models.config import ModelConfig
from foretaste.models.ranking import rank_blocks
from foretaste.models.reasons import because_items
from foretaste.models.similar import FindsSimilar, FloatBlock

OnProgress = Callable[[int, int, float | None], None]
"""Called with (step, steps, loss or None) while a model is fitted."""


class Recommender(FindsSimilar):
    """Learns from a :class:`Dataset` and ranks items for users.

    A model is one class: its config, its capability flags, ``_fit`` and ``_scores`` (and, where it can,
    ``_item_similarity``, ``_contributions``, ``_pair_scores``). Everything else (batches, masks, top-k, unknown users,
    saving) is done here once. ``state_fields`` names the attributes that make up the fitted model: arrays, sparse
    matrices and JSON values.
    """

    scores_new_users: ClassVar[bool] = False
    """Scores a user never seen in training from a history alone (fold-in)."""
    scores_without_history: ClassVar[bool] = False
    """Serves anybody, even with no history at all (popular, newest, random)."""
    scores_attributes: ClassVar[bool] = False
    """Scores a user without a history, known from training or not, from the attributes that come with the query."""
    scores_new_items: ClassVar[bool] = False
    """Scores items without interactions, from their features."""
    predicts_ratings: ClassVar[bool] = False
    """``score`` is on the rating scale of the data."""
    updates_incrementally: ClassVar[bool] = False
    """``update`` learns from more data without starting over."""
    updates_in_part: ClassVar[bool] = False
    """``updated`` learns from a few events in the time that these take."""
    explains_exactly: ClassVar[bool] = False
    """``explain`` gives shares of the score itself, not of a stand-in."""
    reason_kind: ClassVar[str] = "because_items"
    """The kind of :class:`Reason` given where no history item can be named."""

    # --- fitting -------------------------------------------------------------------------------------------------

    @final
    def fit(self, data: Dataset, *, on_progress: OnProgress | None = None) -> Self:
        """Learn from ``data``; a second call starts over.

        Raises:
            DataInsufficientError: no user, no item or no interaction.
            ModelTrainingError: the result would not be finite.
        """
        self._check_enough(data)
        self._on_progress = on_progress
        self._population = data.population
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                self._fit(data)
        except np.linalg.LinAlgError as exc:
            self._population = None
            raise ModelTrainingError(
                f"model {self.name!r} could not be solved: {exc}", hint="raise its regularization"
            ) from exc
        except BaseException:
            self._population = None
            raise
        self._check_finite()
        return self

    @final
    def update(self, data: Dataset) -> Self:
        """Learn from ``data``, which holds what the model was fitted on and more: rows of known ids must be the same.

        A model whose update fails has to be fitted again.

        Raises:
            UnsupportedError: the model cannot (``updates_incrementally``).
            ConfigurationError: the vocabularies do not extend the fitted ones.
            ModelTrainingError: the result would not be finite.
        """
        if not self.updates_incrementally:
            raise UnsupportedError(f"model {self.name!r} cannot be updated", hint="fit it again")
        self._check_extended_by(data.users, data.items)
        self._population = data.population
        try:
            self._update(data)
        except BaseException:
            self._population = None
            raise
        self._check_finite()
        return self

    @final
    def updated(self, population: Population, *, users: Rows, items: Rows) -> Self:
        """A model that also knows what changed, while this one stays as it is: for learning beside the traffic.

        Args:
            population: the fitted one with more events, as :func:`foretaste.data.grown` makes it.
            users: rows of ``population`` with new events, sorted.
            items: rows of the items of these events, sorted.

        Raises:
            UnsupportedError: the model cannot (``updates_in_part``).
            ConfigurationError: the population does not extend the fitted one.
            ModelTrainingError: the result would not be finite.
        """
        if not self.updates_in_part:
            raise UnsupportedError(f"model {self.name!r} cannot be updated in part", hint="use update, or fit it again")
        self._check_extended_by(population.users, population.items)
        model = copy(self)
        model._population = population
        model._learn_part(users, items)
        model._check_finite()
        return model

    def _check_extended_by(self, users: Vocabulary, items: Vocabulary) -> None:
        known = self.population
        for old, new in ((known.users, users), (known.items, items)):
            if new is not old and (len(new) < len(old) or not new.ids.head(len(old)).equals(old.ids)):
                raise ConfigurationError("the data set's ids do not extend those the model was fitted on")

    def _check_enough(self, data: Dataset) -> None:
        for what, count in (
            ("users", data.n_users),
            ("items", data.n_items),
            ("interactions", len(data.interactions)),
        ):
            if count == 0:
                raise DataInsufficientError(f"data set {data.name!r} has no {what}", hint="at least one is needed")

    def _check_finite(self) -> None:
        for field_name in self.state_fields:
            value = getattr(self, field_name)
            values = value.data if isinstance(value, sparse.csr_array) else value
            if isinstance(values, np.ndarray) and values.dtype.kind == "f" and not np.isfinite(values).all():
                self._population = None
                raise ModelTrainingError(
                    f"model {self.name!r} gave values that are not finite in {field_name!r}",
                    hint="raise its regularization or lower its learning rate",
                )

    def _report(self, step: int, steps: int, loss: float | None = None) -> None:
        if getattr(self, "_on_progress", None) is not None:
            self._on_progress(step, steps, loss)  # type: ignore[misc]

    # --- ranking -------------------------------------------------------------------------------------------------

    @final
    def recommend(
        self,
        users: Users = None,
        k: int | None = None,
        *,
        exclude_seen: bool = True,
        allowed: npt.NDArray[np.bool_] | None = None,
        unknown: Literal["raise", "empty"] = "raise",
        explain: bool = False,
    ) -> RecLists:
        """The ``k`` best items for each user, best first, items of the history left out.

        Args:
            users: outside ids, queries, rows of the fitted population, or None for everybody it knows.
            k: list length; by default 10, or the longest ``k`` among the queries.
            exclude_seen: leave out items of the history (queries carry their own switch).
            allowed: mask of items that may be shown, (I,) for all or (B, I).
            unknown: what to do with a user of whom nothing is known and whom the model cannot serve without: raise,
                or give an empty list.
            explain: attach a reason to every item.

        Returns:
            Lists padded where fewer than ``k`` items qualify. An item that the model has no evidence for is left out.

        Raises:
            UnknownUserError, ColdStartError: with ``unknown="raise"``.
            ConfigurationError: k below 1, a mask of the wrong shape, or one id where a list of ids belongs.
        """
        queries = as_queries(users)
        k = k if k is not None else max((q.k for q in queries), default=10) if queries is not None else 10
        check_length(k)
        batch, user_ids = build_batch(self.population, users, queries)
        servable = self._servable(batch, user_ids, unknown)
        n_items = len(self.items)
        check_mask(allowed, len(batch), n_items)
        seen = left_out(self.items, batch, queries, exclude_seen=exclude_seen)
        rows, scores = self._rank(batch, min(k, n_items), seen, allowed)
        rows[~servable] = -1
        scores[~servable] = np.nan
        if queries is not None:
            for b, query in enumerate(queries):
                rows[b, query.k :] = -1
                scores[b, query.k :] = np.nan
        lists = RecLists(rows, scores, self.items, user_ids)
        return lists.with_reasons(self._reasons(batch, rows)) if explain else lists

    @final
    def score(self, user_ids: Sequence[str], item_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """The score of each pair (N,), or its predicted rating (``predicts_ratings``); NaN for an unknown user or
        item.
        """
        if len(user_ids) != len(item_ids):
            raise ConfigurationError(f"{len(user_ids)} users and {len(item_ids)} items do not make pairs")
        return self.score_rows(self.users.rows(user_ids), self.items.rows(item_ids))

    @final
    def score_rows(self, user_rows: Rows, item_rows: Rows) -> npt.NDArray[np.float32]:
        """Like :meth:`score` for inside rows; -1 gives NaN."""
        out = np.full(len(user_rows), np.nan, dtype=np.float32)
        known = (user_rows >= 0) & (item_rows >= 0)
        if known.any():
            out[known] = self._pair_scores(user_rows[known], item_rows[known])
        return out

    @final
    def score_candidates(self, queries: Sequence[Query], item_rows: Rows) -> FloatBlock:
        """Scores (B, n) of the items ``item_rows`` (B, n) for each query, as :meth:`recommend` gives them.

        NaN for a row of -1 or beyond the model's items, for an item without evidence, and for a user whom the model
        cannot serve. What a query excludes is scored all the same.
        """
        batch, user_ids = build_batch(self.population, queries, queries)
        known = (item_rows >= 0) & (item_rows < len(self.items))
        known &= self._servable(batch, user_ids, "empty")[:, None]
        scores = self._candidate_scores(batch, np.where(known, item_rows, 0))
        return np.where(known & np.isfinite(scores), scores, np.float32(np.nan))

    @final
    def explain(self, user: str | Query, item_ids: Sequence[str]) -> tuple[Reason | None, ...]:
        """One reason for each of ``item_ids``, whether or not they are in the user's list.

        Raises:
            UnknownUserError, UnknownItemError.
        """
        query = Query(user_id=user) if isinstance(user, str) else user
        batch, user_ids = build_batch(self.population, [query], [query])
        self._servable(batch, user_ids, "raise")
        rows = self.items.rows(item_ids)
        if (rows < 0).any():
            raise UnknownItemError(f"item {item_ids[int(np.argmax(rows < 0))]!r} is not among the model's items")
        return self._reasons(batch, rows[None, :])[0]

    # --- what a model writes -------------------------------------------------------------------------------------

    @abstractmethod
    def _fit(self, data: Dataset) -> None:
        """Set the attributes named in ``state_fields``."""

    @abstractmethod
    def _scores(self, batch: UserBatch) -> FloatBlock:
        """Scores (B, I) float32 in a fresh array; -inf where there is no evidence for an item. Called from several
        threads.
        """

    def _rank(
        self, batch: UserBatch, k: int, seen: Histories | None, allowed: npt.NDArray[np.bool_] | None
    ) -> tuple[Rows, npt.NDArray[np.float32]]:
        """Rows (B, k) and scores of the best items, by default from ``_scores``; a model of factors has a quicker way
        (see :class:`~foretaste.models.flat_index.FlatIndex`).
        """
        return rank_blocks(
            lambda start, stop: self._scores(batch.block(start, stop)),
            n_users=len(batch),
            n_items=len(self.items),
            k=k,
            seen=seen,
            allowed=allowed,
        )

    def _update(self, data: Dataset) -> None:
        raise UnsupportedError(f"model {self.name!r} cannot be updated")

    def _learn_part(self, users: Rows, items: Rows) -> None:
        """Take in what changed of the population's ``users`` and ``items``. The model is a shallow copy: set new
        arrays, write into none, and let go of what was derived from the old ones.
        """
        raise UnsupportedError(f"model {self.name!r} cannot be updated in part")

    def _pair_scores(self, user_rows: Rows, item_rows: Rows) -> npt.NDArray[np.float32]:
        """Scores (N,) of known pairs; by default picked from ``_scores`` of the distinct users, block by block."""
        distinct, places = np.unique(user_rows, return_inverse=True)
        out = np.empty(len(user_rows), dtype=np.float32)
        order = np.argsort(places, kind="stable")
        batch = known_batch(self.population, distinct.astype(np.int32))
        step = max(1, 16_000_000 // max(1, len(self.items)))
        for start in range(0, len(distinct), step):
            stop = min(start + step, len(distinct))
            picks = order[np.searchsorted(places[order], start) : np.searchsorted(places[order], stop)]
            out[picks] = self._scores(batch.block(start, stop))[places[picks] - start, item_rows[picks]]
        return out

    def _candidate_scores(self, batch: UserBatch, item_rows: Rows) -> FloatBlock:
        """Scores (B, n) of some items of each user; by default picked from ``_scores``, block by block."""
        out = np.empty(item_rows.shape, dtype=np.float32)
        step = max(1, 16_000_000 // max(1, len(self.items)))
        for start in range(0, len(batch), step):
            stop = min(start + step, len(batch))
            scores = self._scores(batch.block(start, stop))
            out[start:stop] = np.take_along_axis(scores, item_rows[start:stop], axis=1)
        return out

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> npt.NDArray[np.floating] | None:
        """For one user: how much each history entry adds to the score of each item, (H, n); None when the model
        cannot say.
        """
        return None

    def _reasons(self, batch: UserBatch, item_rows: Rows) -> list[tuple[Reason | None, ...]]:
        """Reasons (B, k) for the items of each user's list; -1 rows get None."""
        return [self._reasons_of_one(batch.block(b, b + 1), item_rows[b]) for b in range(len(batch))]

    def _reasons_of_one(self, batch: UserBatch, item_rows: Rows) -> tuple[Reason | None, ...]:
        shown = item_rows >= 0
        plain = None if self.reason_kind == "because_items" else Reason(self.reason_kind)
        contributions = None
        if shown.any() and len(batch.histories.item_rows):
            contributions = self._contributions(batch, item_rows[shown])
        if contributions is None:
            return tuple(plain if is_shown else None for is_shown in shown)
        history_ids = self.items.ids_of(batch.histories.item_rows)
        found = iter(because_items(history_ids, contributions, exact=self.explains_exactly))
        return tuple(next(found) if is_shown else None for is_shown in shown)

    # --- batches ---------------------------------------------------------------------------------------

    def _servable(
        self, batch: UserBatch, user_ids: Sequence[str | None], unknown: Literal["raise", "empty"]
    ) -> npt.NDArray[np.bool_]:
        """Which users the model can say anything about (B,)."""
        if self.scores_without_history:
            return np.ones(len(batch), dtype=bool)
        has_history = np.asarray(batch.histories.lengths > 0)
        servable = (batch.rows >= 0) | has_history if self.scores_new_users else batch.rows >= 0
        if self.scores_attributes and batch.attributes is not None:
            servable = servable | np.array([bool(attributes) for attributes in batch.attributes])
        if unknown == "raise" and not servable.all():
            bad = int(np.argmin(servable))
            if has_history[bad]:
                raise ColdStartError(
                    f"model {self.name!r} cannot serve user {user_ids[bad]!r} from a history alone",
                    hint="use a model with scores_new_users, or train again with this user",
                )
            raise UnknownUserError(
                f"user {user_ids[bad]!r} is not among the {len(self.users)} known ones and came without a history",
                hint="pass a Query with a history, or unknown='empty'",
            )
        return servable


__all__ = ["FloatBlock", "ModelConfig", "OnProgress", "Recommender", "Rows", "UserBatch"]
