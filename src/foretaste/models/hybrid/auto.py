"""The model that picks, tunes and stacks other models by itself, within a time budget."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from foretaste.data import Dataset
from foretaste.errors import ForetasteError, ModelTrainingError
from foretaste.logs import get_logger
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.hybrid.base import HybridBase, HybridPart
from foretaste.models.hybrid.candidates import Candidates, gather
from foretaste.models.hybrid.holdout import Holdout, hold_out
from foretaste.models.hybrid.normalize import normalize
from foretaste.models.hybrid.weights import blend_ndcg, learn_weights
from foretaste.models.registry import create_model, model_class, model_names
from foretaste.models.spaces import SpaceFile, spaces_for

log = get_logger(__name__)
_SHARE_FOR_PARTS = 0.6
"""Of the time budget that goes to trials; the rest is for stacking and for fitting what was chosen on all data."""
_LIST_LENGTH = 10
_FAILURES = (ForetasteError, ArithmeticError, ImportError, LookupError, MemoryError, TypeError, ValueError)
"""What one candidate may raise without ending the search; whatever it is stands in its trial."""


class AutoConfig(ModelConfig):
    """Settings of :class:`Auto`."""

    time_budget_s: PositiveFloat = 120.0
    """Seconds for the whole of ``fit``. A trial that has begun is finished, so a slow model can take it over."""
    max_trials: PositiveInt = 60
    """Most settings that are tried."""
    models: tuple[str, ...] = ()
    """Models to try, in this order; empty for those that suit the size of the data."""
    max_parts: int = Field(default=4, ge=1, le=10)
    """Most models that are stacked."""
    stack: bool = True
    """Stack the best models where that does better on held-out items than the best alone."""
    min_gain: float = Field(default=0.005, ge=0.0)
    """Part by which the stack must be better."""
    test_share: float = Field(default=0.15, gt=0.0, le=0.5)
    """Part of each user's items that is held out to judge on."""
    max_users: PositiveInt = 3000
    """Users that settings are judged on, drawn at random."""
    seed: NonNegativeInt = 0
    """Start of the random numbers: the order of the trials follows from it."""


@dataclass
class _Trial:
    """One setting of one model, and what it reached."""

    model: str
    parameters: dict[str, Any]
    ndcg: float | None = None
    seconds: float = 0.0
    error: str = ""
    fitted: Recommender | None = field(default=None, repr=False)

    def told(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "parameters": self.parameters,
            "ndcg": self.ndcg,
            "seconds": round(self.seconds, 3),
            "error": self.error,
        }


