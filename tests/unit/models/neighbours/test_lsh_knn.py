from dataclasses import replace

import numpy as np
import pytest

from foretaste.data import Query
from foretaste.errors import ConfigurationError, UnknownUserError
from foretaste.models.batches import build_batch
from foretaste.models.neighbours.lsh_knn import LSHItemKNN, LSHUserKNN
from foretaste.testing import checkerboard, dataset_of_matrix, random_weights


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return random_weights((50, 30), share=0.25)


EVERYTHING = {"bands": 128, "rows": 1, "max_bucket": 10_000, "max_candidates": 10_000}
"""Settings that miss next to nothing, so the slow version is the right answer."""


def slow_similarity(X: np.ndarray, measure: str) -> np.ndarray:
    B = (X > 0).astype(float)
    both, sizes = B @ B.T, B.sum(1)
    scale = np.sqrt(np.outer(sizes, sizes)) if measure == "cosine" else sizes[:, None] + sizes - both
    S = both / np.maximum(scale, 1e-12)
    np.fill_diagonal(S, 0)
    return S


@pytest.mark.parametrize("similarity", ["jaccard", "cosine"])
@pytest.mark.parametrize("values", ["binary", "weight"])
@pytest.mark.parametrize("kind", [LSHUserKNN, LSHItemKNN])
def test_scores_equal_the_slow_dense_version_when_nothing_is_missed(matrix, kind, similarity, values):
    model = kind(n_neighbours=100, similarity=similarity, values=values, **EVERYTHING).fit(dataset_of_matrix(matrix))
    R = matrix if values == "weight" else (matrix > 0).astype(float)
    by_user = kind is LSHUserKNN
    expected = slow_similarity(matrix, similarity) @ R if by_user else R @ slow_similarity(matrix.T, similarity)
    batch, _ = build_batch(model.population, None, None)
    scores = model._scores(batch)
    close = np.isclose(np.where(np.isinf(scores), 0, scores), expected, rtol=1e-4)
    assert close.mean() > 0.97


@pytest.mark.parametrize("kind", [LSHUserKNN, LSHItemKNN])
def test_contributions_add_up_to_the_score(matrix, kind):
    model = kind(values="weight").fit(dataset_of_matrix(matrix))
    listed = model.recommend(["u4"], k=6)
    batch, _ = build_batch(model.population, ["u4"], None)
    shares = model._contributions(batch, listed.item_rows[0])
    np.testing.assert_allclose(shares.sum(axis=0), listed.scores[0], rtol=1e-4)


@pytest.mark.parametrize("kind", [LSHUserKNN, LSHItemKNN])
def test_an_update_gives_what_a_fresh_fit_gives(matrix, kind):
    later = matrix.copy()
    later[3, 0:6] = 2
    later[49] = 0
    later[49, 10:20] = 3
    earlier, whole = dataset_of_matrix(matrix[:49, :28]), dataset_of_matrix(later)
    updated = kind(n_neighbours=5, threshold=0.2).fit(earlier).update(whole)
    fresh = kind(n_neighbours=5, threshold=0.2).fit(whole)
    assert (updated.recommend(k=10).item_rows == fresh.recommend(k=10).item_rows).mean() > 0.95


def test_similar_users_are_those_with_the_same_taste(matrix):
    board = checkerboard()
    model = LSHUserKNN().fit(board.data)
    lists = model.similar_users(["u0", "u1"], 4)
    assert list(lists.user_ids) == ["u0", "u1"]
    assert all(int(user_id[1:]) % 2 == 0 for user_id in lists[0].item_ids)
    assert all(int(user_id[1:]) % 2 == 1 for user_id in lists[1].item_ids)
    assert "u0" not in lists[0].item_ids
    with pytest.raises(UnknownUserError, match="nobody"):
        model.similar_users(["nobody"])
    with pytest.raises(ConfigurationError, match="list"):
        model.similar_users("u0")


def test_a_stranger_gets_the_list_of_a_user_with_the_same_history(matrix):
    model = LSHUserKNN().fit(dataset_of_matrix(matrix))
    history = [f"i{i}" for i in np.flatnonzero(matrix[3])]
    known, stranger = model.recommend(["u3"], k=5), model.recommend([Query(history=history)], k=5)
    assert set(known[0].item_ids) & set(stranger[0].item_ids)


def test_bands_without_rows_are_refused():
    for kind in (LSHUserKNN, LSHItemKNN):
        with pytest.raises(ConfigurationError, match="together"):
            kind(bands=3)


def test_another_seed_may_find_others_but_the_same_one_finds_the_same(matrix):
    data = replace(dataset_of_matrix(matrix), name="seeds")
    lists = [LSHItemKNN(threshold=0.3, seed=seed).fit(data).recommend(k=5).item_rows for seed in (0, 0, 1)]
    assert (lists[0] == lists[1]).all()
    assert (lists[0] != lists[2]).any()
