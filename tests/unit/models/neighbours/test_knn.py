import numpy as np
import pytest

from foretaste.data import Query
from foretaste.errors import ConfigurationError
from foretaste.models import load_model, save_model
from foretaste.models.batches import build_batch
from foretaste.models.neighbours.item_knn import ItemKNN
from foretaste.models.neighbours.user_knn import UserKNN
from foretaste.testing import dataset_of_matrix, random_weights


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return random_weights((50, 30), share=0.2)


def slow_similarity(
    X: np.ndarray, similarity: str, exponent: float, shrinkage: float, own_share: float = 0.5
) -> np.ndarray:
    """Dense similarities of the rows of X, the diagonal 0."""
    X = X.astype(float)
    known = X > 0
    degrees = np.maximum(known.sum(0), 1)
    if similarity == "pearson":
        X = (X - (X.sum(1) / np.maximum(known.sum(1), 1))[:, None]) * known
    if similarity == "adjusted_cosine":
        X = (X - X.sum(0) / degrees) * known
    if similarity == "jaccard":
        B = (X > 0).astype(float)
        both = B @ B.T
        S = both / np.maximum(B.sum(1)[:, None] + B.sum(1) - both + shrinkage, 1e-12)
    else:
        factors = degrees ** -float(exponent)
        if similarity in {"tfidf", "bm25"}:
            factors = factors * np.log1p(len(X) / degrees) ** 2
        if similarity == "bm25":
            lengths = X.sum(1)
            damping = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())
            X = X * 2.2 / (X + damping[:, None])
        norms = np.sqrt((X**2 * factors).sum(1))
        scale = norms[:, None] ** (2 * own_share) * norms ** (2 - 2 * own_share) + shrinkage
        S = np.divide((X * factors) @ X.T, scale, out=np.zeros_like(scale), where=scale > 0)
    np.fill_diagonal(S, 0)
    return np.maximum(S, 0)


SIMILARITIES = [
    *((similarity, values) for similarity in ("cosine", "jaccard", "tfidf", "bm25") for values in ("binary", "weight")),
    ("pearson", "weight"),
    ("adjusted_cosine", "weight"),
]


def keep_best(S: np.ndarray, k: int) -> np.ndarray:
    kept = np.zeros_like(S)
    for row, values in enumerate(S):
        best = np.argsort(-values, kind="stable")[:k]
        kept[row, best] = values[best]
    return kept


@pytest.mark.parametrize(("similarity", "values"), SIMILARITIES)
def test_item_scores_equal_the_slow_dense_version(matrix, similarity, values):
    model = ItemKNN(
        n_neighbours=7, similarity=similarity, shrinkage=0.5, user_exponent=0.7, history_share=0.3, values=values
    )
    model.fit(dataset_of_matrix(matrix))
    R = matrix if values == "weight" else (matrix > 0).astype(float)
    S = keep_best(slow_similarity(R.T, similarity, 0.7, 0.5, 0.3), 7)
    expected = R @ S
    batch, _ = build_batch(model.population, None, None)
    scores = model._scores(batch)
    np.testing.assert_allclose(np.where(np.isinf(scores), 0, scores), expected, rtol=1e-4, atol=1e-5)
    assert np.isinf(scores[expected == 0]).all()


@pytest.mark.parametrize(("similarity", "values"), SIMILARITIES)
def test_user_scores_equal_the_slow_dense_version(matrix, similarity, values):
    model = UserKNN(n_neighbours=7, similarity=similarity, shrinkage=0.5, item_exponent=0.7, values=values)
    model.fit(dataset_of_matrix(matrix))
    R = matrix if values == "weight" else (matrix > 0).astype(float)
    expected = keep_best(slow_similarity(R, similarity, 0.7, 0.5), 7) @ R
    batch, _ = build_batch(model.population, None, None)
    scores = model._scores(batch)
    np.testing.assert_allclose(np.where(np.isinf(scores), 0, scores), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("similarity", ["cosine", "jaccard", "tfidf", "bm25", "pearson", "adjusted_cosine"])
def test_a_known_user_asked_for_with_its_history_gets_the_learnt_list(matrix, similarity):
    model = UserKNN(n_neighbours=7, similarity=similarity, values="weight").fit(dataset_of_matrix(matrix))
    rows = np.flatnonzero(matrix[3])
    query = Query(user_id="u3", history=[f"i{i}" for i in rows], history_weights=matrix[3, rows].tolist())
    folded, learnt = model.recommend([query], k=8), model.recommend(["u3"], k=8)
    np.testing.assert_allclose(folded.scores, learnt.scores, rtol=1e-5)
    mixed = model.recommend([Query(user_id="u5"), query, Query(user_id="u9")], k=8)
    np.testing.assert_allclose(mixed.scores[1], learnt.scores[0], rtol=1e-5)
    np.testing.assert_allclose(mixed.scores[[0, 2]], model.recommend(["u5", "u9"], k=8).scores, rtol=1e-5)


@pytest.mark.parametrize("similarity", ["cosine", "jaccard", "pearson", "adjusted_cosine"])
@pytest.mark.parametrize("kind", [ItemKNN, UserKNN])
def test_contributions_add_up_to_the_score(matrix, kind, similarity):
    model = kind(n_neighbours=9, values="weight", similarity=similarity).fit(dataset_of_matrix(matrix))
    batch, _ = build_batch(model.population, ["u4"], None)
    listed = model.recommend(["u4"], k=6)
    shares = model._contributions(batch, listed.item_rows[0])
    np.testing.assert_allclose(shares.sum(axis=0), listed.scores[0], rtol=1e-4)


def test_similar_items_are_the_nearest_by_the_slow_version(matrix):
    model = ItemKNN(n_neighbours=30, shrinkage=0.0, user_exponent=0.0, history_share=0.5).fit(dataset_of_matrix(matrix))
    S = slow_similarity((matrix > 0).T.astype(float), "cosine", 0.0, 0.0)
    found = model.similar_items(["i6"], k=5)
    np.testing.assert_allclose(found.scores[0], np.sort(S[6])[::-1][:5], rtol=1e-5)


def test_ties_go_to_the_smaller_item():
    X = np.zeros((4, 6))
    X[:, :] = 1.0
    model = ItemKNN(n_neighbours=2, shrinkage=0.0).fit(dataset_of_matrix(X))
    assert model.similar_items(["i3"], k=2)[0].item_ids == ("i0", "i1")


@pytest.mark.parametrize("kind", [ItemKNN, UserKNN])
def test_an_item_without_evidence_is_left_out_and_not_ranked_last(kind):
    X = np.zeros((4, 6))
    X[:2, :3] = 1
    X[2:, 3:] = 1
    X[0, 2] = 0
    lists = kind().fit(dataset_of_matrix(X)).recommend(["u0"], k=6)
    assert lists[0].item_ids == ("i2",)


@pytest.mark.parametrize("kind", [ItemKNN, UserKNN])
def test_a_saved_model_gives_the_same_lists_and_folds_in(kind, matrix, tmp_path):
    model = kind().fit(dataset_of_matrix(matrix))
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    assert (loaded.recommend(k=5).item_rows == model.recommend(k=5).item_rows).all()
    query = [Query(history=["i1", "i2"])]
    assert loaded.recommend(query)[0].item_ids == model.recommend(query)[0].item_ids


@pytest.mark.parametrize("kind", [ItemKNN, UserKNN])
def test_centring_needs_more_than_ones(kind):
    with pytest.raises(ConfigurationError, match="weight"):
        kind(similarity="pearson")
