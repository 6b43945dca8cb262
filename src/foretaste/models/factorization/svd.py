"""Biased matrix factorisation of ratings, by stochastic gradient descent."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from scipy import sparse

from foretaste.data import Dataset
from foretaste.models.base import ModelConfig, Rows, UserBatch
from foretaste.models.factorization.rating_factors import (
    Floats,
    RatingFactors,
    ridge_fold,
    shares_of_ratings,
)
from foretaste.models.kernels.vectors import WIDTH
from foretaste.models.reasons import to_history

Entries = tuple[npt.NDArray[np.int64], Rows, Floats]
"""Row ends (U + 1,), items and standardised ratings of every user, one after the other."""


class SVDConfig(ModelConfig):
    """Settings of :class:`SVD`."""

    n_factors: PositiveInt = 100
    """Length of the vectors."""
    epochs: PositiveInt = 30
    """Passes over the ratings; the most of them where ``validation_share`` is set."""
    learning_rate: PositiveFloat = 0.015
    """Size of a step in the first epoch."""
    learning_rate_decay: float = Field(default=0.97, gt=0, le=1)
    """What the learning rate is multiplied by after each epoch."""
    regularization: NonNegativeFloat = 0.06
    """λ of the vectors, counted once for each rating."""
    regularization_bias: NonNegativeFloat = 0.02
    """λ of the biases, counted once for each rating."""
    start_scale: PositiveFloat = 0.02
    """Standard deviation of the vectors at the start."""
    validation_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the ratings on which the number of epochs is found, before learning from all of them; 0 for none."""
    patience: PositiveInt = 2
    """Epochs without a better error on that share after which the search ends."""
    seed: int = 0
    """Seed of the start and of the order."""


