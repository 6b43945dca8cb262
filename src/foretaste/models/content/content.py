"""Content: items like those of the history, by their words, categories, tags and numbers."""

from copy import copy
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from foretaste.data import Dataset, FeatureType, Histories, Reason, Vocabulary
from foretaste.errors import DataFormatError, DataInsufficientError
from foretaste.features import Column, FeatureEncoder, feature_table
from foretaste.features.embeddings import TextEmbedder, load_embedder
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.content.config import ContentConfig, TfidfConfig
from foretaste.models.content.interests import interest_vectors
from foretaste.models.content.labels import shared_features
from foretaste.models.content.vectors import NUMBERS, Vectors, encode_rows, mean_text, stacked
from foretaste.models.ranking import FEW_USERS, Ranked, rank_sums
from foretaste.models.reasons import because_items

DAY_S = 86_400.0


class Content(Recommender):
    """Product of a user's profile and each item, both vectors of weighted features.

    Text becomes tokens of 1–2 words weighted (1 + ln tf) · idf, or by BM25, or one dense vector from a local folder of
    embeddings (less the catalogue's mean). Categories and lists give one token a value weighted by idf, numbers and
    dates a share of the two nearest quantiles. idf = ln((1 + n) / (1 + df)) + 1. The parts of the columns are brought
    to the same mean length, multiplied by ``column_weights`` and joined; with ``similarity="cosine"`` an item's vector
    is then brought to length 1.

    The profile of a user is Σ weight · decay · item vector over the history, at length 1; weights are those of the
    data: ratings, likes, reading times, purchases. A user without a history has a profile from declared interests.

    Items without interactions are ranked like all others, and :meth:`with_items` adds new ones without training. An
    item that shares nothing with the profile has no evidence and is left out.

    Sources: Lops, de Gemmis, Semeraro 2011 (profiles); Robertson, Zaragoza 2009 (BM25, here on both sides); Arora et
    al. 2017 (mean word vectors weighted by rarity).

    Raises:
        DataInsufficientError: when fitted on items without usable features.
        DataFormatError: a named column is not there.
        DataFileError, MissingExtraError: of the embeddings.

    Cost: a query adds up the items that share each token of the profile; about 12 bytes for each token of each item,
    and 4·D for an embedding of D numbers.
    """

    name = "content"
    config_class: ClassVar[type[ModelConfig]] = ContentConfig
    state_fields = (
        "vectors",
        "texts",
        "centre",
        "interests",
        "interest_texts",
        "token_text",
        "token_offsets",
        "idf",
        "column_fields",
    )
    scores_new_users = True
    scores_new_items = True
    updates_incrementally = True
    explains_exactly = True
    finds_similar_items = True
    reason_kind = "content"

    def _fit(self, data: Dataset) -> None:
        config: TfidfConfig = self.config
        self._check_weights(data)
        frame, kinds = feature_table(data, "item", config.columns)
        kinds = {name: kind for name, kind in kinds.items() if self._weight(name, kind) > 0}
        self._embedder = load_embedder(config.embeddings) if config.embeddings is not None else None
        self._set_columns(FeatureEncoder.fit(frame, kinds, config.column_options()).columns)
        if not self._columns:
            raise DataInsufficientError(
                f"the features of data set {data.name!r} ({', '.join(kinds)}) hold nothing that tells items apart",
                hint="lower min_df, raise max_df, give a column more weight, or name other columns",
            )
        embedder = self._embedder
        found = mean_text(frame, self._columns, embedder) if embedder is not None else None
        self.centre = np.zeros(0, dtype=np.float32) if found is None else found
        self._set_vectors(self._encode(frame))
        self._set_interests(data)

    def _check_weights(self, data: Dataset) -> None:
        columns = data.item_frame.columns if data.item_frame is not None else []
        missing = sorted(set(self.config.column_weights) - set(columns))
        if missing and columns:
            raise DataFormatError(
                f"items of data set {data.name!r} have no column {missing[0]!r}, which is given a weight",
                hint=f"columns that are there: {', '.join(columns)}",
            )

    def _weight(self, name: str, kind: FeatureType) -> float:
        usual = self.config.number_weight if kind in NUMBERS else 1.0
        return float(self.config.column_weights.get(name, usual))

    def _weights(self) -> list[float]:
        return [self._weight(column.name, column.kind) for column in self._columns]

    def _load_embedder(self) -> TextEmbedder | None:
        """The embeddings; read again where the model was loaded from a file."""
        if self._embedder is None and self.config.embeddings is not None:
            self._embedder = load_embedder(self.config.embeddings)
        return self._embedder

    def _encode(self, frame: pl.DataFrame) -> Vectors:
        """Item vectors; a column that is missing counts as empty."""
        typed = FeatureEncoder(self._columns).typed(frame)
        if typed.width == 0:  # a frame without columns has no rows
            typed = frame.select("item_id")
        vectors = encode_rows(typed, self._columns, self._weights(), self._load_embedder(), self.centre)
        return vectors.normalised() if self.config.similarity == "cosine" else vectors

    # --- what is derived ---------------------------------------------------------------------------------------------

    def _set_columns(self, columns: tuple[Column, ...]) -> None:
        self._columns = columns
        tokens = [token for column in columns for token in column.tokens]
        numbered = [f"{n}\x1f{token}" for n, token in enumerate(tokens)]  # a vocabulary holds no text twice
        self.token_text, self.token_offsets = Vocabulary(numbered).arrays()
        self.idf = np.array([weight for column in columns for weight in column.idf], dtype=np.float64)
        self.column_fields: list[dict[str, Any]] = [c.to_json() | {"n_tokens": len(c.tokens)} for c in columns]

    def _set_vectors(self, vectors: Vectors) -> None:
        vectors = vectors.sorted()
        self.vectors, self.texts = vectors.tokens, vectors.texts  # (I, T) and (I, D)
        self._index()

    def _index(self) -> None:
        self._items = Vectors(self.vectors, self.texts)
        self._postings = sparse.csr_array(self.vectors.T.tocsr())  # (T, I)
        lengths = self._items.lengths()
        self._lengths = np.where(lengths > 0, lengths, 1.0).astype(np.float32)  # (I,)
        self._has_text = (self.texts != 0).any(axis=1)

    def _set_interests(self, data: Dataset) -> None:
        embedder, config = self._load_embedder(), self.config
        found = interest_vectors(data, config.interests, self._columns, self._weights(), embedder, self.centre)
        if found is None:
            found = Vectors.empty(data.n_users, self.vectors.shape[1], len(self.centre))
        self.interests, self.interest_texts = found.tokens, found.texts

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
        self._embedder = None
        self._index()

    # --- new items ---------------------------------------------------------------------------------------------------

    def with_items(self, frame: pl.DataFrame) -> Self:
        """A model that also ranks the items of ``frame`` (``item_id`` and feature columns), without training.

        Known items get new vectors, unknown ones are appended: rows of known items stay. Words that training did not
        see are passed over, but for embeddings, which know them.

        Raises:
            DataFormatError: no column ``item_id``, or an id that is missing or there twice.
            DataFileError: the embeddings are no longer where they were.
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
        model._set_vectors(stacked(self._items, encoded).take(source))
        return model

    def _update(self, data: Dataset) -> None:
        """New and changed items, and users' interests, in terms of the tokens that training found."""
        frame, _ = feature_table(data, "item", self.config.columns)
        self._set_vectors(self._encode(frame))
        self._set_interests(data)

    # --- scoring -----------------------------------------------------------------------------------------------------

    def _entry_weights(self, batch: UserBatch) -> npt.NDArray[np.float32]:
        """How much each history entry adds to its user's profile (N,)."""
        histories = batch.histories
        weights = (histories.weights > 0).astype(np.float64)
        if self.config.values == "weight":
            weights *= histories.weights
        if histories.importance is not None:
            weights *= histories.importance
        if self.config.half_life_days is not None and len(weights):
            times = histories.timestamps
            newest = np.full(len(histories), -np.inf)
            users = np.repeat(np.arange(len(histories)), histories.lengths)
            np.fmax.at(newest, users, times)
            ages = np.nan_to_num((newest[users] - times) / DAY_S, nan=0.0, posinf=0.0, neginf=0.0)
            weights *= np.exp2(-ages / self.config.half_life_days)
        return weights.astype(np.float32)

    def _profiles(self, batch: UserBatch) -> Vectors:
        """Profiles of length 1 (B rows)."""
        histories = batch.histories
        weights = self._entry_weights(batch)
        entries = sparse.csr_array(
            (weights, histories.item_rows, histories.indptr), shape=(len(batch), len(self.items))
        )
        profiles = self._items.combined(entries)
        shares = self._interest_shares(batch, weights)
        if shares.any():
            declared = Vectors(self.interests, self.interest_texts).take(np.maximum(batch.rows, 0))
            profiles = profiles + declared.scaled(shares)
        return profiles.normalised()

    def _interest_shares(self, batch: UserBatch, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """How much the declared interests of each user count (B,), in the unit of the entries' weights."""
        users = np.repeat(np.arange(len(batch)), batch.histories.lengths)
        sums = np.bincount(users, weights.astype(np.float64), minlength=len(batch))
        counts = np.bincount(users, weights > 0, minlength=len(batch))
        shares = np.where(counts > 0, self.config.interest_weight * sums / np.maximum(counts, 1), 1.0)
        return np.where(batch.rows >= 0, shares, 0.0)

    def _similarities(self, wanted: Vectors) -> FloatBlock:
        """Products (n, I) of the wanted rows and all items; -inf where they have nothing in common."""
        from foretaste.models.content.kernels import add_postings

        tokens, postings = wanted.tokens, self._postings
        out = np.zeros((len(wanted), len(self.texts)), dtype=np.float32)
        add_postings(tokens.indptr, tokens.indices, tokens.data, postings.indptr, postings.indices, postings.data, out)
        nothing = out <= 0
        if len(self.centre):
            nothing &= ~((wanted.texts != 0).any(axis=1)[:, None] & self._has_text)
            out += wanted.texts @ self.texts.T
        out[nothing] = -np.inf
        return out

    def _scores(self, batch: UserBatch) -> FloatBlock:
        return self._similarities(self._profiles(batch))

    def _rank(self, batch: UserBatch, k: int, seen: Histories | None, allowed: npt.NDArray[np.bool_] | None) -> Ranked:
        if len(self.centre) or len(batch) > FEW_USERS:  # embeddings compare with all items, many users are worth it
            return super()._rank(batch, k, seen, allowed)
        profiles, postings = self._profiles(batch).tokens, self._postings
        lengths = postings.indptr[profiles.indices + 1] - postings.indptr[profiles.indices]
        if int(lengths.sum()) > len(self.items) * len(batch) // 8:  # words that very many items share
            return super()._rank(batch, k, seen, allowed)
        return rank_sums(profiles, postings, k=k, seen=seen, allowed=allowed, above=0.0)

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        wanted = self._items.take(rows).normalised()
        out = self._similarities(wanted)
        return out if self.config.similarity == "cosine" else np.asarray(out / self._lengths)

    # --- reasons -----------------------------------------------------------------------------------------------------

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> npt.NDArray[np.floating]:
        weights = self._entry_weights(batch)
        entries = self._items.take(batch.histories.item_rows)  # (H, …)
        profile = entries.combined(sparse.csr_array(weights[None, :]))
        shares = self._interest_shares(batch, weights)
        if shares.any():
            profile = profile + Vectors(self.interests, self.interest_texts).take(batch.rows).scaled(shares)
        shown = self._items.take(item_rows)
        shared = np.asarray((entries.tokens @ shown.tokens.T).toarray()) + entries.texts @ shown.texts.T  # (H, n)
        return np.asarray(shared * (weights[:, None] / max(float(profile.lengths()[0]), 1e-30)))

    def _reasons_of_one(self, batch: UserBatch, item_rows: Rows) -> tuple[Reason | None, ...]:
        shown = item_rows[item_rows >= 0]
        if len(shown) == 0:
            return (None,) * len(item_rows)
        interested = bool(self._interest_shares(batch, self._entry_weights(batch)).any()) and self._declared(batch)
        because: list[Reason | None] = [None] * len(shown)
        if len(batch.histories.item_rows):
            history_ids = self.items.ids_of(batch.histories.item_rows)
            because = because_items(history_ids, self._contributions(batch, shown), exact=not interested)
        profile = self._profiles(batch).tokens.toarray()[0]
        found: list[Reason | None] = []
        for reason, row in zip(because, shown.tolist(), strict=True):
            features = shared_features(self._columns, profile, self.vectors, row)
            if reason is not None:
                found.append(replace(reason, kind="content", features=features))
            else:
                found.append(Reason("content", features=features) if interested and features else None)
        told = iter(found)
        return tuple(next(told) if row >= 0 else None for row in item_rows.tolist())

    def _declared(self, batch: UserBatch) -> bool:
        """Whether the only user of the batch has declared an interest that items know."""
        row = int(batch.rows[0])
        return row >= 0 and bool(self.interests.indptr[row + 1] > self.interests.indptr[row])
