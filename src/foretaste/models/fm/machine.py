"""A factorisation machine for ranking."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from scipy import sparse

from foretaste.data import Dataset, Histories
from foretaste.errors import DataInsufficientError
from foretaste.features import FeatureEncoder, feature_table, has_features
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.factors import embedded, unit_rows
from foretaste.models.fm.layout import Layout, MomentPart, encode_moments, last_times, moment_of
from foretaste.models.sampling import drawn_items, equal_parts, padded
from foretaste.models.threads import map_threads, n_threads

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
_BPR = 0
"""The loss by its number in the kernel."""


class FactorizationMachineConfig(ModelConfig):
    """Settings of :class:`FactorizationMachine`."""

    n_factors: PositiveInt = 32
    """Length of the vectors."""
    epochs: PositiveInt = 30
    """Passes over the interactions."""
    learning_rate: PositiveFloat = 0.1
    """Size of a feature's first step; later ones shrink with its own squared pulls (Adagrad, one number a feature)."""
    regularization: NonNegativeFloat = 0.01
    """Ridge λ on vectors and linear weights, at every step."""
    n_candidates: int = Field(1, ge=1, le=64)
    """Other items drawn for a positive one, of which the highest-scored is compared with it."""
    popularity_exponent: float = Field(0.0, ge=0.0, le=1.0)
    """Other items are drawn with probability ∝ popularity^this; uniform draws order new items best."""
    id_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of the steps that leave a user's or an item's own id out, so that its features learn to speak for it."""
    user_columns: tuple[str, ...] | None = None
    """Columns of the user frame to use; none given takes all but texts, whose rare words stand for single users (texts
    too where there is nothing else).
    """
    item_columns: tuple[str, ...] | None = None
    """Columns of the item frame to use; none given takes all but texts, whose rare words stand for single items (texts
    too where there is nothing else).
    """
    moments: tuple[MomentPart, ...] = ()
    """What of the time of an interaction is a feature: ``hour`` (UTC), ``weekday`` (UTC) or both."""
    fold_in_passes: int = Field(10, ge=2)
    """Passes over a user's history that find the user's vector when the items are known."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of the start and of the draws."""


