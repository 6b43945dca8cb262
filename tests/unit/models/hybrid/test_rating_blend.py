"""The learnt blend of rating predictors."""

import numpy as np
import pytest

from foretaste.errors import ConfigurationError
from foretaste.models.hybrid.rating_blend import RatingBlend
from foretaste.testing import dataset_of_matrix

SVD = {"model": "svd", "parameters": {"n_factors": 4, "epochs": 30, "regularization": 0.02}}


def ratings_of_two_sides(n_users=60, n_items=40, seed=0):
    """Ratings that only a factorisation can explain: 4 on one's own side, 2 on the other."""
    rng = np.random.default_rng(seed)
    sides = np.sign(rng.standard_normal(n_users))[:, None] * np.sign(rng.standard_normal(n_items))[None, :]
    return dataset_of_matrix((3 + sides) * (rng.random((n_users, n_items)) < 0.7), is_explicit=True)


def test_the_part_that_knows_gets_the_weight():
    blend = RatingBlend(parts=[{"model": "bias"}, SVD]).fit(ratings_of_two_sides())
    assert blend.weights[1] > 0.7
    assert blend.weights[0] < 0.3


def test_the_regression_is_the_ridge_solution():
    rng = np.random.default_rng(1)
    predicted = rng.standard_normal((200, 3)) + 3
    ratings = predicted @ [0.5, 0.3, 0.2] + 0.1
    blend = RatingBlend(parts=[{"model": "bias"}] * 3, regularization=0.05, non_negative=False)
    weights, offset = blend._regressed(predicted, ratings)
    X, y = predicted - predicted.mean(axis=0), ratings - ratings.mean()
    expected = np.linalg.solve(X.T @ X + 10 * np.eye(3), X.T @ y + 10 / 3)
    np.testing.assert_allclose(weights, expected, rtol=1e-8)
    assert offset == pytest.approx(ratings.mean() - predicted.mean(axis=0) @ expected)


def test_a_part_that_predicts_no_ratings_is_refused():
    with pytest.raises(ConfigurationError, match="'popular' predicts no ratings"):
        RatingBlend(parts=[{"model": "popular"}])


def test_a_blend_without_parts_is_refused():
    with pytest.raises(ConfigurationError, match="at least one part"):
        RatingBlend(parts=[])
