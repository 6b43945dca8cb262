"""The automatic choice: what it tries, in which order, and that one bad candidate ends nothing."""

import numpy as np
import pytest

from foretaste.errors import ModelTrainingError
from foretaste.models.baselines.popular import Popular
from foretaste.models.hybrid.auto import Auto
from foretaste.models.linear.ease import EASE
from foretaste.testing import checkerboard, one_user_one_item, tiny_shop


def plain(model):
    return [{key: value for key, value in trial.items() if key != "seconds"} for trial in model.trials]


def test_every_model_is_tried_once_and_the_better_ones_again():
    model = Auto(models=["random", "popular", "item_knn", "ease"], max_trials=9).fit(checkerboard().data)
    names = [trial["model"] for trial in model.trials]
    assert names[:4] == ["random", "popular", "item_knn", "ease"]
    assert set(names[4:]) <= {"item_knn", "ease"}
    assert len(names) == 9
    assert {part["model"] for part in model.chosen} <= {"item_knn", "ease"}
    assert all(trial["ndcg"] is not None for trial in model.trials)


def test_the_same_seed_tries_the_same():
    one, other = (Auto(models=["item_knn", "ease"], max_trials=5, seed=3).fit(tiny_shop()) for _ in range(2))
    assert plain(one) == plain(other)
    assert one.chosen == other.chosen


def test_a_candidate_that_fails_is_told_and_passed_over(monkeypatch):
    def fail(_self, _data):
        raise ValueError("out of order")

    monkeypatch.setattr(EASE, "_fit", fail)
    model = Auto(models=["ease", "popular"], max_trials=3).fit(tiny_shop())
    assert "out of order" in model.trials[0]["error"]
    assert [part["model"] for part in model.chosen] == ["popular"]
    monkeypatch.setattr(Popular, "_fit", fail)
    with pytest.raises(ModelTrainingError, match="not one model"):
        Auto(models=["ease", "popular"], max_trials=3).fit(tiny_shop())


def test_no_time_still_gives_a_model():
    model = Auto(time_budget_s=1e-6).fit(tiny_shop())
    assert len(model.trials) == 1
    assert model.recommend(k=5).lengths.sum() > 0


def test_where_nothing_can_be_held_out_the_first_model_is_taken():
    model = Auto(models=["popular", "item_knn"]).fit(one_user_one_item())
    assert model.chosen == [{"model": "popular", "parameters": {}}]
    assert model.trials == []


def test_a_stack_has_weights_that_sum_to_one():
    model = Auto(models=["item_knn", "tfidf", "popular"], max_trials=3, min_gain=0.0).fit(tiny_shop())
    np.testing.assert_allclose(model.weights.sum(), 1.0, rtol=1e-6)
    assert len(model.weights) == len(model.models) == len(model.chosen)
    assert set(model.validation) <= {"single", "blend", "n_users"}
