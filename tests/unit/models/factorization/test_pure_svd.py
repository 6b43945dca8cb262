import numpy as np
import pytest

from foretaste.data import Query
from foretaste.errors import ConfigurationError
from foretaste.models.factorization.pure_svd import PureSVD
from foretaste.testing import dataset_of_matrix


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return (np.random.default_rng(0).random((60, 25)) < np.linspace(0.1, 0.6, 25)).astype(float)


def scores_of(model, shape):
    lists = model.recommend(k=shape[1], exclude_seen=False)
    out = np.full(shape, -np.inf)
    rows, places = np.nonzero(lists.item_rows >= 0)
    out[rows, lists.item_rows[rows, places]] = lists.scores[rows, places]
    return out


def test_scores_are_the_projection_on_the_singular_vectors(matrix):
    V = np.linalg.svd(matrix)[2][:5].T
    model = PureSVD(n_factors=5, svd_iterations=25).fit(dataset_of_matrix(matrix))
    np.testing.assert_allclose(scores_of(model, matrix.shape), matrix @ V @ V.T, atol=1e-3)


def test_exponents_scale_users_items_and_scores(matrix):
    users, items = matrix.sum(1), matrix.sum(0)
    V = np.linalg.svd(matrix * users[:, None] ** -0.3 * items**-0.5)[2][:5].T
    expected = (matrix * items**-0.5) @ V @ V.T
    options = {"n_factors": 5, "svd_iterations": 25, "user_exponent": 0.3, "item_exponent": 0.5}
    model = PureSVD(**options).fit(dataset_of_matrix(matrix))
    np.testing.assert_allclose(scores_of(model, matrix.shape), expected * items**0.5, atol=1e-3)
    other = PureSVD(**options, score_exponent=-0.2).fit(dataset_of_matrix(matrix))
    np.testing.assert_allclose(scores_of(other, matrix.shape), expected * items**-0.2, atol=1e-3)


def test_as_many_factors_as_items_give_the_history_back(matrix):
    model = PureSVD(n_factors=100).fit(dataset_of_matrix(matrix))
    assert model.item_factors.shape == (25, 25)
    np.testing.assert_allclose(scores_of(model, matrix.shape), matrix, atol=1e-4)


def test_weights_count_where_asked_for(matrix):
    weighted = matrix * np.random.default_rng(3).integers(1, 5, matrix.shape)
    V = np.linalg.svd(weighted)[2][:5].T
    model = PureSVD(n_factors=5, svd_iterations=25, values="weight").fit(dataset_of_matrix(weighted))
    np.testing.assert_allclose(scores_of(model, matrix.shape), weighted @ V @ V.T, atol=5e-3)


def test_an_unseen_user_with_a_known_history_gets_the_same_list(matrix):
    model = PureSVD(n_factors=5).fit(dataset_of_matrix(matrix))
    history = [f"i{i}" for i in np.flatnonzero(matrix[4])]
    folded = model.recommend([Query(history=history)], k=8)
    np.testing.assert_allclose(folded.scores, model.recommend(["u4"], k=8).scores, rtol=1e-5)


def test_items_of_no_user_and_users_of_no_item_are_left_out(matrix):
    holes = matrix.copy()
    holes[:, 3] = 0
    holes[5] = 0
    found = scores_of(PureSVD(n_factors=5).fit(dataset_of_matrix(holes)), holes.shape)
    assert np.isneginf(found[:, 3]).all()
    assert np.isneginf(found[5]).all()
    assert np.isfinite(np.delete(np.delete(found, 3, axis=1), 5, axis=0)).all()


def test_one_user_and_one_item_give_one_score():
    lists = PureSVD().fit(dataset_of_matrix(np.ones((1, 1)))).recommend(k=3, exclude_seen=False)
    assert lists.scores[0, 0] == pytest.approx(1.0)


@pytest.mark.parametrize("parameters", [{"n_factors": 0}, {"item_exponent": 2.0}, {"score_exponent": float("nan")}])
def test_settings_out_of_range_are_refused(parameters):
    with pytest.raises(ConfigurationError):
        PureSVD(**parameters)