class FactorizationMachine(Recommender):
    """Every user, item, feature and hour has a vector; a pair's score sums the products between the two sides.

    score = Σ_{f∈item} w_f x_f + Σ_{f∈user,moment} Σ_{g∈item} (v_f·v_g) x_f x_g, which is b_i + p·q_i with p = Σ v_f x_f
    and q_i = Σ v_g x_g: ranking costs what it costs with plain factors. Items that nobody took are scored by their
    features, users without a history by theirs, also such as came after the training and bring them with the query; a
    history that comes with a query is folded in given the items.

    Source: Rendle 2010, «Factorization Machines»; pairs of items are compared as in BPR (arXiv:1205.2618). Differs:
    products within one side are left out, as they cannot change a user's order but through a term of the item alone,
    for which the w stand; with ``id_dropout`` ids are left out at random while training (as in DropoutNet, Volkovs et
    al. 2017), so that features suffice. A user with a history is placed by it alone, so that a stranger with the same
    history gets the same list; moments come from the data's timestamps and a query's context: ``timestamp`` (seconds),
    ``hour`` or ``weekday`` (Monday 0). The data set has no other columns of context.
    Cost: O(nnz·F·features·candidates) an epoch on one thread; keeps 4·F bytes for each user, item and feature, twice
    for users and items.
    """

    name = "fm"
    config: FactorizationMachineConfig
    config_class = FactorizationMachineConfig
    state_fields = (
        "user_factors",
        "item_factors",
        "item_bias",
        "table",
        "linear",
        "mean_moment",
        "popularity",
        "shown",
        "user_encoder",
        "item_encoder",
    )
    scores_new_users = True
    scores_attributes = True
    scores_new_items = True
    updates_incrementally = True
    finds_similar_items = True

    # --- fitting -----------------------------------------------------------------------------------------------------

    def _fit(self, data: Dataset) -> None:
        self.user_encoder: list[dict[str, Any]] = self._fit_encoder(data, "user")
        self.item_encoder: list[dict[str, Any]] = self._fit_encoder(data, "item")
        layout = self._layout(data)
        self.table = self._start(layout.n_rows, 1)
        self.linear: Floats = np.zeros(layout.n_rows, np.float32)
        self._train(data, layout, self.config.epochs)

    def _update(self, data: Dataset) -> None:
        """Half of the epochs from where the vectors stand; features stay those that were fixed when fitting."""
        old = Layout.of_sizes(
            len(self.user_factors),
            len(self.item_factors),
            self._encoder("user"),
            self._encoder("item"),
            self.config.moments,
        )
        layout = self._layout(data)
        table, linear = self._start(layout.n_rows, 2), np.zeros(layout.n_rows, np.float32)
        for before, after in zip(old.parts, layout.parts, strict=True):
            size = before.stop - before.start
            table[after.start : after.start + size] = self.table[before]
            linear[after.start : after.start + size] = self.linear[before]
        self.table, self.linear = table, linear
        self._train(data, layout, -(-self.config.epochs // 2))

    def _fit_encoder(self, data: Dataset, side: Literal["user", "item"]) -> list[dict[str, Any]]:
        columns = self.config.user_columns if side == "user" else self.config.item_columns
        if columns == () or (columns is None and not has_features(data, side)):
            return []
        frame, kinds = feature_table(data, side, columns)
        short = {name: kind for name, kind in kinds.items() if kind != "text"}
        return FeatureEncoder.fit(frame, short if short and columns is None else kinds).to_json()

    def _encoder(self, side: Literal["user", "item"]) -> FeatureEncoder:
        return FeatureEncoder.from_json(self.user_encoder if side == "user" else self.item_encoder)

    def _layout(self, data: Dataset) -> Layout:
        return Layout.of(data, self._encoder("user"), self._encoder("item"), self.config.moments)

    def _start(self, n_rows: int, stream: int) -> Floats:
        noise = np.random.default_rng([self.config.seed, stream])
        scale = np.float32(0.1 / np.sqrt(self.config.n_factors))
        return noise.standard_normal((n_rows, self.config.n_factors), dtype=np.float32) * scale

    def _train(self, data: Dataset, layout: Layout, epochs: int) -> None:
        from foretaste.models.kernels.fm import train_pairs

        config = self.config
        matrix = data.matrix("binary")
        if matrix.nnz == 0:
            raise DataInsufficientError(
                f"data set {data.name!r} has no interaction with a weight above 0", hint="nothing shows what is liked"
            )
        self.__dict__.pop("_unit_factors", None)
        self.__dict__.pop("_draws", None)
        self.__dict__.pop("_user_encoder", None)
        self.popularity: Ints = np.bincount(matrix.indices, minlength=data.n_items).astype(np.int32)
        indptr, items = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
        moments = encode_moments(last_times(data, matrix), config.moments, layout)
        marks = np.full(data.n_items, -1, np.int32)
        sums = np.ones(layout.n_rows, np.float32)
        rng = np.random.default_rng([config.seed, 3])
        active = np.flatnonzero(np.diff(indptr) > 0).astype(np.int32)
        for epoch in range(epochs):
            compared, wrong = train_pairs(
                rng.permutation(active), indptr, items, moments, *layout.user_side, *layout.item_side,
                self._draws, marks, self.table, self.linear, sums, config.n_candidates, config.id_dropout,
                np.float32(config.learning_rate), np.float32(config.regularization), int(rng.integers(2**62)),
            )  # fmt: skip
            self._report(epoch + 1, epochs, wrong / max(compared, 1))
        self._place(data, layout, moments)

    def _place(self, data: Dataset, layout: Layout, moments: Ints) -> None:
        """Sum the vectors of everybody and everything, ids of new ones left out."""
        new = np.flatnonzero(self.popularity == 0)
        self.table[layout.parts[1]][new] = 0.0
        self.linear[layout.parts[1]][new] = 0.0
        self.item_factors: Floats = layout.items @ self.table
        self.item_bias: Floats = layout.items @ self.linear
        self.shown: npt.NDArray[np.bool_] = (self.popularity > 0) | (np.diff(layout.items.indptr) > 1)
        unheard = np.setdiff1d(np.arange(layout.parts[4].start, layout.n_rows), moments)
        self.table[unheard] = 0.0
        used = self.table[moments].mean(axis=0, dtype=np.float64).sum(axis=0) if moments.size else 0.0
        self.mean_moment: Floats = np.zeros(self.config.n_factors, np.float32) + np.float32(used)
        matrix = data.matrix("binary")
        idle = np.flatnonzero(np.diff(matrix.indptr) == 0)
        self.table[layout.parts[0]][idle] = 0.0
        self.user_factors: Floats = self._fold_in(matrix)
        self.user_factors[idle] = layout.users[idle] @ self.table
        self.user_factors[idle] += self.mean_moment * self.user_factors[idle].any(axis=1, keepdims=True)

    # --- fold-in and scores ------------------------------------------------------------------------------------------

    @cached_property
    def _draws(self) -> Ints:
        return drawn_items(np.flatnonzero(self.popularity > 0), self.popularity, self.config.popularity_exponent)

    def _fold_in(self, matrix: sparse.csr_array, *, is_weighed: bool = False) -> Floats:
        """Vectors (n, F) of users with these histories, items standing still; ``is_weighed`` takes steps as long as
        the entries are large.
        """
        from foretaste.models.kernels.sampled_sgd import fold_in

        config, F = self.config, self.config.n_factors
        table = padded(len(self.item_factors), F)
        table[:, :F] = self.item_factors
        indptr, columns = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
        found = padded(matrix.shape[0], F)
        weights = matrix.data if is_weighed else np.empty(0, np.float32)
        rate, ridge = np.float32(config.learning_rate), np.float32(config.regularization)
        draws, n_others = self._draws, int(np.count_nonzero(self.popularity)) - 1

        def work(bounds: tuple[int, int]) -> None:
            fold_in(
                indptr, columns, weights, bounds[0], bounds[1], draws, n_others, table, self.item_bias, found,
                _BPR, config.n_candidates, rate, ridge, config.fold_in_passes, config.seed,
            )  # fmt: skip

        map_threads(work, equal_parts(indptr, n_threads() * 4 if matrix.nnz > 5_000 else 1))
        return np.ascontiguousarray(found[:, :F])

    def _folded(self, histories: Histories) -> Floats:
        return self._fold_in(histories.matrix("binary"), is_weighed=histories.importance is not None)

    def _embed(self, batch: UserBatch) -> Floats:
        """Vectors (B, F) of the users at their moments."""
        factors = embedded(batch, self.user_factors, self._folded)
        if batch.attributes is not None and not (known := factors.any(axis=1)).all():
            strangers = np.flatnonzero(~known)
            factors[strangers] = self._of_attributes([batch.attributes[b] for b in strangers.tolist()])
        if batch.contexts is not None and self.config.moments:
            start = len(self.table) - Layout.n_moments(self.config.moments)
            for b, context in enumerate(batch.contexts):
                places = moment_of(context, self.config.moments)
                if places and factors[b].any():
                    factors[b] += self.table[start + np.array(places)].sum(axis=0) - self.mean_moment
        return factors

    def _of_attributes(self, attributes: Sequence[Mapping[str, object]]) -> Floats:
        """Vectors (n, F) of users of whom nothing but these attributes is known; 0 where none of them was learnt."""
        encoder = self._user_encoder
        start = len(self.user_factors) + len(self.item_factors)
        factors: Floats = encoder.transform_records(attributes) @ self.table[start : start + encoder.n_features]
        return np.asarray(factors + self.mean_moment * factors.any(axis=1, keepdims=True), np.float32)

    @cached_property
    def _user_encoder(self) -> FeatureEncoder:
        return self._encoder("user")

    def _scores(self, batch: UserBatch) -> FloatBlock:
        factors = self._embed(batch)
        scores: FloatBlock = factors @ np.asarray(self.item_factors).T
        scores += self.item_bias
        scores[:, ~self.shown] = -np.inf
        scores[~factors.any(axis=1)] = -np.inf  # neither features nor a history
        return scores

    def _pair_scores(self, user_rows: Rows, item_rows: Rows) -> npt.NDArray[np.float32]:
        users = self.user_factors[user_rows]
        scores: npt.NDArray[np.float32] = np.einsum("nf,nf->n", users, self.item_factors[item_rows])
        scores += self.item_bias[item_rows]
        scores[~self.shown[item_rows] | ~users.any(axis=1)] = -np.inf
        return scores

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        """Cosine of the items' summed vectors."""
        scores: FloatBlock = self._unit_factors[rows] @ self._unit_factors.T
        scores[:, ~self.shown] = -np.inf
        return scores

    @cached_property
    def _unit_factors(self) -> Floats:
        return unit_rows(self.item_factors)
