import numpy as np
import pytest

from foretaste.errors import ConfigurationError
from foretaste.models.linear import local
from foretaste.models.linear.ease import EASE
from foretaste.models.linear.sparse_ease import SparseEASE
from foretaste.testing import dataset_of_matrix


@pytest.mark.parametrize("dense_items", [0, 25], ids=["products made anew", "products of all items"])
def test_with_all_items_as_neighbours_it_is_ease(weighted_matrix, monkeypatch, dense_items):
    monkeypatch.setattr(local, "DENSE_ITEMS", dense_items)
    weighted_matrix = np.vstack([weighted_matrix, np.full(25, 0.01)])  # somebody shares every pair of items
    parameters = {"regularization": 2.0, "item_exponent": 0.3, "user_exponent": 0.5, "dropout": 0.2, "values": "weight"}
    whole = EASE(**parameters).fit(dataset_of_matrix(weighted_matrix))
    sparse = SparseEASE(n_neighbours=24, **parameters).fit(dataset_of_matrix(weighted_matrix))
    np.testing.assert_allclose(sparse.weights.toarray(), whole.weights, atol=1e-4)


@pytest.mark.parametrize("dense_items", [0, 25], ids=["products made anew", "products of all items"])
def test_each_column_solves_the_ridge_regression_on_its_nearest_items(matrix, monkeypatch, dense_items):
    monkeypatch.setattr(local, "DENSE_ITEMS", dense_items)
    model = SparseEASE(n_neighbours=6, regularization=3.0).fit(dataset_of_matrix(matrix))
    gram = matrix.T @ matrix
    cosine = gram / np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
    np.fill_diagonal(cosine, -1)
    for item in range(25):
        near = np.argsort(-cosine[item], kind="stable")[:6]
        expected = np.zeros(25)
        expected[near] = np.linalg.solve(gram[np.ix_(near, near)] + 3.0 * np.eye(6), gram[near, item])
        np.testing.assert_allclose(model.weights[:, [item]].toarray()[:, 0], expected, atol=1e-4)


def test_a_smaller_share_of_the_history_prefers_popular_neighbours(matrix):
    cosine, popular = (
        SparseEASE(n_neighbours=4, history_share=share).fit(dataset_of_matrix(matrix)).weights for share in (0.5, 0.0)
    )
    degrees = matrix.sum(0)
    assert degrees[popular.tocoo().coords[0]].mean() > degrees[cosine.tocoo().coords[0]].mean()


def test_two_items_alike_predict_each_other_whatever_the_ridge(matrix):
    twins = np.column_stack([matrix, matrix[:, 4]])
    weights = SparseEASE(n_neighbours=10, regularization=1e-9).fit(dataset_of_matrix(twins)).weights
    assert weights[4, 25] == pytest.approx(1, abs=1e-2)


def test_many_items_alike_share_the_weight():
    same = np.tile((np.arange(40) % 3 == 0)[:, None], (1, 12)).astype(float)
    weights = SparseEASE(regularization=1e-9).fit(dataset_of_matrix(same)).weights.toarray()
    np.testing.assert_allclose(weights[~np.eye(12, dtype=bool)], 1 / 11, rtol=1e-3)


def test_equal_columns_share_the_weight_by_the_ridge():
    same = np.tile((np.arange(40) % 2 == 0)[:, None], (1, 12)).astype(float)
    weights = SparseEASE(regularization=20.0).fit(dataset_of_matrix(same)).weights.toarray()
    np.testing.assert_allclose(weights[~np.eye(12, dtype=bool)], 20 / (20 * 11 + 20), rtol=1e-4)


def test_items_that_share_no_user_have_no_weights():
    assert SparseEASE().fit(dataset_of_matrix(np.eye(5))).weights.nnz == 0


@pytest.mark.parametrize("wrong", [{"n_neighbours": 0}, {"regularization": 0.0}, {"dropout": 1.0}])
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        SparseEASE(**wrong)
