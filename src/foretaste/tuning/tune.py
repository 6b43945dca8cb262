"""The search for the parameters of one model."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from foretaste.data import Dataset
from foretaste.errors import ConfigurationError, ForetasteError
from foretaste.evaluation import Split, create_splitter, evaluate
from foretaste.evaluation.metrics import parse_metrics
from foretaste.logs import get_logger
from foretaste.models.registry import create_model, model_class
from foretaste.models.spaces import Space, spaces_for
from foretaste.tuning.result import Trial, TuningResult
from foretaste.tuning.samplers import (
    GoOn,
    IsHopeless,
    Judged,
    Sampler,
    chosen_sampler,
    search_genetic,
    search_random,
    search_tpe,
)

log = get_logger(__name__)
CHEAP_SHARE = 0.25
"""Users that a trial is judged on first, to give up early."""
OnTrial = Callable[[Trial, int], None]
"""Called with (trial, trials asked for) after each trial."""


def tune(
    model: str,
    data: Dataset | Split,
    space: Space | None = None,
    *,
    trials: int = 30,
    time_budget_s: float | None = None,
    metric: str = "ndcg@10",
    sampler: Sampler = "auto",
    prune: bool = False,
    test_share: float = 0.15,
    fixed: Mapping[str, Any] | None = None,
    storage: str | None = None,
    study: str | None = None,
    seed: int = 0,
    on_trial: OnTrial | None = None,
) -> TuningResult:
    """Try settings of ``model`` on an inner split of ``data`` and say which one does best.

    Args:
        model: registered name.
        data: what may be learned from; a random ``test_share`` of each user's items is held out. Or a split, whose test
            part must not be the one that is reported.
        space: what may be changed; by default the packaged space for data of this size.
        trials: most settings, those of an earlier run in ``storage`` included.
        time_budget_s: no new trial begins after so many seconds; one that has begun is finished.
        sampler: ``tpe`` (Optuna), ``genetic``, ``random``, or ``auto``: TPE where Optuna is installed, else random.
        prune: fit on a quarter of the users first, and give up settings below the median of what is known.
        fixed: parameters that are not searched.
        storage: an Optuna storage URL (``sqlite:///tuning.db``); the study goes on where it ended.
        study: name of the study in the storage, by default that of the model.
        on_trial: told of each trial.

    The order of the trials depends on the seed only; how far they come in ``time_budget_s`` depends on the machine.
    A trial that fails is kept with its error and the search goes on.

    Raises:
        ConfigurationError: nothing to search, or fewer than one trial.
        UnknownNameError: no such model or metric.
        MissingExtraError: TPE or a storage without Optuna.
    """
    model_class(model)
    fixed = dict(fixed or {})
    train = data.train if isinstance(data, Split) else data
    found = space or spaces_for(train).space(model)
    dimensions = {name: d for name, d in found.dimensions.items() if name not in fixed}
    chosen = Space(model, dimensions, {**found.defaults, **fixed})
    if not chosen.dimensions:
        raise ConfigurationError(
            f"there is nothing to search for model {model!r}", hint="give a file with a table [search.MODEL]"
        )
    if trials < 1:
        raise ConfigurationError(f"trials = {trials} is out of range", hint="at least one")
    used = chosen_sampler(sampler, stored=storage is not None)
    split = data if isinstance(data, Split) else create_splitter("random", test_share=test_share, seed=seed).split(data)
    parsed = parse_metrics([metric])[0]
    search = _Search(model, split, parsed.label, 1.0 if parsed.higher_is_better else -1.0, prune, trials, on_trial)
    go_on = _clock(time_budget_s)
    if used == "tpe":
        earlier = search_tpe(
            chosen, search, trials=trials, seed=seed, go_on=go_on, storage=storage, study_name=study or model
        )
        states = {"COMPLETE": "done", "PRUNED": "pruned"}
        before = [
            Trial(n, t["parameters"], states.get(t["state"], "failed"), _signed(t["value"], search.sign))  # type: ignore[arg-type]
            for n, t in enumerate(earlier)
        ]
        renumbered = [Trial(len(before) + t.number, *_rest(t)) for t in search.trials]
        made = (*before, *renumbered)
    else:
        walk = search_genetic if used == "genetic" else search_random
        walk(chosen, search, trials=trials, seed=seed, go_on=go_on)
        made = tuple(search.trials)
    return TuningResult(model, parsed.label, parsed.higher_is_better, split.protocol, used, tuple(made))


def _rest(trial: Trial) -> tuple[Any, ...]:
    return trial.parameters, trial.state, trial.value, trial.seconds, trial.error


def _signed(value: float | None, sign: float) -> float | None:
    return None if value is None else sign * value


def _clock(budget_s: float | None) -> GoOn:
    """Whether there is time for another trial; the first one always begins."""
    start, asked = time.monotonic(), [0]

    def go_on() -> bool:
        asked[0] += 1
        return asked[0] == 1 or budget_s is None or time.monotonic() - start < budget_s

    return go_on


@dataclass
class _Search:
    """Judges settings on one split and keeps what came of it."""

    model: str
    split: Split
    metric: str
    sign: float
    prune: bool
    n_trials: int
    on_trial: OnTrial | None
    trials: list[Trial] = field(default_factory=list)

    def __call__(self, parameters: Mapping[str, Any], is_hopeless: IsHopeless) -> Judged:
        start = time.perf_counter()
        value: float | None = None
        pruned, error = False, ""
        try:
            if self.prune and is_hopeless(self.sign * self._value(parameters, self._cheap())):
                pruned = True
            else:
                value = self._value(parameters, self.split)
        except ForetasteError as exc:
            error = str(exc)
            log.warning("trial_failed", model=self.model, parameters=dict(parameters), error=error)
        if value is not None and not np.isfinite(value):
            value, error = None, f"{self.metric} is not finite"
        state = "pruned" if pruned else "done" if value is not None else "failed"
        seconds = time.perf_counter() - start
        trial = Trial(len(self.trials), dict(parameters), state, value, seconds, error)  # type: ignore[arg-type]
        self.trials.append(trial)
        if self.on_trial is not None:
            self.on_trial(trial, self.n_trials)
        return Judged(_signed(value, self.sign), pruned)

    def _value(self, parameters: Mapping[str, Any], split: Split) -> float:
        fitted = create_model(self.model, **parameters).fit(split.train)
        return evaluate(fitted, split, [self.metric], n_resamples=1).values[self.metric].mean

    def _cheap(self) -> Split:
        """The split with each fourth user's interactions only."""
        every = round(1 / CHEAP_SHARE)

        def part(data: Dataset) -> Dataset:
            return data.with_interactions(data.interactions.where(data.interactions.user_rows % every == 0))

        return Split(part(self.split.train), part(self.split.test), self.split.name, self.split.protocol)
