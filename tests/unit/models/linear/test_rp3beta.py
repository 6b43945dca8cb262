import numpy as np
import pytest

from foretaste.models.linear.rp3beta import RP3beta
from foretaste.testing import dataset_of_matrix


def walked(X, alpha, beta):
    """The formula on dense matrices: chances to the power of alpha, the last step divided by degree^beta."""
    to_user = (X.T / X.sum(0)[:, None]) ** alpha
    to_item = (X / np.maximum(X.sum(1), 1e-9)[:, None]) ** alpha
    weights = to_user @ to_item / X.sum(0) ** beta
    np.fill_diagonal(weights, 0)
    return weights


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.7, 0.4)])
@pytest.mark.parametrize("values", ["binary", "weight"])
def test_weights_equal_the_walk_on_dense_matrices(weighted_matrix, alpha, beta, values):
    X = np.vstack([weighted_matrix, np.ones(25)])
    model = RP3beta(alpha=alpha, beta=beta, n_neighbours=25, values=values).fit(dataset_of_matrix(X))
    expected = walked(X if values == "weight" else (X > 0).astype(float), alpha, beta)
    np.testing.assert_allclose(model.weights.toarray(), expected, rtol=1e-4, atol=1e-7)


def test_plain_chances_of_a_walk_add_up_to_one_with_the_way_back(matrix):
    model = RP3beta(alpha=1.0, beta=0.0, n_neighbours=25).fit(dataset_of_matrix(matrix))
    own = np.diag((matrix.T / matrix.sum(0)[:, None]) @ (matrix / np.maximum(matrix.sum(1), 1)[:, None]))
    np.testing.assert_allclose(model.weights.toarray().sum(1) + own, 1, rtol=1e-5)


def test_only_the_largest_weights_of_each_item_are_kept(matrix):
    X = np.vstack([matrix, np.ones(25)])
    kept = RP3beta(alpha=1.0, beta=0.3, n_neighbours=4).fit(dataset_of_matrix(X)).weights.toarray()
    expected = walked(X, 1.0, 0.3)
    for item in range(25):
        best = np.sort(expected[item])[-4:]
        np.testing.assert_allclose(np.sort(kept[item][kept[item] > 0]), best, rtol=1e-4)


def test_more_beta_lists_less_popular_items(matrix):
    skewed = matrix.copy()
    skewed[:, :3] = np.random.default_rng(2).random((60, 3)) < 0.8
    popularity = skewed.sum(0)
    means = [
        popularity[
            RP3beta(beta=beta).fit(dataset_of_matrix(skewed)).recommend(k=3, exclude_seen=False).item_rows
        ].mean()
        for beta in (0.0, 1.5)
    ]
    assert means[1] < means[0]
