"""The search for parameters: spaces, samplers, trials, and going on where it ended."""

import numpy as np
import pytest

from foretaste.errors import ConfigurationError, ModelTrainingError, UnknownNameError, UnknownParameterError
from foretaste.models import create_model, model_names
from foretaste.models.linear.ease import EASE
from foretaste.models.spaces import SIZES
from foretaste.testing import tiny_shop
from foretaste.tuning import Dimension, Space, load_spaces, spaces_for, tune

SPACE = Space("ease", {"regularization": Dimension(low=1.0, high=1e5, log=True)}, {"regularization": 1e5})


@pytest.mark.parametrize("sampler", ["tpe", "genetic", "random"])
def test_every_sampler_starts_with_the_defaults_and_does_better(sampler):
    pytest.importorskip("optuna")
    found = tune("ease", tiny_shop(), SPACE, trials=8, sampler=sampler, seed=1)
    assert len(found.trials) == 8
    assert found.trials[0].parameters == {"regularization": 1e5}
    assert found.best.value >= found.trials[0].value
    assert found.metric == "ndcg@10"
    assert found.to_dict()["best"]["parameters"] == found.best.parameters
    again = tune("ease", tiny_shop(), SPACE, trials=8, sampler=sampler, seed=1)
    assert [t.parameters for t in again.trials] == [t.parameters for t in found.trials]


def test_a_metric_where_less_is_better_is_made_small():
    space = Space("bias", {"regularization_users": Dimension(low=0.1, high=1e6, log=True)}, {})
    found = tune("bias", tiny_shop(), space, trials=5, metric="rmse", sampler="random")
    assert found.best.value == min(trial.value for trial in found.trials)


def test_a_study_goes_on_where_it_ended(tmp_path):
    pytest.importorskip("optuna")
    options = {"storage": f"sqlite:///{tmp_path / 'tuning.db'}", "seed": 1}
    first = tune("ease", tiny_shop(), SPACE, trials=3, **options)
    more = tune("ease", tiny_shop(), SPACE, trials=5, **options)
    assert [t.parameters for t in more.trials[:3]] == [t.parameters for t in first.trials]
    assert [t.number for t in more.trials] == [0, 1, 2, 3, 4]
    assert more.trials[1].value == pytest.approx(first.trials[1].value)
    with pytest.raises(ConfigurationError, match="no storage"):
        tune("ease", tiny_shop(), SPACE, sampler="random", storage="sqlite://")


def test_hopeless_settings_are_given_up_early():
    found = tune("ease", tiny_shop(n_users=60), SPACE, trials=12, sampler="random", prune=True)
    states = [trial.state for trial in found.trials]
    assert states[:5] == ["done"] * 5
    assert set(states) <= {"done", "pruned"}


def test_a_trial_that_fails_is_kept_and_the_search_goes_on(monkeypatch):
    fit, calls = EASE._fit, []

    def sometimes(self, data):
        calls.append(1)
        if len(calls) == 1:
            raise ModelTrainingError("out of order")
        fit(self, data)

    monkeypatch.setattr(EASE, "_fit", sometimes)
    found = tune("ease", tiny_shop(), SPACE, trials=3, sampler="random")
    assert [trial.state for trial in found.trials] == ["failed", "done", "done"]
    assert "out of order" in found.trials[0].error


def test_time_that_is_up_ends_the_search_after_one_trial():
    assert len(tune("ease", tiny_shop(), SPACE, trials=50, time_budget_s=0.0, sampler="random").trials) == 1


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(ConfigurationError, match="nothing to search"):
        tune("random", tiny_shop())
    with pytest.raises(ConfigurationError, match="nothing to search"):
        tune("ease", tiny_shop(), SPACE, fixed={"regularization": 3.0})
    with pytest.raises(ConfigurationError, match="trials = 0"):
        tune("ease", tiny_shop(), SPACE, trials=0)
    with pytest.raises(UnknownNameError):
        tune("eese", tiny_shop())
    with pytest.raises(UnknownNameError):
        load_spaces("no-such-file")


def test_a_dimension_covers_its_range():
    log = Dimension(low=1.0, high=100.0, log=True)
    assert [log.at(place) for place in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 10.0, 100.0])
    assert Dimension(low=1, high=4, int=True).at(0.5) in {2, 3}
    assert [Dimension(choices=("a", "b")).at(place) for place in (0.0, 0.6, 1.0)] == ["a", "b", "b"]
    for wrong in ({}, {"low": 1.0}, {"low": 2.0, "high": 1.0}, {"low": 0.0, "high": 1.0, "log": True}):
        with pytest.raises(ValueError, match="low"):
            Dimension(**wrong)


@pytest.mark.parametrize("size", SIZES)
def test_packaged_spaces_and_defaults_are_valid_for_the_models_there_are(size):
    spaces = load_spaces(size)
    for model in set(spaces.search) | set(spaces.defaults):
        if model in model_names():
            space = spaces.space(model)
            for place in (0.0, 0.5, 1.0):
                try:
                    create_model(model, **space.at(np.full(len(space.dimensions), place)))
                except UnknownParameterError as error:  # pragma: no cover - says which file is wrong
                    raise AssertionError(f"{size}.toml: {error}") from error
    assert {"item_knn", "ials", "popular"} <= set(spaces.auto["models"])


def test_the_size_of_the_data_chooses_the_file():
    assert spaces_for(tiny_shop()) == load_spaces("small")
