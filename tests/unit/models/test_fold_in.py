"""The newest event of a history, and how much each event counts, are in the next list of every model that folds in."""

import numpy as np
import pytest

from foretaste.data import Query
from foretaste.errors import ConfigurationError
from foretaste.models import create_model, model_names
from foretaste.testing import tiny_shop

QUICK = {
    "ials": {"n_factors": 8},
    "bpmf": {"n_factors": 4, "epochs": 20, "burn_in": 5},
    "auto": {"max_trials": 2, "time_budget_s": 600.0},
    "weighted": {"parts": [{"model": "item_knn"}, {"model": "tfidf"}]},
    "rank_fusion": {"parts": [{"model": "item_knn"}, {"model": "tfidf"}]},
}
SAME_FOR_ALL = {"popular", "trending", "newest", "random", "segment_popular", "bias"}
"""Their lists do not depend on what one user took; what they leave out does."""
BY_SETS = {"lsh_user_knn", "knn_ratings", "slope_one", "svd", "svdpp", "bpmf", "rating_blend", "random"}
"""They compare sets of items, or heights of ratings, which have no shares."""
HISTORY = ("p-000", "p-001", "p-007")
FOLDING = [name for name in model_names() if name not in SAME_FOR_ALL]


@pytest.fixture(scope="module")
def models():
    shop, found = tiny_shop(), {}

    def model(name):
        if name not in found:
            found[name] = create_model(name, **QUICK.get(name, {})).fit(shop)
        return found[name]

    return model


def scores(model, history, **more):
    """Scores of all items (I,) for somebody with this history, NaN where the model leaves one out."""
    query = Query(history=history, history_weights=(5.0,) * len(history), k=len(model.items), **more)
    lists = model.recommend([query], exclude_seen=False)
    out = np.full(len(model.items), np.nan)
    shown = lists.item_rows[0] >= 0
    out[lists.item_rows[0][shown]] = lists.scores[0][shown]
    return out


@pytest.mark.parametrize("name", model_names())
def test_every_model_folds_in_or_is_known_to_be_the_same_for_all(models, name):
    assert models(name).scores_new_users or name in SAME_FOR_ALL


@pytest.mark.parametrize("name", FOLDING)
def test_one_more_event_changes_the_next_list(models, name):
    model = models(name)
    assert not np.array_equal(scores(model, HISTORY), scores(model, (*HISTORY, "p-013")), equal_nan=True)


@pytest.mark.parametrize("name", FOLDING)
def test_equal_importance_changes_nothing(models, name):
    model = models(name)
    plain, weighed = scores(model, HISTORY), scores(model, HISTORY, history_importance=(1.0, 1.0, 1.0))
    np.testing.assert_allclose(plain, weighed, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in FOLDING if name not in BY_SETS])
def test_what_was_done_last_can_count_more(models, name):
    model = models(name)
    plain, weighed = scores(model, HISTORY), scores(model, HISTORY, history_importance=(0.1, 0.3, 1.0))
    assert not np.allclose(plain, weighed, equal_nan=True)


def test_an_importance_that_is_not_above_zero_is_refused():
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigurationError, match="importance"):
            Query(history=("a",), history_importance=(wrong,))
    with pytest.raises(ConfigurationError, match="history_importance needs one value for each"):
        Query(history=("a",), history_importance=(1.0, 1.0))
