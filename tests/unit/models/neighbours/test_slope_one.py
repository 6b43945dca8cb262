import numpy as np
import pytest

from foretaste.data import Query
from foretaste.models import load_model, save_model
from foretaste.models.batches import build_batch
from foretaste.models.neighbours.slope_one import SlopeOne
from foretaste.testing import dataset_of_matrix, random_weights


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return random_weights((30, 18), share=0.3)


def slow(R: np.ndarray, *, weighted: bool, min_support: int = 1) -> np.ndarray:
    n_users, n_items = R.shape
    out = np.full(R.shape, np.nan)
    for u in range(n_users):
        rated = np.flatnonzero(R[u])
        for i in range(n_items):
            total = weight = 0.0
            for j in rated:
                both = (R[:, i] > 0) & (R[:, j] > 0)
                if j == i or both.sum() < min_support:
                    continue
                deviation = (R[both, i] - R[both, j]).mean()
                w = both.sum() if weighted else 1
                total += w * (deviation + (R[u, j] if weighted else R[u, rated].mean()))
                weight += w
            if weight:
                out[u, i] = total / weight
            else:
                out[u, i] = R[:, i].sum() / (R[:, i] > 0).sum() if R[:, i].any() else R[R > 0].mean()
    return out


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("max_dense_items", [100, 5], ids=["dense", "sparse"])
@pytest.mark.parametrize("min_support", [1, 3])
def test_predictions_equal_the_slow_version(matrix, weighted, max_dense_items, min_support):
    model = SlopeOne(weighted=weighted, max_dense_items=max_dense_items, min_support=min_support).fit(
        dataset_of_matrix(matrix, is_explicit=True)
    )
    expected = slow(matrix, weighted=weighted, min_support=min_support)
    users, items = np.meshgrid(np.arange(30, dtype=np.int32), np.arange(18, dtype=np.int32), indexing="ij")
    got = model.score_rows(users.ravel(), items.ravel()).reshape(30, 18)
    np.testing.assert_allclose(got, np.clip(expected, 1, 5), rtol=1e-4)
    batch, _ = build_batch(model.population, None, None)
    np.testing.assert_allclose(model._scores(batch), expected, rtol=1e-4)


def test_the_example_of_the_paper():
    # Lemire and Maclachlan, figure 1: A rated I 1 and J 1.5, B rated I 2, so B is expected to rate J 2.5
    model = SlopeOne().fit(
        dataset_of_matrix(np.array([[1.0, 1.5, 5.0], [2.0, 0.0, 0.0], [5.0, 0.0, 0.0]]), is_explicit=True)
    )
    assert model.score(["u1"], ["i1"])[0] == pytest.approx(2.5)


def test_only_the_items_with_most_support_are_kept_of_a_large_catalogue(matrix):
    kept = SlopeOne(max_dense_items=5, n_kept=4).fit(dataset_of_matrix(matrix, is_explicit=True))
    both = (matrix > 0).astype(float).T @ (matrix > 0)
    np.fill_diagonal(both, 0)
    assert np.diff(kept.indptr).tolist() == np.minimum((both > 0).sum(1), 4).tolist()
    for item in range(18):
        support = kept.support[kept.indptr[item] : kept.indptr[item + 1]]
        assert sorted(support, reverse=True) == sorted(both[item], reverse=True)[: len(support)]
    users, items = np.nonzero(matrix == 0)
    assert np.isfinite(kept.score_rows(users.astype(np.int32), items.astype(np.int32))).all()


@pytest.mark.parametrize("max_dense_items", [100, 5], ids=["dense", "sparse"])
def test_a_stranger_is_predicted_like_a_user_with_the_same_ratings(matrix, max_dense_items, tmp_path):
    model = SlopeOne(max_dense_items=max_dense_items).fit(dataset_of_matrix(matrix, is_explicit=True))
    rows = np.flatnonzero(matrix[4])
    query = Query(history=[f"i{i}" for i in rows], history_weights=matrix[4, rows].tolist())
    save_model(model, tmp_path)
    for one in (model, load_model(tmp_path)):
        lists = one.recommend([query], k=5), one.recommend(["u4"], k=5)
        assert lists[0][0].item_ids == lists[1][0].item_ids
        np.testing.assert_allclose(lists[0].scores, lists[1].scores, rtol=1e-5)


def test_constant_ratings_are_predicted_as_they_are():
    R = np.full((5, 4), 3.0)
    R[0, 0] = R[3, 2] = 0
    model = SlopeOne().fit(dataset_of_matrix(R, is_explicit=True))
    assert model.score(["u0", "u3"], ["i0", "i2"]).tolist() == [3, 3]


def test_an_item_that_nobody_rated_gets_the_mean_and_is_not_listed(matrix):
    R = matrix.copy()
    R[:, 7] = 0
    model = SlopeOne().fit(dataset_of_matrix(R, is_explicit=True))
    assert model.score(["u0"], ["i7"])[0] == pytest.approx(R[R > 0].mean(), rel=1e-5)
    assert 7 not in model.recommend(k=18, exclude_seen=False).item_rows
