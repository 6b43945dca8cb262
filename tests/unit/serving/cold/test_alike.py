"""Similar users, against the obvious computation."""

import numpy as np

from foretaste.serving.cold.alike import SHARED_ITEMS, SimilarUsers
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.bundle import Bundle, empty_bundle
from foretaste.serving.live.users import EventWeights
from foretaste.serving.training import fit_models


def bundle_with(shop, *kinds):
    models, _ = fit_models(parse_pipeline({"models": {kind: {"kind": kind} for kind in kinds}}), shop)
    return Bundle("v1", models, shop.population, EventWeights())


def test_without_a_model_users_are_alike_by_the_cosine_of_rare_items(shop):
    found = SimilarUsers().find(bundle_with(shop, "popular"), "u-003", (), 100)
    taken = (shop.matrix("binary").toarray() > 0).astype(float)
    idf = np.log1p(len(taken) / np.maximum(taken.sum(axis=0), 1))
    own = taken[3]
    expected = (taken * idf**2) @ own / np.sqrt(np.maximum(taken.sum(axis=1), 1) * ((idf * own) ** 2).sum())
    expected[3] = 0
    assert found.source == SHARED_ITEMS
    assert len(found.user_ids) == (expected > 0).sum()
    np.testing.assert_allclose(found.scores, np.sort(expected[expected > 0])[::-1])


def test_a_model_of_users_is_asked_first(shop):
    found = SimilarUsers().find(bundle_with(shop, "popular", "user_knn"), "u-003", (), 5)
    assert found.source == "user_knn"
    assert len(found.user_ids) == 5


def test_before_the_first_training_nobody_is_alike():
    assert SimilarUsers().find(empty_bundle(), "u", ("p",), 5).user_ids == ()
