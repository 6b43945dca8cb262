"""What the factor models with sampled comparisons share: vectors, training by blocks, fold-in, early stop."""

from abc import abstractmethod
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from scipy import sparse

from foretaste.data import Dataset, Histories, Values
from foretaste.errors import DataInsufficientError
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.factors import embedded, unit_rows
from foretaste.models.flat_index import FlatIndex
from foretaste.models.partitioned_index import PartitionedIndex, Retrieval, factor_index
from foretaste.models.sampling import drawn_items, equal_parts, padded
from foretaste.models.threads import map_threads, n_threads

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

_PART_BYTES = 262_144
"""Item vectors of one part: they stay in a core's own cache while a block is worked on."""
_LEAST_ITEMS = 512
"""Others are drawn from the part of the positive item, so a part must be wide."""
_FEW_PARTS = 8
_LEAST_ENTRIES = 3
"""Beyond a few parts, a user should have so many entries in each: a user's vector is fetched once a block."""
_HEAVIEST = 5.0
"""A weight counts at most so many times the mean weight."""
_OTHERS_PER_HELD_OUT = 12


class SampledConfig(ModelConfig):
    """Settings that the factor models with sampled comparisons share."""

    n_factors: PositiveInt = 64
    """Length of the vectors."""
    epochs: PositiveInt = 30
    """Passes over the interactions."""
    learning_rate: PositiveFloat = 0.3
    """Size of a row's first step; later ones shrink with the row's own squared pulls (Adagrad, one number a row)."""
    regularization: NonNegativeFloat = 0.01
    """Ridge λ on the vectors, at every step."""
    bias_regularization: NonNegativeFloat = 0.01
    """Ridge on the item biases, at every step."""
    popularity_exponent: float = Field(0.5, ge=0.0, le=1.0)
    """Others are drawn with probability ∝ popularity^this: 0 is uniform; higher compares with well-known items."""
    values: Literal["binary", "weight"] = "binary"
    """Every interaction counts the same, or its steps are scaled by its weight (mean 1, at most 5)."""
    fold_in_passes: int = Field(10, ge=2)
    """Passes over a user's history that find the user's vector when the items are known."""
    validation_share: float = Field(0.0, ge=0.0, le=0.5)
    """Share of the interactions kept aside to stop early by their AUC; 0 trains on everything for all epochs."""
    patience: PositiveInt = 3
    """Epochs without a better AUC on what was kept aside, after which training stops."""
    retrieval: Retrieval = "exact"
    """Lists hold the best items (``exact``), about 98 % of them, quicker in a large catalogue (``approximate``), or
    either by the size of the catalogue (``auto``)."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of the start and of the draws."""


