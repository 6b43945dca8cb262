"""A weighted sum of other models' scores."""

from collections.abc import Mapping
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeFloat, model_validator

from foretaste.errors import ConfigurationError
from foretaste.models.base import FloatBlock, Recommender, Rows, UserBatch
from foretaste.models.hybrid.base import HybridBase, HybridConfig, HybridPart
from foretaste.models.hybrid.normalize import Normalization, normalize


class WeightedPart(HybridPart):
    """One model of a weighted hybrid."""

    weight: NonNegativeFloat = 1.0
    """How much it counts, relative to the others."""


class WeightedHybridConfig(HybridConfig):
    """Settings of :class:`WeightedHybrid`."""

    parts: tuple[WeightedPart, ...] = (WeightedPart(model="item_knn"), WeightedPart(model="popular", weight=0.1))
    """The models, each with its parameters and weight."""
    normalization: Normalization = "zscore"
    """How each user's scores of each model are brought to one scale: ``zscore``, ``minmax``, ``rank`` or ``none``."""

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if sum(part.weight for part in self.parts) <= 0:
            raise ValueError("a hybrid needs at least one part with a weight above 0")
        return self


class WeightedHybrid(HybridBase):
    """The weighted mean of other models' scores, brought to one scale user by user.

    Score = Σ w_p · normalised score of part p / Σ w_p. An item of which a part knows nothing gets that user's lowest
    value of that part; a part that cannot serve a user at all says 0 about every item. An item of which no part knows
    anything is left out. Its capabilities follow from those of its parts; it predicts ratings when all parts do and
    nothing is normalised.

    >>> WeightedHybrid(parts=[{"model": "popular"}, {"model": "newest", "weight": 0.2}]).scores_without_history
    True
    """

    name = "weighted"
    config_class = WeightedHybridConfig

    @classmethod
    def of(
        cls,
        models: Mapping[str, Recommender],
        weights: Mapping[str, float] | None = None,
        *,
        normalization: Normalization = "zscore",
    ) -> Self:
        """A fitted hybrid of fitted models, which it shares; weights are 1 where not given.

        Raises:
            ConfigurationError: no models, a weight for a model that is not there, or models of different data sets.
            NotFittedError: one of them is not fitted.
        """
        weights = dict(weights or {})
        stray = sorted(set(weights) - set(models))
        if stray:
            raise ConfigurationError(f"{stray[0]!r} has a weight and is no part", hint=f"parts: {', '.join(models)}")
        parts = [
            {"model": m.name, "parameters": m.config.model_dump(mode="json"), "weight": weights.get(name, 1.0)}
            for name, m in models.items()
        ]
        hybrid = cls(parts=parts, normalization=normalization)
        population = next(iter(models.values())).population
        for name, model in models.items():
            own = model.population
            if own is not population and (own.users, own.items) != (population.users, population.items):
                raise ConfigurationError(f"model {name!r} was fitted on another data set than the rest")
        hybrid._population = population
        hybrid._use(list(models.values()))
        return hybrid

    def _flags(self, models: tuple[Recommender, ...]) -> dict[str, bool]:
        raw_ratings = self.config.normalization == "none" and all(m.predicts_ratings for m in models)
        return super()._flags(models) | {"predicts_ratings": raw_ratings}

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """The weights of the parts, summing to 1 (P,)."""
        given = np.array([part.weight for part in self.config.parts], dtype=np.float64)
        return np.asarray(given / given.sum(), dtype=np.float32)

    def _part_weights(self, batch: UserBatch) -> npt.NDArray[np.float32]:
        return self.weights

    def _mixed(self, blocks: list[FloatBlock], weights: npt.NDArray[np.float32]) -> FloatBlock:
        total = np.zeros_like(blocks[0])
        known = np.zeros(total.shape, dtype=bool)
        for block, weight in zip(blocks, weights, strict=True):
            known |= np.isfinite(block)
            total += weight * normalize(block, self.config.normalization)
        total[~known] = -np.inf
        return total

    def _scores(self, batch: UserBatch) -> FloatBlock:
        return self._mixed([self._part_scores(model, batch) for model in self.models], self.weights)

    def _pair_scores(self, user_rows: Rows, item_rows: Rows) -> npt.NDArray[np.float32]:
        if not self.predicts_ratings:
            return super()._pair_scores(user_rows, item_rows)
        parts = np.stack([model.score_rows(user_rows, item_rows) for model in self.models])  # (P, N)
        return np.asarray(self.weights @ parts, dtype=np.float32)

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        able = [n for n, model in enumerate(self.models) if model.finds_similar_items]
        return self._mixed([self.models[n]._item_similarity(rows) for n in able], self.weights[able])