class Auto(HybridBase):
    """Tries the models that suit the data, tunes the best ones, stacks them where that helps.

    Part of each user's items is held out. First each candidate model is judged once with the parameters that suit the
    size of the data (``pipelines/search/*.toml``); then by successive halving the better half gets a few more settings
    each, the better half of these again, while time and trials last. The best setting of each of the best models
    goes into a stack whose weights a genetic algorithm learns on one half of the held-out users; it is kept if it
    beats the best single model on the other half. What was chosen is fitted on all data. ``trials`` tells all that was
    tried.

    The order of the trials depends on the seed only; how far they come depends on the time. A candidate that fails is
    logged, kept in ``trials`` with its error, and passed over. Where nothing can be held out, or no trial succeeds,
    it is the first model of the list that can be fitted.
    Cost: that of the candidates, several times over; set ``time_budget_s``.
    """

    name = "auto"
    config_class = AutoConfig
    state_fields = ("chosen", "weights", "trials", "validation")

    def _part_specs(self) -> Sequence[HybridPart]:
        return [HybridPart(**part) for part in self.__dict__.get("chosen", [])]

    def _flags(self, models: tuple[Recommender, ...]) -> dict[str, bool]:
        return super()._flags(models) | {"updates_incrementally": False}

    # --- fitting -----------------------------------------------------------------------------------------------------

    def _fit(self, data: Dataset) -> None:
        config: AutoConfig = self.config
        self._end = time.monotonic() + config.time_budget_s * _SHARE_FOR_PARTS
        spaces = spaces_for(data)
        names = [name for name in config.models or _suited(spaces, data) if config.models or name in model_names()]
        holdout = hold_out(data, config.test_share, seed=config.seed)
        tried = self._try(names, spaces, holdout) if holdout is not None else []
        best = _best_of_each(tried)
        parts, weights, told = self._stacked(best, holdout) if holdout is not None else ([], [], {})
        spare = [_Trial(name, dict(spaces.defaults.get(name, {}))) for name in [*names, "popular"]]
        models, kept, shares = self._fitted_parts(parts, weights, [*best, *spare], data)
        self._use(models)
        self.chosen: list[dict[str, Any]] = [{"model": p.model, "parameters": p.parameters} for p in kept]
        """The models that it is made of, with their parameters."""
        self.weights = np.asarray(shares, dtype=np.float32)
        """The weight of each of them (P,)."""
        self.trials: list[dict[str, Any]] = [trial.told() for trial in tried]
        """Everything that was tried, in order: model, parameters, NDCG@10 on held-out items, seconds, error."""
        self.validation: dict[str, Any] = told
        """NDCG@10 of the best single model and of the stack on users that the stack's weights were not learned on."""
        log.info("models_chosen", chosen=[part["model"] for part in self.chosen], trials=len(tried), **told)

    def _try(self, names: Sequence[str], spaces: SpaceFile, holdout: Holdout) -> list[_Trial]:
        """Trials in rounds: every model once, then the better half of the models with more settings each."""
        tried: list[_Trial] = []
        for name, parameters in self._rounds(names, spaces, tried):
            if tried and (len(tried) >= self.config.max_trials or time.monotonic() > self._end):
                break
            trial = _Trial(name, parameters)
            start = time.perf_counter()
            try:
                trial.fitted = create_model(name, **parameters).fit(holdout.train)
                trial.ndcg = self._judge(trial.fitted, holdout)
            except _FAILURES as exc:
                trial.error = f"{type(exc).__name__}: {exc}"
                log.warning("trial_failed", model=name, parameters=parameters, error=trial.error)
            trial.seconds = time.perf_counter() - start
            tried.append(trial)
            for other in tried:  # only the best of each model is needed again
                if other is not trial and other.model == name and (other.ndcg or 0.0) < (trial.ndcg or 0.0):
                    other.fitted = None
                elif other is not trial and other.model == name:
                    trial.fitted = None if other.fitted is not None else trial.fitted
            self._report(len(tried), self.config.max_trials + 1)
        return tried

    def _rounds(
        self, names: Sequence[str], spaces: SpaceFile, tried: list[_Trial]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Successive halving; reads what the earlier trials came to."""
        rng = np.random.default_rng(self.config.seed)
        for name in names:
            yield name, dict(spaces.defaults.get(name, {}))
        left, settings = list(names), 2
        while left:
            scores = {trial.model: trial.ndcg or 0.0 for trial in reversed(_best_of_each(tried))}
            left = sorted((name for name in left if name in scores), key=lambda name: -scores[name])
            left = left[: max(1, -(-len(left) // 2))]
            searchable = [name for name in left if spaces.space(name).dimensions]
            if not searchable:
                return
            for name in searchable:
                space = spaces.space(name)
                for _ in range(settings):
                    yield name, space.at(rng.random(len(space.dimensions)))
            settings *= 2

    def _judge(self, model: Recommender, holdout: Holdout) -> float:
        """NDCG@10 of its lists for a sample of users."""
        found = self._table([model], holdout, n_candidates=_LIST_LENGTH)
        return float(blend_ndcg(found, np.ones(1), k=_LIST_LENGTH)[0])

    def _table(self, models: Sequence[Recommender], holdout: Holdout, *, n_candidates: int) -> Candidates:
        config: AutoConfig = self.config
        return gather(
            models, holdout, self._scaled, n_candidates=n_candidates, max_users=config.max_users, seed=config.seed
        )

    def _stacked(self, best: Sequence[_Trial], holdout: Holdout) -> tuple[list[_Trial], list[float], dict[str, Any]]:
        """The parts to keep with their weights, and what they reached."""
        parts = [trial for trial in best if trial.fitted is not None][: self.config.max_parts]
        if not self.config.stack or len(parts) < 2:
            return parts[:1], [1.0] * len(parts[:1]), {"single": parts[0].ndcg} if parts else {}
        table = self._table([trial.fitted for trial in parts if trial.fitted is not None], holdout, n_candidates=100)
        half = np.arange(len(table)) % 2 == 0
        weights = learn_weights(table.of_users(half), "genetic", np.ones(len(parts)), seed=self.config.seed)
        judged = table.of_users(~half) if len(table) > 1 else table
        singles = blend_ndcg(judged, np.eye(len(parts)), k=_LIST_LENGTH)
        stack = float(blend_ndcg(judged, weights, k=_LIST_LENGTH)[0])
        told = {"single": float(singles[0]), "blend": stack, "n_users": len(judged)}
        kept = [n for n, weight in enumerate(weights.tolist()) if weight > 0.01]
        if stack <= singles[0] * (1 + self.config.min_gain) or len(kept) < 2:
            return parts[:1], [1.0], told
        return [parts[n] for n in kept], [float(weights[n]) for n in kept], told

    def _fitted_parts(
        self, parts: Sequence[_Trial], weights: Sequence[float], spare: Sequence[_Trial], data: Dataset
    ) -> tuple[list[Recommender], list[_Trial], npt.NDArray[np.float64]]:
        """The parts fitted on all data, without those that fail; the first of ``spare`` that can be where none is left.

        Raises:
            ModelTrainingError: not one model can be fitted.
        """
        for trial in spare:
            trial.fitted = None  # makes room
        made = [(model, trial, w) for trial, w in zip(parts, weights, strict=True) if (model := _fitted(trial, data))]
        for trial in () if made else spare:
            model = _fitted(trial, data)
            if model is not None:
                made = [(model, trial, 1.0)]
                break
        if not made:
            raise ModelTrainingError("not one model could be fitted", hint="name others in models")
        shares = np.array([weight for _, _, weight in made], dtype=np.float64)
        return [model for model, _, _ in made], [trial for _, trial, _ in made], shares / shares.sum()

    # --- scoring -----------------------------------------------------------------------------------------------------

    def _scaled(self, model: Recommender, batch: UserBatch) -> FloatBlock:
        return normalize(self._part_scores(model, batch), "zscore")

    def _part_weights(self, batch: UserBatch) -> npt.NDArray[np.float32]:
        return self.weights

    def _scores(self, batch: UserBatch) -> FloatBlock:
        if len(self.models) == 1:
            return self._part_scores(self.models[0], batch)
        total = np.zeros((len(batch), len(self.items)), dtype=np.float32)
        known = np.zeros(total.shape, dtype=bool)
        for model, weight in zip(self.models, self.weights, strict=True):
            scores = self._part_scores(model, batch)
            known |= np.isfinite(scores)
            total += weight * normalize(scores, "zscore")
        total[~known] = -np.inf
        return total

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        return self._first_similarity(rows)


def _fitted(trial: _Trial, data: Dataset) -> Recommender | None:
    """The model of a trial fitted on ``data``, None where that fails."""
    try:
        return create_model(trial.model, **trial.parameters).fit(data)
    except _FAILURES as exc:
        log.warning("part_failed", model=trial.model, parameters=trial.parameters, error=str(exc))
        return None


def _suited(spaces: SpaceFile, data: Dataset) -> list[str]:
    """The models of the file that are registered; those that need features only where there are some."""
    has_features = data.item_frame is not None and data.item_frame.width > 1
    registered = model_names()
    return [
        name
        for name in spaces.auto.get("models", ())
        if name in registered and (has_features or not model_class(name).scores_new_items)
    ]


def _best_of_each(tried: Sequence[_Trial]) -> list[_Trial]:
    """The best trial of each model, best model first; earlier ones first where equal."""
    best: Mapping[str, _Trial] = {}
    for trial in tried:
        if trial.ndcg is not None and (trial.model not in best or trial.ndcg > (best[trial.model].ndcg or 0.0)):
            best = {**best, trial.model: trial}
    return sorted(best.values(), key=lambda trial: -(trial.ndcg or 0.0))
