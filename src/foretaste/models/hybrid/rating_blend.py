"""A blend of rating predictors whose weights are learnt on ratings that they have not seen."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeFloat, model_validator

from foretaste.data import Dataset
from foretaste.errors import ConfigurationError, CorruptStateError
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.registry import create_model, model_class
from foretaste.models.state import State


class RatingPart(ModelConfig):
    """One model of a blend."""

    model: str
    """Its registered name; it must predict ratings."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Its own parameters."""


class RatingBlendConfig(ModelConfig):
    """Settings of :class:`RatingBlend`."""

    parts: tuple[RatingPart, ...] = (
        RatingPart(model="bias"),
        RatingPart(model="svdpp"),
        RatingPart(model="nmf"),
    )
    """The models, each with its parameters."""
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the ratings on which the weights are learnt; every part is fitted again on all ratings afterwards."""
    regularization: NonNegativeFloat = 0.01
    """Ridge that pulls the weights towards equal ones, for each rating of that share."""
    non_negative: bool = True
    """No part may count against another."""
    seed: int = 0
    """Seed of the choice of that share."""

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if not self.parts:
            raise ValueError("a blend needs at least one part")
        return self


class RatingBlend(Recommender):
    """A rating as c + Σ w_p · (rating predicted by part p), the weights by ridge regression on held-out ratings.

    The parts are fitted on the rest of the ratings, w and c on the held-out share, then the parts again on everything.
    w minimises Σ (r - c - Σ w_p r_p)² + λ·n·Σ (w_p - 1/P)², with w ≥ 0 unless told otherwise. A part that knows nothing
    of an item or user is stood in for by the weighted mean of those that do. ``score`` is kept within the lowest and
    highest rating seen; lists are ordered without that cut.

    Source: stacking, Breiman 1996, “Stacked regressions”; as in Töscher, Jahrer, Bell 2009, “The BigChaos solution to
    the Netflix grand prize”, section 4. Cost: fits every part twice.

    >>> RatingBlend(parts=[{"model": "bias"}, {"model": "svd"}]).predicts_ratings
    True
    """

    name = "rating_blend"
    config: RatingBlendConfig
    config_class = RatingBlendConfig
    state_fields = ("weights", "offset", "lowest", "highest")
    predicts_ratings = True

    weights: npt.NDArray[np.float64]  # (P,)
    offset: float
    lowest: float
    highest: float

    def __init__(self, config: ModelConfig | None = None, **parameters: Any) -> None:
        super().__init__(config, **parameters)
        self._use(self._fresh())

    def _fresh(self) -> list[Recommender]:
        return [create_model(part.model, **part.parameters) for part in self.config.parts]

    def _use(self, models: list[Recommender]) -> None:
        """Take the parts and the capabilities that follow from them.

        Raises:
            ConfigurationError: one of them predicts no ratings.
        """
        for model in models:
            if not model.predicts_ratings:
                raise ConfigurationError(f"model {model.name!r} predicts no ratings", hint="use the hybrid 'weighted'")
        self.models = tuple(models)
        for flag in ("scores_new_users", "scores_without_history", "scores_new_items", "finds_similar_items"):
            setattr(self, flag, any(getattr(model, flag) for model in models))
        self.updates_incrementally = all(model.updates_incrementally for model in models)  # type: ignore[misc]

    def _fit(self, data: Dataset) -> None:
        self._measure(data)
        steps = 2 * len(self.models)
        self.weights, self.offset = np.full(len(self.models), 1 / len(self.models)), 0.0
        ratings = data.matrix("weight").tocoo()
        chosen = np.random.default_rng(self.config.seed).random(ratings.nnz) < self.config.validation_share
        users, items = ratings.row[chosen].astype(np.int32), ratings.col[chosen].astype(np.int32)
        inner = _without(data, users, items)
        if len(users) and (inner.interactions.weights > 0).any() and len(self.models) > 1:
            predicted = np.empty((len(users), len(self.models)))
            for p, model in enumerate(self._fresh()):
                predicted[:, p] = _raw_ratings(model.fit(inner), users, items)
                self._report(p + 1, steps)
            weights, offset = self._regressed(predicted, ratings.data[chosen].astype(np.float64))
            if weights.sum() > 0:  # else no part says anything of the held-out ratings: equal weights stay
                self.weights, self.offset = weights, offset
        for p, model in enumerate(self.models):
            model.fit(data)
            self._report(len(self.models) + p + 1, steps)

    def _update(self, data: Dataset) -> None:
        self._measure(data)
        for model in self.models:
            model.update(data)

    def _measure(self, data: Dataset) -> None:
        ratings = data.matrix("weight").data
        self.lowest = float(ratings.min()) if len(ratings) else 0.0
        self.highest = float(ratings.max()) if len(ratings) else 0.0

    def _regressed(
        self, predicted: npt.NDArray[np.float64], ratings: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], float]:
        """Weights and offset that fit ``ratings`` best, as a least-squares problem with the ridge as further rows."""
        from scipy.optimize import nnls

        n, width = predicted.shape
        centre, middle = predicted.mean(axis=0), ratings.mean()
        strength = np.sqrt(max(self.config.regularization, 1e-9) * n)
        rows = np.concatenate([predicted - centre, strength * np.eye(width)])
        targets = np.concatenate([ratings - middle, np.full(width, strength / width)])
        weights = nnls(rows, targets)[0] if self.config.non_negative else np.linalg.lstsq(rows, targets)[0]
        return np.asarray(weights, np.float64), float(middle - centre @ weights)

    # --- saving ------------------------------------------------------------------------------------------------------

    def _parts(self) -> dict[str, Recommender]:
        return {f"part{n}": model for n, model in enumerate(self.models)}

    def _restore_parts(self, parts: dict[str, State]) -> None:
        names = [f"part{n}" for n in range(len(self.config.parts))]
        if set(parts) != set(names) or [parts[name].kind for name in names] != [p.model for p in self.config.parts]:
            raise CorruptStateError("the saved blend does not hold the parts of its config")
        self._use([model_class(parts[name].kind).from_state(parts[name], self.population) for name in names])

    # --- scoring -----------------------------------------------------------------------------------------------------

    def _scores(self, batch: UserBatch) -> FloatBlock:
        total = np.zeros((len(batch), len(self.items)), np.float32)
        known = np.zeros_like(total)
        for model, weight in zip(self.models, self.weights.astype(np.float32), strict=True):
            servable = model._servable(batch, [None] * len(batch), "empty")
            if not servable.any():
                continue
            block = model._scores(batch)
            there = np.isfinite(block) & servable[:, None]
            total += weight * np.where(there, block, np.float32(0.0))
            known += np.where(there, weight, np.float32(0.0))
        everything = np.float32(self.weights.sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            total *= np.where(known > 0, everything / known, np.float32(0.0))
        total += np.float32(self.offset)
        total[known <= 0] = -np.inf
        return total

    def _pair_scores(self, user_rows: Rows, item_rows: Rows) -> npt.NDArray[np.float32]:
        ratings = super()._pair_scores(user_rows, item_rows)
        unknown = ~np.isfinite(ratings)  # an item that is in no list still has a predicted rating
        if unknown.any():
            parts = np.stack([model.score_rows(user_rows[unknown], item_rows[unknown]) for model in self.models])
            ratings[unknown] = np.float32(self.offset) + self.weights.astype(np.float32) @ parts
        return np.clip(ratings, np.float32(self.lowest), np.float32(self.highest))

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        """The mean of the parts that know one."""
        able = [model._item_similarity(rows) for model in self.models if model.finds_similar_items]
        return np.asarray(np.mean(able, axis=0), np.float32)


def _without(data: Dataset, user_rows: Rows, item_rows: Rows) -> Dataset:
    """The data set without these pairs."""
    events = data.interactions
    pairs = events.user_rows.astype(np.int64) * data.n_items + events.item_rows
    gone = user_rows.astype(np.int64) * data.n_items + item_rows
    return data.with_interactions(events.where(~np.isin(pairs, gone)))


def _raw_ratings(model: Recommender, user_rows: Rows, item_rows: Rows) -> npt.NDArray[np.float32]:
    """Predicted ratings without the cut at the ends of the scale, where the model ranks the item at all."""
    ratings = Recommender._pair_scores(model, user_rows, item_rows)
    cut = ~np.isfinite(ratings)
    ratings[cut] = model.score_rows(user_rows[cut], item_rows[cut])
    return ratings
