"""Every registered model keeps the contract; a name that does not import fails."""

import json
import subprocess
import sys

import numpy as np
import pytest

from foretaste.models import create_model, model_names, save_bundle
from foretaste.models.baselines.popular import Popular
from foretaste.testing import tiny_shop
from foretaste.testing.models import RecommenderContract

ADJUSTED = {
    "ials": {"parameters": {"n_factors": 16}},  # quick; its defaults are for real data
    "pure_svd": {
        "parameters": {"n_factors": 3, "item_exponent": 0.5, "user_exponent": 0.5}
    },  # with as many factors as items nothing is left to infer
    "bpmf": {"parameters": {"n_factors": 4, "epochs": 40, "burn_in": 10}, "learns_taste": False},  # as for svd
    "nmf": {"parameters": {"n_factors": 4}},
    "rating_blend": {
        "parameters": {"parts": [{"model": "bias"}, {"model": "svd", "parameters": {"n_factors": 16}}]},
        "learns_taste": False,
    },
    "svd": {"parameters": {"n_factors": 16}, "learns_taste": False},  # the board's ratings are all the same
    "svdpp": {"parameters": {"n_factors": 16}, "learns_taste": False, "fold_in_overlap": 0.8},
    "fm": {"parameters": {"n_factors": 16}},
    "auto": {"parameters": {"max_trials": 4, "time_budget_s": 600.0}},  # trials, not time, end it
    "user_knn": {"learns_taste": True},
    "svd with validation": {"learns_taste": False, "fold_in_overlap": 0.8},
    "popular per category": {"learns_taste": True},
}
"""What is particular about one model or variant; see ``ContractSetup`` for the names."""

CONTENT_AND_FACTORS = [{"model": "tfidf"}, {"model": "ials", "parameters": {"n_factors": 8}}]
VARIANTS = {
    "popular per category": ("popular", {"per": "category"}),
    "popular of late": ("popular", {"window_days": 30, "values": "weight"}),
    "trending without decay": ("trending", {"half_life_days": None, "values": "weight", "window_days": 20}),
    "tfidf of titles": ("tfidf", {"columns": ["title", "category"], "half_life_days": 30, "ngrams": (1, 1)}),
    "svd with validation": ("svd", {"n_factors": 8, "validation_share": 0.2}),
    "ratings of like users": ("knn_ratings", {"of": "users", "similarity": "pearson", "centring": "zscore"}),
    "slope one, large catalogue": ("slope_one", {"weighted": False, "max_dense_items": 5, "n_kept": 20}),
    "content by bm25": ("content", {"vectorization": "bm25", "similarity": "cosine"}),
    "weighted by rank": ("weighted", {"parts": CONTENT_AND_FACTORS, "normalization": "rank"}),
    "weighted by minmax": ("weighted", {"parts": CONTENT_AND_FACTORS, "normalization": "minmax"}),
    "chebycf without a dense filter": ("chebycf", {"dense_items": 0, "n_factors": 8}),
    "bspm without a dense filter": ("bspm", {"dense_items": 0, "n_factors": 8}),
    "rank fusion by borda": ("rank_fusion", {"parts": CONTENT_AND_FACTORS, "method": "borda", "depth": 5}),
    "cascade of three": (
        "cascade",
        {
            "parts": [
                {"model": "popular", "n_candidates": 15},
                {"model": "item_knn", "n_candidates": 8},
                {"model": "tfidf"},
            ]
        },
    ),
    "switching by history": (
        "switching",
        {"parts": [{"model": "ials", "parameters": {"n_factors": 8}, "min_history": 4}, {"model": "tfidf"}]},
    ),
    "stacked in groups": (
        "stacked",
        {"parts": [{"model": "item_knn"}, {"model": "tfidf"}], "optimizer": "coordinate", "n_groups": 2, "n_folds": 2},
    ),
    "feature combination with factors": (
        "feature_combination",
        {"part": {"model": "ials", "parameters": {"n_factors": 16}}, "values": "weight"},
    ),
    "weighted ratings": ("weighted", {"parts": [{"model": "bias"}], "normalization": "none"}),
}
"""Models with other settings than their defaults, which take other paths."""


def contract_of(title, name, parameters):
    fields = {"model_name": name, "parameters": parameters} | ADJUSTED.get(title, {})
    title = "Test" + "".join(word.capitalize() for word in title.replace("_", " ").split())
    return title, type(title, (RecommenderContract,), fields)


globals().update(contract_of(name, name, {}) for name in model_names())
globals().update(contract_of(title, *variant) for title, variant in VARIANTS.items())


class Unregistered(Popular):
    """A model as another package may bring it, under a name that nobody registered."""

    name = "brought_along"


class TestAModelThatIsNotRegistered(RecommenderContract):
    def make(self):
        return Unregistered(values="weight")


LOAD = """
import json, sys
from foretaste.models import load_bundle
models = load_bundle(sys.argv[1])
print(json.dumps({name: model.recommend(k=5, unknown="empty").item_rows.tolist() for name, model in models.items()}))
"""


def test_a_fresh_process_loads_the_same_lists(tmp_path):
    data = tiny_shop()
    models = {name: create_model(name).fit(data) for name in model_names()}
    save_bundle(models, tmp_path / "all")
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path / "all")], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert sorted(found) == model_names()
    for name, model in models.items():
        np.testing.assert_array_equal(found[name], model.recommend(k=5, unknown="empty").item_rows, err_msg=name)


def test_contract_classes_need_a_model():
    from foretaste.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="model_name"):
        RecommenderContract().make()