class SVD(RatingFactors):
    """Ratings as μ + b_u + b_i + p_u·q_i.

    Minimises Σ (r - μ - b_u - b_i - p_u·q_i)² + λ(‖p_u‖² + ‖q_i‖²) + λ_b(b_u² + b_i²) over the ratings, a step for each
    rating in turn. Users come in a new order each epoch and all ratings of one follow each other, so that p_u stays in
    the processor; one thread does it, and a seed gives the same model every time. A user who comes with a history gets
    the exact minimum in b_u and p_u for the learnt items.

    Source: Koren, Bell, Volinsky 2009, “Matrix factorization techniques for recommender systems”; known as SVD since
    the Netflix prize, though it is none. Differs: the learning rate decays, biases have their own λ.
    Cost: O(nnz·F) an epoch; keeps 4·(U + I)·F bytes, twice that while fitting.
    """

    name = "svd"
    config: SVDConfig
    config_class: ClassVar[type[ModelConfig]] = SVDConfig
    updates_incrementally = True

    def _fit(self, data: Dataset) -> None:
        ratings = self._ratings(data)
        self._measure(ratings)
        self.mean = float(ratings.data.mean(dtype=np.float64))
        epochs = self.config.epochs
        if self.config.validation_share > 0:
            epochs = self._best_epochs(ratings)
        self._start(*ratings.shape)
        self._run(ratings, epochs)
        self._clear_unknown(ratings)

    def _update(self, data: Dataset) -> None:
        """Go on from what was learnt, for a quarter of the epochs at the middle of their learning rates."""
        ratings = self._ratings(data)
        known = {name: getattr(self, name) for name in self._learnt_names()}
        before = (self.mean, self.scale)
        self._measure(ratings)
        self.mean, self.scale = before
        self._start(*ratings.shape)
        for name, old in known.items():
            fresh = getattr(self, name)
            fresh[: len(old)] = old
        self._run(ratings, max(1, self.config.epochs // 4), first=self.config.epochs // 2)
        self._clear_unknown(ratings)

    def _learnt_names(self) -> tuple[str, ...]:
        return ("user_bias", "item_bias", "user_factors", "item_factors")

    def _start(self, n_users: int, n_items: int) -> None:
        rng = np.random.default_rng(self.config.seed)
        self.user_bias, self.item_bias = np.zeros(n_users, np.float32), np.zeros(n_items, np.float32)
        self.user_factors, self.item_factors = self._noise(rng, n_users), self._noise(rng, n_items)

    def _noise(self, rng: np.random.Generator, n_rows: int) -> Floats:
        noise = rng.standard_normal((n_rows, self.config.n_factors), dtype=np.float32)
        return noise * np.float32(self.config.start_scale)

    def _best_epochs(self, ratings: sparse.csr_array) -> int:
        """The number of epochs with the least error on a held-out part of the ratings."""
        rng = np.random.default_rng(self.config.seed)
        held_out = rng.random(ratings.nnz) < self.config.validation_share
        rows = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
        if held_out.all() or not held_out.any():
            return self.config.epochs
        inner = ratings.copy()
        inner.data = np.where(held_out, np.float32(0), ratings.data)
        inner.eliminate_zeros()
        self._start(*ratings.shape)
        return self._run(
            inner, self.config.epochs, judged=(rows[held_out], ratings.indices[held_out], ratings.data[held_out])
        )

    def _run(
        self,
        ratings: sparse.csr_array,
        epochs: int,
        *,
        first: int = 0,
        judged: tuple[npt.NDArray[np.integer], npt.NDArray[np.integer], Floats] | None = None,
    ) -> int:
        """Learn for ``epochs``; the best number of them by the error on ``judged``, where that is given."""
        config = self.config
        rng = np.random.default_rng(config.seed)
        entries = _shuffled(ratings, self._standardized(ratings), rng)
        padded = PaddedTables({name: getattr(self, name) for name in self._learnt_names()})
        best, best_error = epochs, np.inf
        for epoch in range(epochs):
            order = rng.permutation(ratings.shape[0]).astype(np.int32)
            rate = config.learning_rate * config.learning_rate_decay ** (first + epoch)
            squares = self._pass(padded, order, entries, rate)
            if judged is None:
                loss = self.scale * float(np.sqrt(squares / max(1, ratings.nnz)))
                self._report(epoch + 1, epochs, loss if np.isfinite(loss) else None)
                continue
            padded.into(self)
            error = self._error(ratings, *judged)
            if error < best_error:
                best, best_error = epoch + 1, error
            elif epoch + 1 - best >= config.patience:
                break
        padded.into(self)
        self._forget_derived()
        return best

    def _error(
        self,
        ratings: sparse.csr_array,
        user_rows: npt.NDArray[np.integer],
        item_rows: npt.NDArray[np.integer],
        values: Floats,
    ) -> float:
        self.__dict__["_tastes"] = self.user_factors + self._implied(ratings)
        predicted = self._pair_scores(user_rows.astype(np.int32), item_rows.astype(np.int32))
        return float(np.square(predicted - values, dtype=np.float64).mean())

    def _pass(self, tables: "PaddedTables", order: Rows, entries: Entries, rate: float) -> float:
        from foretaste.models.kernels.rating_sgd import svd_epoch

        config = self.config
        return svd_epoch(
            order,
            *entries,
            tables["user_bias"],
            tables["item_bias"],
            tables["user_factors"],
            tables["item_factors"],
            tables.width,
            np.float32(rate),
            np.float32(config.regularization),
            np.float32(config.regularization_bias),
        )

    def _clear_unknown(self, ratings: sparse.csr_array) -> None:
        """Users and items without ratings end at zero: nothing is known of them."""
        self.user_factors[np.diff(ratings.indptr) == 0] = 0.0
        self.item_factors[~self.is_rated] = 0.0

    # --- users who come with a history -------------------------------------------------------------------------------

    def _implied(self, ratings: sparse.csr_array) -> Floats:
        """What the choice of items alone says of each user, (B, F); nothing here."""
        return np.zeros((ratings.shape[0], self.config.n_factors), np.float32)

    def _left(self, ratings: sparse.csr_array, implied: Floats) -> Floats:
        """What the items and ``implied`` leave unexplained of each rating."""
        rows = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
        explained = self.item_bias[ratings.indices]
        explained = explained + np.einsum("nf,nf->n", implied[rows], self.item_factors[ratings.indices])
        return np.asarray(self._standardized(ratings) - explained, np.float32)

    def _fold(self, ratings: sparse.csr_array) -> tuple[Floats, Floats]:
        implied = self._implied(ratings)
        bias, own = ridge_fold(
            ratings,
            self._left(ratings, implied),
            self.item_factors,
            ridge=self.config.regularization,
            bias_ridge=self.config.regularization_bias,
        )
        return bias, own + implied

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> npt.NDArray[np.floating] | None:
        """What each rating adds to b_u + p_u·q_i by the closed form."""
        ratings = batch.histories.matrix("weight", duplicates=self.population.duplicates)
        if ratings.nnz == 0:
            return None
        shares = shares_of_ratings(
            ratings,
            self._left(ratings, self._implied(ratings)),
            self.item_factors,
            item_rows,
            ridge=self.config.regularization,
            bias_ridge=self.config.regularization_bias,
        )
        return to_history(batch.histories.item_rows, ratings.indices, self.scale * shares)


class PaddedTables(dict[str, Floats]):
    """Tables as the kernels want them: flat, rows filled up with zeros to a whole number of vectors."""

    def __init__(self, tables: dict[str, Floats]) -> None:
        self.shapes = {name: table.shape for name, table in tables.items()}
        n_factors = max(shape[-1] for shape in self.shapes.values() if len(shape) == 2)
        self.width = -(-n_factors // WIDTH) * WIDTH
        super().__init__()
        for name, table in tables.items():
            self[name] = self._padded(table) if table.ndim == 2 else table.copy()

    def _padded(self, table: Floats) -> Floats:
        """A flat copy whose rows begin where a cache line does: no vector lies across two."""
        n_rows, n_factors = table.shape
        raw = np.zeros(n_rows * self.width + WIDTH, np.float32)
        first = -raw.ctypes.data % 64 // raw.itemsize
        flat = raw[first : first + n_rows * self.width]
        flat.reshape(n_rows, self.width)[:, :n_factors] = table
        return flat

    def into(self, model: RatingFactors) -> None:
        """Give the tables back to the model's attributes."""
        for name, shape in self.shapes.items():
            table = self[name].reshape(shape[0], -1)[:, : shape[-1]] if len(shape) == 2 else self[name]
            setattr(model, name, table.copy())


def _shuffled(ratings: sparse.csr_array, values: Floats, rng: np.random.Generator) -> Entries:
    """The ratings by user, those of each in a random order."""
    from foretaste.models.kernels.rating_sgd import shuffle_rows

    indptr, columns, values = ratings.indptr.astype(np.int64), ratings.indices.astype(np.int32), values.copy()
    shuffle_rows(indptr, columns, values, rng.random(len(columns), dtype=np.float32))
    return indptr, columns, values
