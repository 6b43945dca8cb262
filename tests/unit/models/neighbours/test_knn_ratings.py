import numpy as np
import pytest

from foretaste.data import Query
from foretaste.errors import ConfigurationError
from foretaste.models import load_model, save_model
from foretaste.models.batches import build_batch
from foretaste.models.neighbours.knn_ratings import KNNRatings
from foretaste.testing import dataset_of_matrix, random_weights


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return random_weights((30, 20), share=0.4)


def biases(R: np.ndarray) -> np.ndarray:
    known = R > 0
    mean = R[known].mean()
    users, items = np.zeros(len(R)), np.zeros(R.shape[1])
    for _ in range(10):
        items = ((R - mean - users[:, None]) * known).sum(0) / (10 + known.sum(0))
        users = ((R - mean - items) * known).sum(1) / (15 + known.sum(1))
    return mean + users[:, None] + items


def slow_similarity(R: np.ndarray, B: np.ndarray, kind: str, settings: dict) -> np.ndarray:
    """Of the rows of R (0 is no rating), B being what the biases expect."""
    n = len(R)
    S = np.zeros((n, n))
    crossing_means = R.sum(0) / np.maximum((R > 0).sum(0), 1)
    for a in range(n):
        for b in range(n):
            both = (R[a] > 0) & (R[b] > 0)
            count = both.sum()
            if a == b or count < max(settings.get("min_support", 1), 1):
                continue
            x, y = R[a, both], R[b, both]
            if kind == "pearson_baseline":
                x, y = x - B[a, both], y - B[b, both]
            elif kind == "adjusted_cosine":
                x, y = x - crossing_means[both], y - crossing_means[both]
            elif kind == "pearson":
                x, y = x - x.mean(), y - y.mean()
            if kind == "msd":
                s = 1 / (((x - y) ** 2).mean() + 1)
            else:
                scale = np.sqrt((x**2).sum() * (y**2).sum())
                s = (x * y).sum() / scale if scale > 1e-9 else 0.0
            s = s if s > 1e-5 else 0.0
            s *= count / (count + settings.get("shrinkage", 500.0))
            if settings.get("significance"):
                s *= min(count / settings["significance"], 1)
            S[a, b] = max(s, 0)
    return S


def slow_predictions(R: np.ndarray, of: str, similarity: str, centring: str, settings: dict) -> np.ndarray:
    B = biases(R)
    own, expected = (R, B) if of == "users" else (R.T, B.T)
    S = slow_similarity(own, expected, similarity, settings)
    means = np.array([row[row > 0].mean() for row in own])[:, None] + np.zeros_like(own)
    spreads = np.array([row[row > 0].std() for row in own])[:, None] + np.zeros_like(own)
    spreads[spreads < 1e-9] = 1
    centre, spread = {
        "none": (np.zeros_like(own), np.ones_like(own)),
        "mean": (means, np.ones_like(own)),
        "zscore": (means, spreads),
        "baseline": (expected, np.ones_like(own)),
    }[centring]
    out = expected.copy()
    for a in range(len(own)):
        for c in range(own.shape[1]):
            raters = np.flatnonzero((own[:, c] > 0) & (S[a] > 0))
            near = raters[np.argsort(-S[a, raters], kind="stable")][: settings.get("n_neighbours", 30)]
            weights = S[a, near]
            if len(near) >= settings.get("min_neighbours", 1) and weights.sum() > 0:
                deviations = (own[near, c] - centre[near, c]) / spread[near, c]
                mean = (weights * deviations).sum() / (weights.sum() + settings.get("damping", 0.0))
                out[a, c] = centre[a, c] + spread[a, c] * mean
    return out if of == "users" else out.T


CASES = [
    ("pearson_baseline", "baseline", {}),
    (
        "pearson_baseline",
        "baseline",
        {"damping": 0.3, "significance": 6.0, "shrinkage": 2.0, "n_neighbours": 4, "min_support": 3},
    ),
    ("pearson", "zscore", {"min_support": 3}),
    ("adjusted_cosine", "baseline", {"min_neighbours": 3}),
    ("msd", "mean", {"shrinkage": 0.0}),
    ("cosine", "none", {"n_neighbours": 5, "min_support": 3}),
]


