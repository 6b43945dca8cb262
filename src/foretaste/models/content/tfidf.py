"""Content: items like those of the history, by their words, categories, tags and numbers."""

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from scipy import sparse

from foretaste.data import Dataset, FeatureType, Reason, Vocabulary
from foretaste.errors import DataFormatError, DataInsufficientError
from foretaste.features import Column, ColumnOptions, FeatureEncoder, feature_table
from foretaste.features.columns import normalised
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.reasons import because_items

FEATURES_NAMED = 3
NUMBERS = frozenset({"numeric", "date"})
DAY_S = 86_400.0


class TfidfConfig(ModelConfig):
    """Settings of :class:`TfidfContent`."""

    columns: tuple[str, ...] | None = None
    """Item columns to use; None for all that have a feature type."""
    column_weights: Mapping[str, NonNegativeFloat] = Field(default_factory=dict)
    """How much a column counts against others; 0 leaves it out."""
    number_weight: NonNegativeFloat = 0.3
    """The weight of numeric and date columns that have none of their own; other columns have 1."""
    ngrams: tuple[PositiveInt, PositiveInt] = (1, 2)
    """Shortest and longest run of words that makes a token."""
    max_features: PositiveInt | None = 20_000
    """Most tokens of one column, the most frequent ones."""
    min_df: PositiveInt = 1
    """Items that must have a token for it to count."""
    max_df: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the items above which a token is too common to count."""
    stop_words: Literal["english"] | tuple[str, ...] | None = "english"
    """Words that do not count."""
    n_bins: Annotated[int, Field(ge=2, le=1000)] = 8
    """Quantiles that a numeric or date column is cut at."""
    values: Literal["binary", "weight"] = "weight"
    """Whether the items of a history count alike in the profile, or by their weights."""
    half_life_days: PositiveFloat | None = None
    """A history entry loses half of its weight for so many days that it is older than the newest one."""

    @model_validator(mode="after")
    def _check_ngrams(self) -> Self:
        if self.ngrams[0] > self.ngrams[1]:
            raise ValueError("the shortest run of words is longer than the longest")
        return self


class TfidfContent(Recommender):
    """Cosine between a user's profile and each item, both vectors of weighted tokens.

    Tokens come from the typed item features: text gives 1–2-grams weighted (1 + ln tf) · idf, categories and lists one
    token a value weighted by idf, numbers and dates a share of the two nearest quantiles. idf = ln((1 + n) / (1 + df))
    + 1. The parts of the columns are brought to the same mean length, multiplied by ``column_weights`` and joined; an
    item's vector has length 1. The profile of a user is Σ weight · decay · item vector over the history.

    Items without interactions are ranked like all others, and :meth:`with_items` adds new ones without training. An
    item that shares no token with the profile has no evidence and is left out.

    Raises:
        DataInsufficientError: when fitted on items without usable features.
        DataFormatError: a named column is not there.

    Cost: a query adds up the items that share each token of the profile; about 12 bytes for each token of each item.
    """

    name = "tfidf"
    config_class = TfidfConfig
    state_fields = ("vectors", "token_text", "token_offsets", "idf", "column_fields")
    scores_new_users = True
    scores_new_items = True
    updates_incrementally = True
    explains_exactly = True
    finds_similar_items = True
    reason_kind = "content"

    def _fit(self, data: Dataset) -> None:
        frame, kinds = self._features(data)
        config: TfidfConfig = self.config
        options = ColumnOptions(
            config.ngrams, config.max_features, config.min_df, config.max_df, config.stop_words, config.n_bins
        )
        self._set_columns(FeatureEncoder.fit(frame, kinds, options).columns)
        if not self._columns:
            raise DataInsufficientError(
                f"the features of data set {data.name!r} ({', '.join(kinds)}) hold nothing that tells items apart",
                hint="lower min_df, raise max_df, or name other columns",
            )
        self._set_vectors(self._encode(frame))

    def _features(self, data: Dataset) -> tuple[pl.DataFrame, dict[str, FeatureType]]:
        """The columns to use in the form of their kinds, and the kinds."""
        config: TfidfConfig = self.config
        frame = data.item_frame
        missing = sorted(set(config.column_weights) - set(frame.columns)) if frame is not None else []
        if missing:
            raise DataFormatError(
                f"items of data set {data.name!r} have no column {missing[0]!r}, which is given a weight",
                hint=f"columns that are there: {', '.join(frame.columns) if frame is not None else ''}",
            )
        typed, kinds = feature_table(data, "item", config.columns)
        kinds = {name: kind for name, kind in kinds.items() if self._weight(name, kind) > 0}
        if not kinds:
            raise DataInsufficientError(f"no column of the items of data set {data.name!r} can be used as a feature")
        return typed, kinds

    def _weight(self, name: str, kind: FeatureType) -> float:
        usual = self.config.number_weight if kind in NUMBERS else 1.0
        return float(self.config.column_weights.get(name, usual))

    def _encode(self, frame: pl.DataFrame) -> sparse.csr_array:
        """Item vectors (n, T) of length 1, float32; a column that is missing counts as empty."""
        columns = self._columns
        blocks = [
            block * self._weight(column.name, column.kind)
            for column, block in zip(columns, FeatureEncoder(columns).blocks(frame), strict=True)
        ]
        return normalised(sparse.csr_array(sparse.hstack(blocks, format="csr"))).astype(np.float32)

    # --- what is derived ---------------------------------------------------------------------------------------------

    def _set_columns(self, columns: tuple[Column, ...]) -> None:
        self._columns = columns
        tokens = [token for column in columns for token in column.tokens]
        numbered = [f"{n}\x1f{token}" for n, token in enumerate(tokens)]  # a vocabulary holds no text twice
        self.token_text, self.token_offsets = Vocabulary(numbered).arrays()
        self.idf = np.array([weight for column in columns for weight in column.idf], dtype=np.float64)
        self.column_fields: list[dict[str, Any]] = [c.to_json() | {"n_tokens": len(c.tokens)} for c in columns]

    def _set_vectors(self, vectors: sparse.csr_array) -> None:
        vectors.sort_indices()
        self.vectors = vectors  # (I, T)
        self._postings = sparse.csr_array(vectors.T.tocsr())  # (T, I)

    def _restored(self) -> None:
        tokens = Vocabulary.from_arrays(self.token_text, self.token_offsets).ids.to_list()
        columns, start = [], 0
        for fields in self.column_fields:
            stop = start + int(fields["n_tokens"])
            plain = [token.partition("\x1f")[2] for token in tokens[start:stop]]
            kept = {key: value for key, value in fields.items() if key != "n_tokens"}
            columns.append(Column.from_json(kept, plain, self.idf[start:stop].tolist()))
            start = stop
        self._columns = tuple(columns)
        self._postings = sparse.csr_array(self.vectors.T.tocsr())

    # --- new items ---------------------------------------------------------------------------------------------------

    def with_items(self, frame: pl.DataFrame) -> Self:
        """A model that also ranks the items of ``frame`` (``item_id`` and feature columns), without training.

        Known items get new vectors, unknown ones are appended: rows of known items stay. Words that training did not
        see are passed over.

        Raises:
            DataFormatError: no column ``item_id``, or an id that is missing or there twice.
        """
        population = self.population
        if "item_id" not in frame.columns:
            raise DataFormatError("the frame of new items has no column 'item_id'")
        fresh = Vocabulary(frame["item_id"])
        items = population.items.extended(fresh.ids.to_list())
        encoded = self._encode(frame)
        source = np.concatenate(
            [np.arange(len(population.items)), np.zeros(len(items) - len(population.items), np.int64)]
        )
        source[items.rows(fresh.ids.to_list())] = len(population.items) + np.arange(len(fresh))
        model = copy(self)
        model._population = replace(
            population, items=items, histories=replace(population.histories, n_items=len(items))
        )
        stacked = sparse.csr_array(sparse.vstack([self.vectors, encoded], format="csr"))
        model._set_vectors(sparse.csr_array(stacked[source]))
        return model

    def _update(self, data: Dataset) -> None:
        """New and changed items in terms of the tokens that training found."""
        frame, _ = self._features(data)
        self._set_vectors(self._encode(frame))

    # --- scoring -----------------------------------------------------------------------------------------------------

    def _entry_weights(self, batch: UserBatch) -> npt.NDArray[np.float32]:
        """How much each history entry adds to its user's profile (N,)."""
        histories = batch.histories
        weights = (histories.weights > 0).astype(np.float64)
        if self.config.values == "weight":
            weights *= histories.weights
        if self.config.half_life_days is not None and len(weights):
            times = histories.timestamps
            newest = np.full(len(histories), -np.inf)
            users = np.repeat(np.arange(len(histories)), histories.lengths)
            np.fmax.at(newest, users, times)
            ages = np.nan_to_num((newest[users] - times) / DAY_S, nan=0.0, posinf=0.0, neginf=0.0)
            weights *= np.exp2(-ages / self.config.half_life_days)
        return weights.astype(np.float32)

    def _profiles(self, batch: UserBatch) -> sparse.csr_array:
        """Profiles (B, T) of length 1."""
        histories = batch.histories
        entries = sparse.csr_array(
            (self._entry_weights(batch), histories.item_rows, histories.indptr), shape=(len(batch), len(self.items))
        )
        return normalised(sparse.csr_array(entries @ self.vectors))

    def _cosines(self, profiles: sparse.csr_array) -> FloatBlock:
        from foretaste.models.content.kernels import add_postings

        out = np.zeros((profiles.shape[0], self.vectors.shape[0]), dtype=np.float32)
        postings = self._postings
        add_postings(
            profiles.indptr, profiles.indices, profiles.data, postings.indptr, postings.indices, postings.data, out
        )
        out[out <= 0] = -np.inf
        return out

    def _scores(self, batch: UserBatch) -> FloatBlock:
        return self._cosines(self._profiles(batch))

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        return self._cosines(sparse.csr_array(self.vectors[rows]))

    # --- reasons -----------------------------------------------------------------------------------------------------

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> npt.NDArray[np.floating]:
        weights = self._entry_weights(batch)
        entries = sparse.csr_array(self.vectors[batch.histories.item_rows])  # (H, T)
        length = float(np.linalg.norm(np.asarray(entries.T @ weights)))
        shared = np.asarray((entries @ self.vectors[item_rows].T).toarray())  # (H, n)
        return np.asarray(shared * (weights[:, None] / max(length, 1e-30)))

    def _reasons_of_one(self, batch: UserBatch, item_rows: Rows) -> tuple[Reason | None, ...]:
        shown = item_rows[item_rows >= 0]
        if len(shown) == 0 or len(batch.histories.item_rows) == 0:
            return (None,) * len(item_rows)
        history_ids = self.items.ids_of(batch.histories.item_rows)
        because = because_items(history_ids, self._contributions(batch, shown), exact=True)
        profile = self._profiles(batch).toarray()[0]
        found = iter(
            replace(reason, kind="content", features=self._shared(profile, row)) if reason is not None else None
            for reason, row in zip(because, shown.tolist(), strict=True)
        )
        return tuple(next(found) if row >= 0 else None for row in item_rows.tolist())

    def _shared(self, profile: npt.NDArray[np.float32], item_row: int) -> tuple[str, ...]:
        """Labels of the tokens that add most to the score of one item."""
        part = slice(self.vectors.indptr[item_row], self.vectors.indptr[item_row + 1])
        tokens = self.vectors.indices[part]
        gains = profile[tokens] * self.vectors.data[part]
        best = [int(tokens[n]) for n in np.argsort(-gains, kind="stable") if gains[n] > 0]
        labels: list[str] = []
        for kind, label in sorted(map(self._label, best), key=lambda pair: pair[0] in NUMBERS):  # numbers say the least
            told = kind == "text" and any(label in other.split() or other in label.split() for other in labels)
            if not told and label not in labels and not (labels and kind in NUMBERS):
                labels.append(label)  # «wool» beside «wool socks» says nothing more
            if len(labels) == FEATURES_NAMED:
                break
        return tuple(labels)

    def _label(self, token: int) -> tuple[FeatureType, str]:
        """The kind of a token's column, and what a person reads."""
        for column in self._columns:
            if token < len(column.tokens):
                return column.kind, column.label(token)
            token -= len(column.tokens)
        raise IndexError(token)
