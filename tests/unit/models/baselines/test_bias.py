"""Baseline ratings against a slow version and against the published figures."""

import os
from pathlib import Path

import numpy as np
import pytest

from foretaste.data import Query
from foretaste.models.baselines.bias import Bias
from foretaste.testing import dataset_of_ratings

DATA = Path(os.environ.get("FORETASTE_DATA", Path(__file__).parents[4].parent / "shared" / "data"))


def sample():
    rng = np.random.default_rng(5)
    pairs = rng.permutation(12 * 9)[:60]
    return [(p // 9, p % 9, r) for p, r in zip(pairs.tolist(), rng.integers(1, 6, 60).tolist(), strict=True)]


def test_biases_equal_those_of_plain_loops():
    rows = sample()
    mean = sum(r for _, _, r in rows) / len(rows)
    b_user, b_item = [0.0] * 12, [0.0] * 9
    for _ in range(7):
        for i in range(9):
            own = [r - mean - b_user[u] for u, item, r in rows if item == i]
            b_item[i] = sum(own) / (4 + len(own))
        for u in range(12):
            own = [r - mean - b_item[i] for user, i, r in rows if user == u]
            b_user[u] = sum(own) / (3 + len(own))
    model = Bias(epochs=7, regularization_users=3, regularization_items=4).fit(dataset_of_ratings(rows, 12, 9))
    assert model.mean == pytest.approx(mean)
    np.testing.assert_allclose(model.user_bias, b_user, atol=1e-6)
    np.testing.assert_allclose(model.item_bias, b_item, atol=1e-6)


def test_without_regularization_additive_ratings_are_found_exactly():
    users, items = np.array([-1.0, 0.0, 1.0]), np.array([-0.5, 0.5])
    rows = [(u, i, 3 + users[u] + items[i]) for u in range(3) for i in range(2)]
    model = Bias(regularization_users=0, regularization_items=0).fit(dataset_of_ratings(rows, 3, 2))
    got = model.score([f"u{u}" for u, _, _ in rows], [f"i{i}" for _, i, _ in rows])
    np.testing.assert_allclose(got, [r for _, _, r in rows], atol=1e-5)


def test_ratings_stay_on_the_scale_and_an_unrated_item_gets_the_users_mean_height():
    model = Bias(regularization_users=0, regularization_items=0).fit(
        dataset_of_ratings([(0, 0, 5), (0, 1, 5), (1, 0, 5), (1, 2, 1), (2, 2, 1)], 3, 4)
    )
    assert model.score(["u0", "u2"], ["i0", "i2"]).tolist() == [5.0, 1.0]
    height = np.clip(model.mean + model.user_bias[1], 1, 5)
    assert model.score(["u1"], ["i3"])[0] == pytest.approx(height)
    assert "i3" not in model.recommend(["u1"], exclude_seen=False)[0].item_ids


def test_a_new_user_gets_the_bias_of_the_history():
    model = Bias().fit(dataset_of_ratings(sample(), 12, 9))
    query = Query(history=["i1", "i4"], history_weights=[5.0, 4.0], exclude_seen=False)
    bias = ((5 - model.mean - model.item_bias[1]) + (4 - model.mean - model.item_bias[4])) / (15 + 2)
    best = model.recommend([query], k=9)[0]
    expected = {f"i{i}": model.mean + bias + b for i, b in enumerate(model.item_bias)}
    assert dict(best) == pytest.approx(expected, abs=1e-5)


@pytest.mark.data
def test_five_folds_of_movielens_give_the_published_error():
    folder = DATA / "movielens-100k"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing")
    ratings = np.loadtxt(folder / "u.data", usecols=(0, 1, 2), dtype=np.int64) - np.array([1, 1, 0])
    fold_of = np.random.default_rng(0).permutation(len(ratings)) % 5
    squared, absolute = [], []
    for fold in range(5):
        test = ratings[fold_of == fold]
        model = Bias().fit(dataset_of_ratings(ratings[fold_of != fold], 943, 1682))
        errors = model.score_rows(test[:, 0].astype(np.int32), test[:, 1].astype(np.int32)) - test[:, 2]
        squared.append(float(np.sqrt(np.mean(errors**2))))
        absolute.append(float(np.mean(np.abs(errors))))
    assert np.mean(squared) == pytest.approx(0.944, abs=0.001)
    assert np.mean(absolute) == pytest.approx(0.748, abs=0.001)
