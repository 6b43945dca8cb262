"""A weighted sum of other models' scores."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeFloat, model_validator

from foretaste.data import Dataset, Reason
from foretaste.errors import ConfigurationError, CorruptStateError
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.hybrid.normalize import Normalization, normalize
from foretaste.models.hybrid.reasons import mixed_reason
from foretaste.models.registry import create_model, model_class
from foretaste.models.state import State


class HybridPart(ModelConfig):
    """One model of a hybrid."""

    model: str
    """Its registered name."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Its own parameters."""
    weight: NonNegativeFloat = 1.0
    """How much it counts, relative to the others."""


class WeightedHybridConfig(ModelConfig):
    """Settings of :class:`WeightedHybrid`."""

    parts: tuple[HybridPart, ...] = (HybridPart(model="item_knn"), HybridPart(model="popular", weight=0.1))
    """The models, each with its parameters and weight."""
    normalization: Normalization = "zscore"
    """How each user's scores of each model are brought to one scale: ``zscore``, ``minmax``, ``rank`` or ``none``."""

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if not self.parts or sum(part.weight for part in self.parts) <= 0:
            raise ValueError("a hybrid needs at least one part with a weight above 0")
        return self


class WeightedHybrid(Recommender):
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

    def __init__(self, config: ModelConfig | None = None, **parameters: Any) -> None:
        super().__init__(config, **parameters)
        self._use([create_model(part.model, **part.parameters) for part in self.config.parts])

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

    def _use(self, models: list[Recommender]) -> None:
        """Take the parts and the capabilities that follow from them."""
        self.models = tuple(models)
        raw_ratings = self.config.normalization == "none" and all(m.predicts_ratings for m in models)
        flags = {
            "scores_new_users": any(m.scores_new_users for m in models),
            "scores_without_history": any(m.scores_without_history for m in models),
            "scores_new_items": any(m.scores_new_items for m in models),
            "predicts_ratings": raw_ratings,
            "updates_incrementally": all(m.updates_incrementally for m in models),
            "finds_similar_items": any(m.finds_similar_items for m in models),
        }
        for flag, value in flags.items():
            setattr(self, flag, value)

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """The weights of the parts, summing to 1 (P,)."""
        given = np.array([part.weight for part in self.config.parts], dtype=np.float64)
        return np.asarray(given / given.sum(), dtype=np.float32)

    def _fit(self, data: Dataset) -> None:
        for done, model in enumerate(self.models):
            model.fit(data)
            self._report(done + 1, len(self.models))

    def _update(self, data: Dataset) -> None:
        for model in self.models:
            model.update(data)

    def _parts(self) -> dict[str, Recommender]:
        return {f"part{n}": model for n, model in enumerate(self.models)}

    def _restore_parts(self, parts: dict[str, State]) -> None:
        self._check_names(parts)
        states = [parts[f"part{n}"] for n in range(len(parts))]
        self._use([model_class(state.kind).from_state(state, self.population) for state in states])

    def _check_names(self, parts: dict[str, State]) -> None:
        kinds = [parts[name].kind for name in sorted(parts, key=lambda name: (len(name), name))]
        names = {f"part{n}" for n in range(len(self.config.parts))}
        if set(parts) != names or kinds != [part.model for part in self.config.parts]:
            raise CorruptStateError(f"the saved hybrid holds {kinds}, not the parts of its config")

    # --- scoring -----------------------------------------------------------------------------------------------------

    def _part_scores(self, model: Recommender, batch: UserBatch) -> FloatBlock:
        """One part's own scores, -inf for users that it cannot serve."""
        servable = model._servable(batch, [None] * len(batch), "empty")
        if not servable.any():
            return np.full((len(batch), len(self.items)), -np.inf, dtype=np.float32)
        scores = model._scores(batch)
        scores[~servable] = -np.inf
        return scores

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

    def _reasons_of_one(self, batch: UserBatch, item_rows: Rows) -> tuple[Reason | None, ...]:
        shown = np.maximum(item_rows, 0)
        given: list[tuple[npt.NDArray[np.float32], tuple[Reason | None, ...]]] = []
        for model, weight in zip(self.models, self.weights, strict=True):
            scores = self._part_scores(model, batch)
            strength = weight * normalize(scores, "rank")[0, shown]
            strength[~np.isfinite(scores[0, shown])] = 0.0
            given.append((strength, model._reasons_of_one(batch, item_rows)))
        return tuple(
            mixed_reason([(float(s[n]), reasons[n]) for s, reasons in given if s[n] > 0]) if row >= 0 else None
            for n, row in enumerate(item_rows.tolist())
        )