@pytest.mark.parametrize("of", ["items", "users"])
@pytest.mark.parametrize(("similarity", "centring", "settings"), CASES)
def test_predictions_equal_the_slow_version(matrix, of, similarity, centring, settings):
    model = KNNRatings(of=of, similarity=similarity, centring=centring, **settings).fit(
        dataset_of_matrix(matrix, is_explicit=True)
    )
    expected = slow_predictions(matrix, of, similarity, centring, settings)
    users, items = np.meshgrid(np.arange(30, dtype=np.int32), np.arange(20, dtype=np.int32), indexing="ij")
    got = model.score_rows(users.ravel(), items.ravel()).reshape(30, 20)
    np.testing.assert_allclose(got, np.clip(expected, 1, 5), rtol=1e-3, atol=1e-3)
    batch, _ = build_batch(model.population, None, None)
    np.testing.assert_allclose(model._scores(batch), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("of", ["items", "users"])
@pytest.mark.parametrize(("similarity", "centring", "settings"), CASES[::2])
def test_ratings_given_with_a_query_are_folded_in(matrix, of, similarity, centring, settings, tmp_path):
    fitted = KNNRatings(of=of, similarity=similarity, centring=centring, **settings).fit(
        dataset_of_matrix(matrix, is_explicit=True)
    )
    rows = np.flatnonzero(matrix[4])
    history = {"history": [f"i{i}" for i in rows], "history_weights": matrix[4, rows].tolist()}
    save_model(fitted, tmp_path)
    for model in (fitted, load_model(tmp_path)):
        known = model.recommend(["u4"], k=6)
        named = model.recommend([Query(user_id="u4", **history)], k=6)
        np.testing.assert_allclose(named.scores, known.scores, rtol=1e-2)
        mixed = model.recommend([Query(user_id="u9"), Query(user_id="u4", **history), Query(user_id="u2")], k=6)
        np.testing.assert_allclose(mixed.scores[1], named.scores[0], rtol=1e-5)
        np.testing.assert_allclose(mixed.scores[[0, 2]], model.recommend(["u9", "u2"], k=6).scores, rtol=1e-5)
        assert model.recommend([Query(**history)], k=6).lengths[0] == 6


@pytest.mark.parametrize("of", ["items", "users"])
def test_constant_ratings_are_predicted_as_they_are(of):
    R = np.full((6, 5), 4.0)
    R[0, 0] = R[3, 2] = 0
    for similarity in ("pearson", "pearson_baseline", "cosine", "msd", "adjusted_cosine"):
        for centring in ("none", "mean", "zscore", "baseline"):
            model = KNNRatings(of=of, similarity=similarity, centring=centring).fit(
                dataset_of_matrix(R, is_explicit=True)
            )
            np.testing.assert_allclose(model.score(["u0", "u3"], ["i0", "i2"]), [4, 4], rtol=1e-5)


@pytest.mark.parametrize("of", ["items", "users"])
def test_who_and_what_nobody_knows_gets_the_baseline(matrix, of):
    R = matrix.copy()
    R[:, 7] = 0
    R[3] = 0
    model = KNNRatings(of=of).fit(dataset_of_matrix(R, is_explicit=True))
    expected = biases(R)
    np.testing.assert_allclose(
        model.score(["u3", "u4", "u3"], ["i1", "i7", "i7"]), expected[[3, 4, 3], [1, 7, 7]], rtol=1e-4
    )
    assert 7 not in model.recommend(k=20, exclude_seen=False).item_rows


def test_neighbours_beyond_those_kept_are_not_asked(matrix):
    model = KNNRatings(n_kept=2).fit(dataset_of_matrix(matrix, is_explicit=True))
    assert np.diff(model.list_indptr).max() == 2
    for row in range(20):
        values = model.list_values[model.list_indptr[row] : model.list_indptr[row + 1]]
        assert (np.diff(values) <= 0).all()


def test_settings_out_of_range_are_refused():
    for wrong in ({"of": "movies"}, {"n_neighbours": 0}, {"shrinkage": -1}, {"similarity": "dice"}):
        with pytest.raises(ConfigurationError):
            KNNRatings(**wrong)