class SampledFactors(Recommender):
    """Base of BPR, WARP and logistic factors: score = x_u·y_i + b_i, learnt from positives beside drawn other items.

    Users and items are cut into as many parts; each epoch deals the items anew. A round works on blocks (a part of
    the users × a part of the items) that share no row, so threads need no locks, and the result does not depend on how
    many there are (Gemulla et al. 2011, «Large-scale matrix factorization with distributed SGD»). Others are drawn
    from the block's own items. At the end the users' vectors are found once more from their histories, items
    standing still: this is the fold-in, so a stranger with the same history gets the same list.
    """

    config: SampledConfig
    config_class: ClassVar[type[ModelConfig]] = SampledConfig
    state_fields = ("user_factors", "item_factors", "item_bias", "popularity", "mean_weight")
    scores_new_users = True
    updates_incrementally = True
    finds_similar_items = True
    loss: ClassVar[int]

    @property
    @abstractmethod
    def _candidates(self) -> int:
        """Other items drawn for a positive one, at most."""

    # --- fitting -----------------------------------------------------------------------------------------------------

    def _fit(self, data: Dataset) -> None:
        rng = np.random.default_rng([self.config.seed, 1])
        self._users = padded(data.n_users, self.config.n_factors)
        self._items = padded(data.n_items, self.config.n_factors)
        self._start(self._users, rng)
        self._start(self._items, rng)
        self._bias: Floats = np.zeros(data.n_items, np.float32)
        self._run(data, self.config.epochs)

    def _update(self, data: Dataset) -> None:
        """Half of the epochs from where the vectors stand; new rows start as in a fit."""
        rng = np.random.default_rng([self.config.seed, 2])
        F = self.config.n_factors
        users, items = padded(data.n_users, F), padded(data.n_items, F)
        self._start(users, rng)
        self._start(items, rng)
        users[: len(self.user_factors), :F] = self.user_factors
        items[: len(self.item_factors), :F] = self.item_factors
        bias = np.zeros(data.n_items, np.float32)
        bias[: len(self.item_bias)] = self.item_bias
        self._users, self._items, self._bias = users, items, bias
        self._run(data, -(-self.config.epochs // 2))

    def _start(self, table: Floats, rng: np.random.Generator) -> None:
        F = self.config.n_factors
        table[:, :F] = rng.standard_normal((len(table), F), dtype=np.float32) * np.float32(0.1 / np.sqrt(F))

    def _run(self, data: Dataset, epochs: int) -> None:
        values: Values = self.config.values
        matrix = data.matrix(values)
        if matrix.nnz == 0:
            raise DataInsufficientError(
                f"data set {data.name!r} has no interaction with a weight above 0", hint="nothing shows what is liked"
            )
        for derived in ("_unit_factors", "_draws", "_table", "_index"):
            self.__dict__.pop(derived, None)
        self.popularity: Ints = np.bincount(matrix.indices, minlength=data.n_items).astype(np.int32)
        self.mean_weight = float(matrix.data.mean(dtype=np.float64))
        if self.config.validation_share > 0:
            self._train_until_best(matrix, epochs)
        else:
            schedule = self._schedule(matrix)
            for epoch in range(epochs):
                self._report(epoch + 1, epochs, schedule.epoch(self, epoch))
        F = self.config.n_factors
        self._items[self.popularity == 0] = 0.0
        self.item_factors: Floats = np.ascontiguousarray(self._items[:, :F])
        self.item_bias: Floats = self._bias
        self._table = self._items
        self.user_factors: Floats = self._fold_in(matrix)
        del self._users, self._items, self._bias

    def _schedule(self, matrix: sparse.csr_array) -> "Schedule":
        weights = self._step_weights(matrix)
        return Schedule(matrix, weights, self.popularity, self._items.shape[1], self.config)

    def _step_weights(self, matrix: sparse.csr_array) -> Floats:
        if self.config.values == "binary":
            return np.empty(0, np.float32)
        return np.minimum(matrix.data / np.float32(self.mean_weight), np.float32(_HEAVIEST)).astype(np.float32)

    def _train_until_best(self, matrix: sparse.csr_array, epochs: int) -> None:
        """Train on a part, keep the vectors of the epoch with the best AUC on the rest."""
        config = self.config
        aside = np.random.default_rng([config.seed, 3]).random(matrix.nnz) < config.validation_share
        train, held_out = _entries(matrix, ~aside), _entries(matrix, aside)
        if train.nnz == 0 or held_out.nnz == 0:
            train = held_out = matrix
        schedule = self._schedule(train)
        best, best_at, kept = -1.0, 0, (self._users.copy(), self._items.copy(), self._bias.copy())
        for epoch in range(epochs):
            schedule.epoch(self, epoch)
            found = self._auc(train, held_out)
            self._report(epoch + 1, epochs, 1.0 - found)
            if found > best:
                best, best_at = found, epoch
                kept = (self._users.copy(), self._items.copy(), self._bias.copy())
            elif epoch - best_at >= config.patience:
                break
        self._users, self._items, self._bias = kept

    def _auc(self, train: sparse.csr_array, held_out: sparse.csr_array) -> float:
        from foretaste.models.kernels.sampled_sgd import ordered_pairs

        right, pairs = ordered_pairs(
            held_out.indptr.astype(np.int64),
            held_out.indices.astype(np.int32),
            train.indptr.astype(np.int64),
            train.indices.astype(np.int32),
            self._users,
            self._items,
            self._bias,
            np.flatnonzero(self.popularity > 0).astype(np.int32),
            _OTHERS_PER_HELD_OUT,
            self.config.seed,
        )
        return right / pairs if pairs else 0.5

    # --- fold-in and scores ------------------------------------------------------------------------------------------

    @cached_property
    def _table(self) -> Floats:
        """Item vectors in rows of whole vectors."""
        table = padded(*self.item_factors.shape)
        table[:, : self.item_factors.shape[1]] = self.item_factors
        return table

    @cached_property
    def _draws(self) -> Ints:
        """Items as often as they are drawn."""
        return drawn_items(np.flatnonzero(self.popularity > 0), self.popularity, self.config.popularity_exponent)

    def _fold_in(self, matrix: sparse.csr_array, *, is_weighed: bool = False) -> Floats:
        """Vectors (n, F) of users with these histories; ``is_weighed`` takes steps as long as the entries are large."""
        from foretaste.models.kernels.sampled_sgd import fold_in

        config, draws, table = self.config, self._draws, self._table
        indptr, columns = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
        weights = matrix.data.astype(np.float32) if is_weighed else self._step_weights(matrix)
        found = np.zeros((matrix.shape[0], table.shape[1]), np.float32)
        n_others = int(np.count_nonzero(self.popularity)) - 1
        rate, ridge = np.float32(config.learning_rate), np.float32(config.regularization)

        def work(bounds: tuple[int, int]) -> None:
            fold_in(
                indptr, columns, weights, *bounds, draws, n_others, table, self.item_bias, found,
                self.loss, self._candidates, rate, ridge, config.fold_in_passes, config.seed,
            )  # fmt: skip

        map_threads(work, equal_parts(indptr, n_threads() * 4 if matrix.nnz > 5_000 else 1))
        return np.ascontiguousarray(found[:, : config.n_factors])

    def _embed(self, batch: UserBatch) -> Floats:
        """Vectors (B, F) of the users: learnt ones, or folded in from the history where that is newer."""
        return embedded(batch, self.user_factors, self._folded)

    def _folded(self, histories: Histories) -> Floats:
        values: Values = self.config.values
        matrix = histories.matrix(values, duplicates=self.population.duplicates)
        return self._fold_in(matrix, is_weighed=values == "binary" and histories.importance is not None)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        factors = self._embed(batch)
        scores: FloatBlock = factors @ np.asarray(self.item_factors).T
        scores += self.item_bias
        scores[:, self.popularity == 0] = -np.inf
        scores[~factors.any(axis=1)] = -np.inf  # nothing is known of a user without interactions either
        return scores

    def _rank(
        self, batch: UserBatch, k: int, seen: Histories | None, allowed: npt.NDArray[np.bool_] | None
    ) -> tuple[Rows, Floats]:
        factors = self._embed(batch)
        factors[~factors.any(axis=1)] = np.nan  # an empty list
        return self._index.search(_and_one(factors), k, seen=seen, allowed=allowed)

    @cached_property
    def _index(self) -> FlatIndex | PartitionedIndex:
        """Of the vectors with the biases as one more factor, which is 1 for every user."""
        items = np.column_stack([self.item_factors, self.item_bias])
        users = _and_one(np.asarray(self.user_factors))
        return factor_index(items, self.config.retrieval, queries=users, offered=self.popularity > 0)

    def _pair_scores(self, user_rows: Rows, item_rows: Rows) -> npt.NDArray[np.float32]:
        users = self.user_factors[user_rows]
        scores: npt.NDArray[np.float32] = np.einsum("nf,nf->n", users, self.item_factors[item_rows])
        scores += self.item_bias[item_rows]
        scores[(self.popularity[item_rows] == 0) | ~users.any(axis=1)] = -np.inf
        return scores

    def _candidate_scores(self, batch: UserBatch, item_rows: Rows) -> FloatBlock:
        factors = self._embed(batch)
        scores: FloatBlock = np.einsum("bf,bnf->bn", factors, np.asarray(self.item_factors)[item_rows])
        scores += self.item_bias[item_rows]
        scores[(self.popularity[item_rows] == 0) | ~factors.any(axis=1, keepdims=True)] = -np.inf
        return scores

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        """Cosine of the item vectors."""
        unit = self._unit_factors
        scores: FloatBlock = unit[rows] @ unit.T
        scores[:, self.popularity == 0] = -np.inf
        return scores

    @cached_property
    def _unit_factors(self) -> Floats:
        return unit_rows(self.item_factors)


class Schedule:
    """Epochs over a matrix by blocks of users × items that threads may work on side by side."""

    def __init__(
        self, matrix: sparse.csr_array, weights: Floats, popularity: Ints, width: int, config: SampledConfig
    ) -> None:
        self.indptr, self.columns = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
        self.weights, self.popularity, self.config = weights, popularity, config
        self.known = np.flatnonzero(popularity > 0)
        wanted = len(self.known) * width * 4 // _PART_BYTES + 1
        worth = max(_FEW_PARTS, matrix.nnz // (_LEAST_ENTRIES * matrix.shape[0]))
        self.n_parts = max(1, min(max(wanted, _FEW_PARTS), worth, len(self.known) // _LEAST_ITEMS))
        self.ranges = equal_parts(self.indptr, self.n_parts)
        self.n_parts = len(self.ranges)
        self.user_sums = np.ones(matrix.shape[0], np.float32)
        self.item_sums = np.ones(matrix.shape[1], np.float32)
        self.marks: Ints = np.full(matrix.shape[1], -1, np.int32)

    def epoch(self, model: SampledFactors, number: int) -> float:
        """One pass; the share of comparisons that were in the wrong order."""
        from foretaste.models.kernels.sampled_sgd import train_block

        config = self.config
        rng = np.random.default_rng([config.seed, 4, number])
        part_of = np.full(len(self.popularity), -1, np.int32)
        dealt = np.array_split(rng.permutation(self.known), self.n_parts)
        for part, items in enumerate(dealt):
            part_of[items] = part
        draws = [drawn_items(items, self.popularity, config.popularity_exponent) for items in dealt]
        seeds = rng.integers(2**62, size=(self.n_parts, self.n_parts))
        rate, ridge = np.float32(config.learning_rate), np.float32(config.regularization)
        bias_ridge = np.float32(config.bias_regularization)

        def work(block: tuple[int, int]) -> tuple[int, int]:
            users, part = block
            start, stop = self.ranges[users]
            return train_block(
                self.indptr, self.columns, self.weights, start, stop, part_of, part, draws[part], len(self.known) - 1,
                model._users, model._items, model._bias, self.user_sums, self.item_sums, self.marks,
                model.loss, model._candidates, rate, ridge, bias_ridge, int(seeds[users, part]),
            )  # fmt: skip

        compared = wrong = 0
        for turn in range(self.n_parts):
            blocks = [(users, (users + turn) % self.n_parts) for users in range(self.n_parts)]
            for a, b in map_threads(work, blocks):
                compared, wrong = compared + a, wrong + b
        return wrong / max(compared, 1)


def _and_one(factors: Floats) -> Floats:
    return np.column_stack([factors, np.ones(len(factors), np.float32)])


def _entries(matrix: sparse.csr_array, keep: npt.NDArray[np.bool_]) -> sparse.csr_array:
    """The matrix with the chosen entries only."""
    sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(keep)])
    return sparse.csr_array((matrix.data[keep], matrix.indices[keep], sums[matrix.indptr]), shape=matrix.shape)
