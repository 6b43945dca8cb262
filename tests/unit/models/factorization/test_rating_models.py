"""Factorisations of ratings against slow versions, against Surprise's steps, and on data whose answer is known."""

import numpy as np
import pytest

from foretaste.data import Query
from foretaste.errors import ConfigurationError, DataInsufficientError
from foretaste.models import create_model
from foretaste.models.factorization.bpmf import BPMF
from foretaste.models.factorization.nmf import NMF
from foretaste.models.factorization.svd import SVD, PaddedTables
from foretaste.models.factorization.svdpp import SVDPP
from foretaste.models.kernels.rating_sgd import svd_epoch, svdpp_epoch
from foretaste.testing import dataset_of_ratings

QUICK = {
    "svd": {"n_factors": 8, "epochs": 60, "regularization": 0.02},
    "svdpp": {"n_factors": 8, "epochs": 60, "regularization": 0.02},
    "nmf": {"n_factors": 4, "regularization": 0.02},
    "bpmf": {"n_factors": 4, "epochs": 60, "burn_in": 20, "kept_samples": 10},
}


def tastes(n_users=60, n_items=40, *, factor=1.0, seed=3):
    """Ratings 3 ± 1 by whether a person's side is the item's side, a quarter of them held out."""
    rng = np.random.default_rng(seed)
    sides = np.sign(rng.standard_normal(n_users))[:, None] * np.sign(rng.standard_normal(n_items))[None, :]
    rows = [(u, i, factor * (3 + sides[u, i])) for u in range(n_users) for i in range(n_items)]
    held_out = rng.random(len(rows)) < 0.25
    kept = [row for row, out in zip(rows, held_out, strict=True) if not out]
    return dataset_of_ratings(kept, n_users, n_items), [row for row, out in zip(rows, held_out, strict=True) if out]


def rmse(model, rows):
    got = model.score([f"u{u}" for u, _, _ in rows], [f"i{i}" for _, i, _ in rows])
    return float(np.sqrt(np.mean((got - np.array([r for _, _, r in rows])) ** 2)))


def start(n_users, n_items, n_factors, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"user_bias": (n_users,), "item_bias": (n_items,), "user_factors": (n_users, n_factors)}
    shapes |= {"item_factors": (n_items, n_factors), "implicit_factors": (n_items, n_factors)}
    return {name: (0.1 * rng.standard_normal(shape)).astype(np.float32) for name, shape in shapes.items()}


def slow_epoch(t, order, indptr, columns, ratings, *, rate, ridge, bias_ridge, implicit):
    """Steps as in the papers, one after the other, all y_j of a user at each of its ratings."""
    for u in order:
        own = columns[indptr[u] : indptr[u + 1]]
        root = np.sqrt(max(len(own), 1))
        for n in range(indptr[u], indptr[u + 1]):
            i = columns[n]
            p, q = t["user_factors"][u].copy(), t["item_factors"][i].copy()
            implied = t["implicit_factors"][own].sum(axis=0) / root if implicit else 0 * p
            error = ratings[n] - t["user_bias"][u] - t["item_bias"][i] - q @ (p + implied)
            t["user_bias"][u] += rate * (error - bias_ridge * t["user_bias"][u])
            t["item_bias"][i] += rate * (error - bias_ridge * t["item_bias"][i])
            t["user_factors"][u] += rate * (error * q - ridge * p)
            t["item_factors"][i] += rate * (error * (p + implied) - ridge * q)
            if implicit:
                for j in own:
                    t["implicit_factors"][j] += rate * (error * q / root - ridge * t["implicit_factors"][j])


@pytest.mark.parametrize("implicit", [False, True], ids=["svd", "svdpp"])
def test_an_epoch_is_exactly_the_steps_of_the_paper(implicit):
    data, _ = tastes(20, 15)
    ratings = data.matrix("weight")
    tables = start(20, 15, 5)
    order = np.random.default_rng(1).permutation(20).astype(np.int32)
    entries = (ratings.indptr.astype(np.int64), ratings.indices.astype(np.int32), (ratings.data - 3).astype(np.float32))
    padded = PaddedTables(tables)
    names = ["user_bias", "item_bias", "user_factors", "item_factors"] + ["implicit_factors"] * implicit
    steps = (np.float32(0.02), np.float32(0.05), np.float32(0.03))
    (svdpp_epoch if implicit else svd_epoch)(order, *entries, *(padded[n] for n in names), padded.width, *steps)
    expected = {name: table.astype(np.float64) for name, table in tables.items()}
    slow_epoch(expected, order, *entries, rate=0.02, ridge=0.05, bias_ridge=0.03, implicit=implicit)
    for name in names:
        shape = tables[name].shape
        got = padded[name].reshape(shape[0], -1)[:, : shape[-1]] if len(shape) == 2 else padded[name]
        np.testing.assert_allclose(got, expected[name], atol=2e-5, err_msg=name)


