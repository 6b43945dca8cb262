"""Ways to choose the next setting: at random, by a genetic algorithm, or by Optuna's TPE."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, get_args

import numpy as np

from foretaste.errors import ConfigurationError, MissingExtraError
from foretaste.models.hybrid.genetic import Breeding, evolve
from foretaste.models.spaces import Space

Sampler = Literal["auto", "tpe", "genetic", "random"]
SAMPLERS: tuple[str, ...] = get_args(Sampler)
_WARMUP = 5
"""Trials before one can be pruned."""


@dataclass(frozen=True)
class Judged:
    """What a trial came to, larger being better; None where it failed or was pruned."""

    value: float | None
    pruned: bool = False


IsHopeless = Callable[[float], bool]
Judge = Callable[[Mapping[str, Any], IsHopeless], Judged]
"""Called with the parameters to try and a function that says whether a first, cheap value is too low to go on."""
GoOn = Callable[[], bool]


def chosen_sampler(sampler: Sampler, *, stored: bool) -> Sampler:
    """What «auto» stands for here.

    Raises:
        MissingExtraError: TPE or a storage is asked for and Optuna is not installed.
        ConfigurationError: a storage with a sampler that keeps none.
    """
    installed = find_spec("optuna") is not None
    if (sampler == "tpe" or stored) and not installed:
        raise MissingExtraError("TPE and storages need optuna", hint="pip install 'foretaste[tune]'")
    if stored and sampler not in {"auto", "tpe"}:
        raise ConfigurationError(f"sampler {sampler!r} keeps no storage", hint="use tpe")
    if sampler != "auto":
        return sampler
    return "tpe" if installed else "random"


def search_random(space: Space, judge: Judge, *, trials: int, seed: int, go_on: GoOn) -> None:
    """The defaults, then settings drawn evenly; a trial that is hopeless on the cheap part stops there."""
    rng = np.random.default_rng(seed)
    first: list[float] = []
    for number in range(trials):
        if not go_on():
            return
        genome = rng.random(len(space.dimensions))
        judge(space.defaults if number == 0 else space.at(genome), _below_median(first))


def _below_median(first: list[float]) -> IsHopeless:
    def is_hopeless(value: float) -> bool:
        bad = len(first) >= _WARMUP and value < float(np.median(first))
        first.append(value)
        return bad

    return is_hopeless


def search_genetic(space: Space, judge: Judge, *, trials: int, seed: int, go_on: GoOn) -> None:
    """Generations of settings, the defaults in the first."""
    size = max(4, min(16, trials // 3))
    left = [trials]

    def fitness(genomes: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        values = np.full(len(genomes), -np.inf)
        for n, genome in enumerate(genomes):
            if left[0] <= 0 or not go_on():
                break
            is_first = left[0] == trials
            left[0] -= 1
            found = judge(space.defaults if is_first else space.at(genome), lambda _value: False).value
            values[n] = found if found is not None else -np.inf
        return values

    breeding = Breeding(population=size, generations=max(1, trials), patience=trials, mutation_scale=0.2)
    evolve(
        fitness,
        max(1, len(space.dimensions)),
        breeding=breeding,
        seed=seed,
        go_on=lambda: left[0] > 0 and go_on(),
    )


def search_tpe(
    space: Space, judge: Judge, *, trials: int, seed: int, go_on: GoOn, storage: str | None, study_name: str
) -> list[dict[str, Any]]:
    """Optuna's tree-structured Parzen estimator with a median pruner; the defaults come first.

    With a ``storage`` the study of that name goes on where it ended; its earlier trials are returned.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_WARMUP),
        storage=storage,
        study_name=study_name,
        load_if_exists=True,
    )
    earlier = [
        {"parameters": dict(t.user_attrs.get("parameters", t.params)), "value": t.value, "state": t.state.name}
        for t in study.get_trials(deepcopy=False)
        if t.state.is_finished()
    ]
    for number in range(len(earlier), trials):
        if not go_on():
            break
        trial = study.ask()
        if number == 0:
            parameters = dict(space.defaults)
        else:
            parameters = {**space.defaults, **{name: _suggested(trial, name, space) for name in space.names}}

        def is_hopeless(value: float, trial: Any = trial, number: int = number) -> bool:
            trial.report(value, step=0)
            return number > 0 and bool(trial.should_prune())

        trial.set_user_attr("parameters", parameters)
        found = judge(parameters, is_hopeless)
        state = optuna.trial.TrialState
        if found.value is not None:
            study.tell(trial, found.value)
        else:
            study.tell(trial, state=state.PRUNED if found.pruned else state.FAIL)
    return earlier


def _suggested(trial: Any, name: str, space: Space) -> Any:
    dimension = space.dimensions[name]
    if dimension.choices:
        return trial.suggest_categorical(name, dimension.choices)
    low, high = dimension.low or 0.0, dimension.high or 0.0
    if dimension.whole:
        return trial.suggest_int(name, round(low), round(high), log=dimension.log)
    return trial.suggest_float(name, low, high, log=dimension.log)
