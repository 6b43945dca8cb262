import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

from foretaste.models.linear.slim import SLIM
from foretaste.testing import dataset_of_matrix


@pytest.mark.parametrize("nonnegative", [True, False])
def test_weights_equal_those_of_scikit_learns_elastic_net(weighted_matrix, nonnegative):
    X = np.vstack([weighted_matrix, np.full(25, 0.01)])  # somebody shares every pair of items
    l1, l2 = 1.5, 4.0
    settings = {"l1": l1, "l2": l2, "nonnegative": nonnegative, "tolerance": 1e-7, "epochs": 1000}
    model = SLIM(n_neighbours=24, values="weight", **settings).fit(dataset_of_matrix(X))
    peer = ElasticNet(
        alpha=(l1 + l2) / len(X), l1_ratio=l1 / (l1 + l2), fit_intercept=False, positive=nonnegative, tol=1e-9
    )
    for item in (0, 7, 24):
        others = np.delete(np.arange(25), item)
        found = model.weights[:, [item]].toarray()[others, 0]
        np.testing.assert_allclose(found, peer.fit(X[:, others], X[:, item]).coef_, atol=1e-4)


def test_only_near_items_get_weights(matrix):
    weights = SLIM(n_neighbours=3, l1=0.0, l2=1.0).fit(dataset_of_matrix(matrix)).weights
    assert np.bincount(weights.indices, minlength=25).max() <= 3
    assert (weights.diagonal() == 0).all()
    assert (weights.data > 0).all()


def test_a_large_penalty_leaves_nothing_to_list(matrix):
    model = SLIM(l1=1e6).fit(dataset_of_matrix(matrix))
    assert model.weights.nnz == 0
    assert (model.recommend(k=3).lengths == 0).all()


def test_more_penalty_leaves_fewer_weights(matrix):
    few, many = (SLIM(l1=l1, l2=1.0).fit(dataset_of_matrix(matrix)).weights.nnz for l1 in (3.0, 0.1))
    assert 0 < few < many


def test_equal_columns_without_a_ridge_still_have_a_solution():
    same = np.tile((np.arange(40) % 2 == 0)[:, None], (1, 5)).astype(float)
    weights = SLIM(l1=0.0, l2=0.0, tolerance=1e-6).fit(dataset_of_matrix(same)).weights.toarray()
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-4)


def test_progress_ends_at_the_last_part(matrix):
    calls = []
    SLIM().fit(dataset_of_matrix(matrix), on_progress=lambda step, steps, loss: calls.append((step, steps)))
    assert calls[-1][0] == calls[-1][1]
