"""Which features go with which: a linear model from the features of a history to those of an item."""

from copy import copy
from dataclasses import replace
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, PositiveFloat, PositiveInt
from scipy import linalg, sparse

from foretaste.data import Dataset, Vocabulary
from foretaste.errors import DataFormatError, DataInsufficientError
from foretaste.features import ColumnOptions, FeatureEncoder, feature_table
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch


class ContentRidgeConfig(ModelConfig):
    """Settings of :class:`ContentRidge`."""

    columns: tuple[str, ...] | None = None
    """Item columns to use; None for all that have a feature type."""
    regularization: PositiveFloat = 30.0
    """Ridge term λ on the side of the history; larger means that less is learnt from rare features."""
    item_regularization: PositiveFloat = 3.0
    """Ridge term μ on the side of the item."""
    max_features: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    """Most words or values of one column, the most frequent ones."""
    min_df: PositiveInt = 1
    """Items that must have a feature for it to count."""
    stop_words: Literal["english"] | tuple[str, ...] | None = "english"
    """Words that do not count."""
    n_bins: Annotated[int, Field(ge=2, le=1000)] = 8
    """Quantiles that a numeric or date column is cut at."""


class ContentRidge(Recommender):
    """Bilinear regression: score(u, i) = a_uᵀ W f_i, solved in closed form.

    f_i are the features of item i and a constant, F those of all items that somebody took. X is users × items of ones,
    each row divided by the root of its length, and A = X F are the users' profiles. W minimises

        ‖X - A W Fᵀ‖² + λ‖W Fᵀ‖² + μ‖A W‖² + λμ‖W‖²,  so  W = (AᵀA + λI)⁻¹ AᵀA (FᵀF + μI)⁻¹.

    Where TF-IDF asks what items have in common, this learns that people of one tag take things of another. Items that
    nobody has taken are ranked like all others; :meth:`with_items` adds new ones without training. An item without any
    feature has no evidence and is left out.

    Source: Park, Chu 2009, «Pairwise preference regression for cold-start recommendation»; differs in that profiles
    are made of item features, and in the squared loss over all pairs, which separates into two small inverses.

    Raises:
        DataInsufficientError: when fitted on items without usable features.
        DataFormatError: a named column is not there.

    Cost: T features: O(T³) time, 4·T² bytes, three times 8·T² while fitting.
    """

    name = "content_ridge"
    config_class = ContentRidgeConfig
    state_fields = ("features", "weights", "encoder_columns")
    scores_new_users = True
    scores_new_items = True
    explains_exactly = True
    reason_kind = "content"

    def _fit(self, data: Dataset) -> None:
        config: ContentRidgeConfig = self.config
        frame, kinds = feature_table(data, "item", config.columns)
        options = ColumnOptions(
            (1, 1), config.max_features, config.min_df, 1.0, config.stop_words, config.n_bins, "plain"
        )
        encoder = FeatureEncoder.fit(frame, kinds, options)
        if not encoder.columns:
            raise DataInsufficientError(
                f"the features of data set {data.name!r} ({', '.join(kinds)}) hold nothing to learn from",
                hint="lower min_df, or name other columns",
            )
        self.encoder_columns = encoder.to_json()
        self.features = _with_constant(encoder.transform(frame))  # (I, T)
        taken = data.matrix("binary").astype(np.float64)  # (U, I)
        lengths = np.maximum(np.diff(taken.indptr), 1)
        X = sparse.csr_array(sparse.diags_array(1.0 / np.sqrt(lengths)) @ taken)
        F = self.features.astype(np.float64)
        A = sparse.csr_array(X @ F)  # (U, T)
        G = np.asarray((A.T @ A).toarray())
        F = F[np.unique(taken.indices)]
        H = np.asarray((F.T @ F).toarray())
        self.weights = _solved(H, config.item_regularization, _solved(G, config.regularization, G).T).T.astype(
            np.float32
        )  # (T, T)

    def with_items(self, frame: pl.DataFrame) -> Self:
        """A model that also ranks the items of ``frame`` (``item_id`` and feature columns), without training.

        Known items get new features, unknown ones are appended. Values that training did not see are passed over.

        Raises:
            DataFormatError: no column ``item_id``, or an id that is missing or there twice.
        """
        population = self.population
        if "item_id" not in frame.columns:
            raise DataFormatError("the frame of new items has no column 'item_id'")
        fresh = Vocabulary(frame["item_id"])
        items = population.items.extended(fresh.ids.to_list())
        encoded = _with_constant(FeatureEncoder.from_json(self.encoder_columns).transform(frame))
        source = np.arange(len(items))
        source[items.rows(fresh.ids.to_list())] = len(population.items) + np.arange(len(fresh))
        model = copy(self)
        model._population = replace(
            population, items=items, histories=replace(population.histories, n_items=len(items))
        )
        model.features = sparse.csr_array(
            sparse.csr_array(sparse.vstack([self.features, encoded], format="csr"))[source]
        )
        return model

    def _entries(self, batch: UserBatch) -> sparse.csr_array:
        """Users × items: each item of a history 1/√n, n being the number of its distinct items with weight."""
        taken = batch.histories.matrix("binary")
        n = np.diff(taken.indptr)
        taken.data = (taken.data / np.repeat(np.sqrt(np.maximum(n, 1)), n)).astype(np.float32)
        return taken

    def _scores(self, batch: UserBatch) -> FloatBlock:
        entries = self._entries(batch)
        wanted = np.asarray((entries @ self.features).toarray()) @ self.weights  # (B, T)
        scores = np.ascontiguousarray((self.features @ wanted.T).T, dtype=np.float32)
        scores[:, np.diff(self.features.indptr) <= 1] = -np.inf  # the constant only
        scores[np.diff(entries.indptr) == 0] = -np.inf
        return scores

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> npt.NDArray[np.floating]:
        history = batch.histories
        entries = self._entries(batch).toarray()[0]  # (I,)
        wanted = self.features[history.item_rows] @ self.weights  # (H, T)
        shares = np.asarray((self.features[item_rows] @ wanted.T).T) * entries[history.item_rows][:, None]
        useful = history.weights > 0
        first = np.zeros(len(useful), dtype=bool)  # a repeated item counts once
        rows, places = np.unique(np.where(useful, history.item_rows, -1), return_index=True)
        first[places[rows >= 0]] = True
        return np.asarray(np.where(first[:, None], shares, 0.0))


def _with_constant(features: sparse.csr_array) -> sparse.csr_array:
    ones = sparse.csr_array(np.ones((features.shape[0], 1), dtype=np.float32))
    return sparse.csr_array(sparse.hstack([features, ones], format="csr")).astype(np.float32)


def _solved(gram: npt.NDArray[np.float64], ridge: float, right: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(gram + ridge·I)⁻¹ right."""
    regular = gram + ridge * np.eye(len(gram))
    return np.asarray(linalg.cho_solve(linalg.cho_factor(regular, overwrite_a=True), right))