@pytest.mark.parametrize("name", list(QUICK))
def test_taste_that_biases_cannot_see_is_found(name):
    data, held_out = tastes()
    model = create_model(name, **QUICK[name]).fit(data)
    assert rmse(create_model("bias").fit(data), held_out) > 0.8
    assert rmse(model, held_out) < 0.3


@pytest.mark.parametrize("name", list(QUICK))
def test_ratings_on_another_scale_are_learnt_as_well(name):
    data, held_out = tastes(factor=20.0)
    assert rmse(create_model(name, **QUICK[name]).fit(data), held_out) < 6.0


@pytest.mark.parametrize("name", list(QUICK))
def test_a_stranger_with_the_history_of_a_user_gets_nearly_the_same_scores(name):
    data, _ = tastes()
    model = create_model(name, **QUICK[name]).fit(data)
    part = data.histories.slice(0)
    query = Query(
        history=data.items.ids_of(data.histories.item_rows[part]),
        history_weights=data.histories.weights[part].tolist(),
        k=40,
        exclude_seen=False,
    )
    stranger, known = model.recommend([query])[0], model.recommend(["u0"], 40, exclude_seen=False)[0]
    expected = dict(zip(known.item_ids, known.scores, strict=True))
    np.testing.assert_allclose([expected[i] for i in stranger.item_ids], stranger.scores, atol=0.35)


@pytest.mark.parametrize("name", list(QUICK))
def test_one_constant_rating_is_predicted_for_everybody(name):
    rows = [(u, i, 4.0) for u in range(5) for i in range(5) if (u + i) % 3]
    model = create_model(name, **QUICK[name]).fit(dataset_of_ratings(rows, 6, 6))
    assert np.all(model.score(["u0", "u5"], ["i0", "i5"]) == 4.0)


@pytest.mark.parametrize("name", list(QUICK))
def test_nothing_above_zero_is_refused(name):
    with pytest.raises(DataInsufficientError, match="above 0"):
        create_model(name).fit(dataset_of_ratings([(0, 0, 0.0), (1, 1, 0.0)], 2, 2))


def test_no_coordinate_of_nmf_is_negative():
    model = NMF(n_factors=6).fit(tastes()[0])
    assert model.user_factors.min() >= 0
    assert model.item_factors.min() >= 0


def test_nmf_users_end_at_the_minimum_that_scipy_finds():
    from scipy.optimize import nnls

    data, _ = tastes(12, 10)
    model = NMF(n_factors=3, regularization=0.05).fit(data)
    ratings = data.matrix("weight")
    for u in range(12):
        own = slice(ratings.indptr[u], ratings.indptr[u + 1])
        Q = model.item_factors[ratings.indices[own]].astype(float)
        rows = np.concatenate([Q, np.sqrt(0.05 * len(Q)) * np.eye(3)])
        expected = nnls(rows, np.concatenate([ratings.data[own] / model.scale, np.zeros(3)]))[0]
        np.testing.assert_allclose(model.user_factors[u], expected, atol=6e-3)


def test_the_search_for_epochs_stops_before_the_ratings_are_learnt_by_heart():
    rng = np.random.default_rng(0)
    noise = dataset_of_ratings([(u, i, r) for u in range(30) for i, r in enumerate(rng.integers(1, 6, 20))], 30, 20)
    steps = []
    SVD(n_factors=32, epochs=80, learning_rate=0.05, regularization=0, validation_share=0.3).fit(
        noise, on_progress=lambda step, of, loss: steps.append(of)
    )
    assert steps[-1] < 40


def test_more_samples_of_bpmf_give_nearly_the_same_ratings():
    data, held_out = tastes()
    few, many = (BPMF(n_factors=3, epochs=n, burn_in=20, kept_samples=20).fit(data) for n in (40, 120))
    pairs = [f"u{u}" for u, _, _ in held_out], [f"i{i}" for _, i, _ in held_out]
    assert np.abs(few.score(*pairs) - many.score(*pairs)).mean() < 0.1


def test_an_unknown_user_gets_the_height_of_the_item():
    data, _ = tastes()
    model = SVDPP(n_factors=4, epochs=3).fit(data)
    best = model.recommend([Query(k=3)])[0]
    order = np.argsort(-model.item_bias)[:3]
    assert list(best.item_ids) == [f"i{row}" for row in order]
    np.testing.assert_allclose(best.scores, model.mean + model.scale * model.item_bias[order], rtol=1e-5)


@pytest.mark.parametrize(
    "bad", [{"n_factors": 0}, {"learning_rate": 0}, {"regularization": -1}, {"learning_rate_decay": 2}]
)
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ConfigurationError, match=next(iter(bad))):
        SVD(**bad)
