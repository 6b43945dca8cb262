"""Bayesian matrix factorisation of ratings by Gibbs sampling: the mean over many models instead of one best."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from scipy import sparse

from foretaste.data import Dataset
from foretaste.models.base import ModelConfig
from foretaste.models.factorization.rating_factors import Doubles, Floats, RatingFactors

_ROWS_AT_ONCE = 4096


class BPMFConfig(ModelConfig):
    """Settings of :class:`BPMF`."""

    n_factors: PositiveInt = 16
    """Length of the vectors of one sample."""
    epochs: PositiveInt = 100
    """Samples drawn after the burn-in."""
    burn_in: NonNegativeInt = 30
    """Samples drawn and thrown away at first."""
    kept_samples: PositiveInt = 20
    """Samples that are kept, evenly spread; at most ``epochs``."""
    implicit: bool = True
    """Learn also from who rated what, whatever the rating."""
    start_scale: PositiveFloat = 0.1
    """Standard deviation of the vectors at the start."""
    seed: int = 0
    """Seed of the chain."""


@dataclass
class _Side:
    """Users or items while a chain runs. Vectors are (F, rows): one factor after the other."""

    indptr: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int32]
    place: npt.NDArray[np.int32]  # of each entry among the ratings sorted by user
    share: Floats  # n^-½ of each row
    bias: Floats
    own: Floats
    total: Floats  # own and what is implied by the columns
    implicit: Floats  # (F, columns)
    bias_prior: tuple[float, float] = (0.0, 1.0)
    priors: list[tuple[float, float]] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        matrix: sparse.csr_array,
        place: npt.NDArray[np.int32],
        n_factors: int,
        scale: float,
        rng: np.random.Generator,
    ) -> "_Side":
        n_rows, n_columns = matrix.shape
        own = rng.standard_normal((n_factors, n_rows), dtype=np.float32) * np.float32(scale)
        return cls(
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(np.int32),
            place,
            (1 / np.sqrt(np.maximum(np.diff(matrix.indptr), 1))).astype(np.float32),
            np.zeros(n_rows, np.float32),
            own,
            own.copy(),
            np.zeros((n_factors, n_columns), np.float32),
            priors=[(0.0, 1.0)] * n_factors,
        )


class BPMF(RatingFactors):
    """The posterior mean of μ + b_u + b_i + t_u·v_i with t_u = p_u + |N(u)|^-½ Σ y_j and v_i = q_i + |N(i)|^-½ Σ x_w.

    N(u) are the items that u rated and N(i) the users who rated i: SVD++ from both sides. Everything has a normal
    prior, one for each factor, whose mean and precision are sampled too, as is the precision of the ratings; so there
    is next to nothing to tune. A few samples, evenly spread, are kept; the vectors of the model are theirs side by
    side. Users are put at their mean given a sample's items, which is also where somebody new who comes with the same
    history ends.

    Source: Salakhutdinov & Mnih 2008, “Bayesian probabilistic matrix factorization using MCMC”; one coordinate at a
    time as in Rendle 2012, “Factorization machines with libFM”; the implicit terms of both sides from Rendle, Zhang,
    Koren 2019, arXiv:1905.01395. Differs: implicit terms enter the vectors only; conditional means for users
    instead of samples; a thinned chain.
    Cost: O(nnz·F) a sample, about 30 ns of one core for each rating and factor; keeps 4·(U + 2·I)·F bytes for each of
    the ``kept_samples``.
    """

    name = "bpmf"
    config: BPMFConfig
    config_class = BPMFConfig
    state_fields = (*RatingFactors.state_fields, "implicit_factors", "item_biases", "precisions", "centres", "alphas")

    implicit_factors: Floats  # (I, S·F) y of each sample
    item_biases: Floats  # (I, S)
    centres: Doubles  # (S, F + 1) prior means of b_u and of each coordinate of p_u
    precisions: Doubles  # (S, F + 1)
    alphas: Doubles  # (S,) precision of a rating

    def _fit(self, data: Dataset) -> None:
        config = self.config
        ratings = self._ratings(data)
        self._measure(ratings)
        self.mean = float(ratings.data.mean(dtype=np.float64))
        rng = np.random.default_rng(config.seed)
        by_item = ratings.T.tocsr()
        place = np.argsort(ratings.indices, kind="stable").astype(np.int32)
        there = np.arange(ratings.nnz, dtype=np.int32)
        users = _Side.of(ratings, there, config.n_factors, config.start_scale, rng)
        items = _Side.of(sparse.csr_array(by_item), place, config.n_factors, config.start_scale, rng)
        rows = np.repeat(np.arange(data.n_users), np.diff(ratings.indptr))
        explained = np.einsum("fn,fn->n", users.total[:, rows], items.total[:, ratings.indices])
        errors = np.asarray(self._standardized(ratings) - explained, np.float32)
        n_kept = min(config.kept_samples, config.epochs)
        kept = set(config.burn_in + np.linspace(0, config.epochs, n_kept + 1).astype(int)[1:])
        total = config.burn_in + config.epochs
        samples: list[tuple[_Sample, Floats, Floats]] = []
        for step in range(1, total + 1):
            alpha = _draw(users, items, errors, rng, implicit=config.implicit)
            if step in kept:
                sample = _Sample.of(users, items, alpha)
                samples.append((sample, *sample.fold(ratings, self._standardized(ratings))))
            self._report(step, total, self.scale * float(np.sqrt(np.square(errors, dtype=np.float64).mean())))
        self._keep(samples)
        self._forget_derived()

    def _keep(self, samples: list[tuple["_Sample", Floats, Floats]]) -> None:
        """The samples side by side; divided so that the product of all is the mean of the products."""
        weight = np.float32(1 / np.sqrt(len(samples)))
        parts = [sample for sample, _, _ in samples]
        self.user_bias = np.stack([bias for _, bias, _ in samples]).mean(axis=0, dtype=np.float64).astype(np.float32)
        self.user_factors = weight * np.concatenate([taste for _, _, taste in samples], axis=1)
        self.item_biases = np.stack([part.item_bias for part in parts], axis=1)
        self.item_factors = np.asarray(
            weight * np.concatenate([part.item_factors for part in parts], axis=1), np.float32
        )
        self.implicit_factors = np.concatenate([part.implicit for part in parts], axis=1)
        self.centres, self.precisions = np.stack([p.centres for p in parts]), np.stack([p.precisions for p in parts])
        self.alphas = np.array([part.alpha for part in parts])
        self.item_bias = self.item_biases.mean(axis=1, dtype=np.float64).astype(np.float32)
        unknown = ~self.is_rated
        for table in (self.item_factors, self.item_bias, self.item_biases, self.implicit_factors):
            table[unknown] = 0.0

    def _fold(self, ratings: sparse.csr_array) -> tuple[Floats, Floats]:
        n_samples, width = len(self.alphas), self.item_factors.shape[1] // len(self.alphas)
        bias = np.zeros(ratings.shape[0])
        tastes = np.zeros((ratings.shape[0], n_samples * width), np.float32)
        weight = np.float32(1 / np.sqrt(n_samples))
        standardized = self._standardized(ratings)
        for n in range(n_samples):
            own = slice(n * width, (n + 1) * width)
            sample = _Sample(
                self.item_biases[:, n],
                np.ascontiguousarray(self.item_factors[:, own] / weight),
                np.ascontiguousarray(self.implicit_factors[:, own]),
                self.centres[n],
                self.precisions[n],
                float(self.alphas[n]),
            )
            one, taste = sample.fold(ratings, standardized)
            bias += one / n_samples
            tastes[:, own] = taste * weight
        return bias.astype(np.float32), tastes


@dataclass(frozen=True)
class _Sample:
    """What one sample says of the items, and of users in general."""

    item_bias: Floats
    item_factors: Floats  # (I, F)
    implicit: Floats  # (I, F)
    centres: Doubles  # (F + 1,)
    precisions: Doubles  # (F + 1,)
    alpha: float

    @classmethod
    def of(cls, users: _Side, items: _Side, alpha: float) -> "_Sample":
        priors = np.array([users.bias_prior, *users.priors])
        totals, implicit = np.ascontiguousarray(items.total.T), np.ascontiguousarray(users.implicit.T)
        return cls(items.bias.copy(), totals, implicit, priors[:, 0].copy(), priors[:, 1].copy(), alpha)

    def fold(self, ratings: sparse.csr_array, standardized: Floats) -> tuple[Floats, Floats]:
        """Mean of b (B,) and t (B, F) of users with these ratings; zero for a user without any."""
        from foretaste.models.kernels.bpmf import normal_equations

        n_rows, width = ratings.shape[0], self.item_factors.shape[1]
        counts = np.diff(ratings.indptr)
        ones = sparse.csr_array((np.ones(ratings.nnz, np.float32), ratings.indices, ratings.indptr), ratings.shape)
        implied = np.asarray((ones @ self.implicit) / np.sqrt(np.maximum(counts, 1))[:, None], np.float32)
        bias, tastes = np.zeros(n_rows, np.float32), implied
        for start in range(0, n_rows, _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, n_rows)
            entries = slice(ratings.indptr[start], ratings.indptr[stop])
            columns = ratings.indices[entries].astype(np.int32)
            rows = np.repeat(np.arange(start, stop), counts[start:stop])
            left = standardized[entries] - self.item_bias[columns]
            left -= np.einsum("nf,nf->n", implied[rows], self.item_factors[columns])
            systems = np.zeros((stop - start, width + 1, width + 1))
            right = np.zeros((stop - start, width + 1))
            indptr = (ratings.indptr[start : stop + 1] - ratings.indptr[start]).astype(np.int64)
            normal_equations(indptr, columns, left, self.item_factors, systems, right)
            systems *= self.alpha
            systems[:, np.arange(width + 1), np.arange(width + 1)] += self.precisions
            right = self.alpha * right + self.precisions * self.centres
            solved = np.linalg.solve(systems, right[:, :, None])[:, :, 0]
            solved[counts[start:stop] == 0] = 0.0
            bias[start:stop] = solved[:, 0]
            tastes[start:stop] += solved[:, 1:].astype(np.float32)
        return bias, tastes


def _draw(users: _Side, items: _Side, errors: Floats, rng: np.random.Generator, *, implicit: bool) -> float:
    """One sweep over everything there is to sample; the precision of a rating that it used."""
    from foretaste.models.kernels.bpmf import sample_biases, sample_factor, sample_implied

    alpha = rng.gamma((1 + len(errors)) / 2) / ((1 + float(np.square(errors, dtype=np.float64).sum())) / 2)
    for side in (users, items):
        side.bias_prior = _prior(side.bias, rng)
        noise = _noise(rng, len(side.bias))
        sample_biases(side.indptr, side.place, errors, side.bias, noise, alpha, *side.bias_prior)
    for f in range(len(users.own)):
        for side, other in ((users, items), (items, users)):
            side.priors[f] = _prior(side.own[f], rng)
            noise = _noise(rng, side.own.shape[1])
            entries = (side.indptr, side.columns, side.place, errors)
            sample_factor(*entries, side.own[f], side.total[f], other.total[f], noise, alpha, *side.priors[f])
            if implicit:
                precision = _precision(side.implicit[f], rng)
                noise = _noise(rng, side.implicit.shape[1])
                sample_implied(
                    *entries,
                    other.indptr,
                    other.columns,
                    side.share,
                    side.implicit[f],
                    side.total[f],
                    other.total[f],
                    noise,
                    alpha,
                    precision,
                )
    return float(alpha)


def _prior(values: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """A mean and a precision for values that come from one normal distribution, under a normal-gamma hyperprior."""
    n, mean = len(values), float(values.mean(dtype=np.float64))
    spread = float(np.square(values - mean, dtype=np.float64).sum()) + n / (n + 1) * mean**2
    precision = rng.gamma((2 + n) / 2) / ((1 + spread) / 2)
    return n * mean / (n + 1) + rng.standard_normal() / np.sqrt(precision * (n + 1)), precision


def _precision(values: Floats, rng: np.random.Generator) -> float:
    """A precision for values around 0; a sharp one at the start, where all of them are 0."""
    if not values.any():
        return 100.0
    return float(rng.gamma((1 + len(values)) / 2) / ((1 + float(np.square(values, dtype=np.float64).sum())) / 2))


def _noise(rng: np.random.Generator, n: int) -> Floats:
    return rng.standard_normal(n, dtype=np.float32)
