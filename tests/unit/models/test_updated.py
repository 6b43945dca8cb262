"""Models that take in a few events beside the traffic, against models fitted on everything."""

from dataclasses import replace

import numpy as np
import pytest

from foretaste.data import Dataset, Interactions, Query, Vocabulary, grown
from foretaste.errors import ConfigurationError, UnsupportedError
from foretaste.models import create_model
from foretaste.testing import tiny_shop

NEW = [
    ("u-000", "p-005", 5.0), ("u-001", "p-005", 3.0), ("stranger", "p-005", 1.0), ("u-000", "fresh", 5.0),
    ("u-004", "fresh", 1.0), ("stranger", "fresh", 4.0), ("stranger", "p-000", 1.0), ("u-009", "p-012", 1.0),
]  # fmt: skip
EXACT = {
    "popular": [{}, {"values": "weight"}],
    "item_knn": [
        {"user_exponent": 0.0},
        {"user_exponent": 0.0, "values": "weight", "history_share": 0.5},
        {"similarity": "jaccard"},
    ],
    "user_knn": [{"item_exponent": 0.0}, {"item_exponent": 0.0, "values": "weight"}, {"similarity": "jaccard"}],
}
CASES = [(name, parameters) for name, variants in EXACT.items() for parameters in variants]
TIME = 1.8e9


def grown_shop():
    shop = tiny_shop()
    users, items, weights = zip(*NEW, strict=True)
    growth = grown(shop.population, users, items, weights, [TIME + n for n in range(len(NEW))])
    after = growth.population
    histories = after.histories
    interactions = Interactions(
        np.repeat(np.arange(len(after.users), dtype=np.int32), histories.lengths),
        histories.item_rows,
        histories.weights,
        histories.timestamps,
        np.zeros(len(histories.item_rows), np.uint8),
    )
    return shop, growth, Dataset(users=after.users, items=after.items, interactions=interactions)


def asked():
    return [
        Query(user_id="u-000"),
        Query(user_id="stranger"),
        Query(history=("p-005", "p-000")),
        Query(user_id="u-010"),
    ]


def lists_of(model):
    return model.recommend(asked(), 20, unknown="empty")


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_an_updated_model_equals_one_fitted_on_everything(name, parameters):
    shop, growth, everything = grown_shop()
    model = create_model(name, **parameters).fit(shop)
    updated = model.updated(growth.population, users=growth.users, items=growth.items)
    expected = create_model(name, **parameters).fit(everything)
    for field in model.state_fields[:1]:
        ours, theirs = getattr(updated, field), getattr(expected, field)
        dense = [value.toarray() if hasattr(value, "toarray") else value for value in (ours, theirs)]
        np.testing.assert_allclose(dense[0], dense[1], rtol=1e-5)
    np.testing.assert_allclose(lists_of(updated).scores, lists_of(expected).scores, rtol=1e-4)


@pytest.mark.parametrize("k", [1, 3, 6])
def test_short_lists_hold_the_best_of_what_stayed_and_of_what_was_compared_anew(k):
    shop, growth, everything = grown_shop()
    model = create_model("item_knn", user_exponent=0.0, n_neighbours=k).fit(shop)
    updated = model.updated(growth.population, users=growth.users, items=growth.items)
    anew = create_model("item_knn", user_exponent=0.0, n_neighbours=100).fit(everything).neighbours.toarray()
    touched = np.isin(np.arange(len(anew)), growth.items)
    expected = np.where(touched[:, None] | touched[None, :], anew, 0)
    n = len(shop.items)
    stayed = ~touched[:n, None] & ~touched[None, :n]
    expected[:n, :n] += np.where(stayed, model.neighbours.toarray(), 0)
    best = -np.sort(-expected, axis=1)[:, :k]
    np.testing.assert_allclose(-np.sort(-updated.neighbours.toarray(), axis=1)[:, :k], best, rtol=1e-5)
    assert (np.diff(updated.neighbours.indptr) <= k).all()


@pytest.mark.parametrize("name", ["item_knn", "user_knn"])
def test_with_weights_by_activity_an_update_is_close_to_a_fit(name):
    shop, growth, everything = grown_shop()
    model = create_model(name).fit(shop)
    updated = model.updated(growth.population, users=growth.users, items=growth.items)
    ours, theirs = (m.neighbours.toarray() for m in (updated, create_model(name).fit(everything)))
    assert ((ours > 0) == (theirs > 0)).all()
    known = theirs > 0
    assert np.median(np.abs(ours[known] / theirs[known] - 1)) < 0.02


def test_updates_of_als_solve_the_touched_items_exactly_given_the_users():
    shop, growth, _ = grown_shop()
    model = create_model("ials", n_factors=6).fit(shop)
    updated = model.updated(growth.population, users=growth.users, items=growth.items)
    config, after = model.config, growth.population
    matrix = after.histories.matrix("binary").toarray()
    before_users = np.vstack([model.user_factors, np.zeros((1, 6), np.float32)])
    gram_items = np.vstack([model.item_factors, np.zeros((1, 6), np.float32)])
    for row in growth.users:
        before_users[row] = ridge_solution(matrix[row], gram_items, config)
    for row in growth.items:
        expected = ridge_solution(matrix[:, row], before_users, config)
        np.testing.assert_allclose(updated.item_factors[row], expected, rtol=2e-3, atol=2e-4)
    untouched = np.setdiff1d(np.arange(len(shop.items)), growth.items)
    np.testing.assert_array_equal(updated.item_factors[untouched], model.item_factors[untouched])


def ridge_solution(taken, others, config):
    """The least-squares vector of one row, by the normal equations."""
    extra = config.alpha * taken
    ridge = config.regularization * (len(taken) + extra.sum()) ** config.regularization_exponent
    others = others.astype(np.float64)
    system = others.T @ (others * (1 + extra)[:, None]) + ridge * np.eye(others.shape[1])
    return np.linalg.solve(system, others.T @ ((1 + extra) * taken))


def test_updates_of_als_are_close_to_a_fit_on_everything():
    """Stated closeness: seven of ten listed items are those of a whole fit, and the new item is found."""
    shop, growth, everything = grown_shop()
    model = create_model("ials", n_factors=8).fit(shop)
    updated = model.updated(growth.population, users=growth.users, items=growth.items)
    expected = create_model("ials", n_factors=8).fit(everything)
    ours, theirs = (m.recommend(k=10, unknown="empty").item_rows for m in (updated, expected))
    shared = [len(set(a[a >= 0]) & set(b[b >= 0])) / 10 for a, b in zip(ours, theirs, strict=True) if (b >= 0).all()]
    assert np.mean(shared) >= 0.7
    assert "fresh" in updated.similar_items(["p-005"], 8)[0].item_ids


@pytest.mark.parametrize("name", ["popular", "item_knn", "user_knn", "ials"])
def test_an_update_leaves_the_model_before_as_it_was_and_may_be_repeated(name):
    shop, growth, _ = grown_shop()
    parameters = {"n_factors": 8} if name == "ials" else {}
    model = create_model(name, **parameters).fit(shop)
    known = [Query(user_id="u-000"), Query(history=("p-005",))]
    before = model.recommend(known, 20)
    updated = model.updated(growth.population, users=growth.users, items=growth.items)
    np.testing.assert_array_equal(model.recommend(known, 20).item_rows, before.item_rows)
    assert "fresh" in updated.items
    again = updated.updated(growth.population, users=growth.users, items=growth.items)
    if name != "ials":  # which goes one round further
        np.testing.assert_allclose(lists_of(again).scores, lists_of(updated).scores, rtol=1e-5)
    more = grown(growth.population, ["u-002"], ["later"], [1.0], [TIME + 100])
    third = updated.updated(more.population, users=more.users, items=more.items)
    lists = third.recommend([Query(user_id="u-002", k=26)], exclude_seen=False)
    assert "later" in lists[0].item_ids or name == "user_knn"  # where only others vote, and nobody else took it
    assert "later" in third.items


def test_what_is_no_extension_of_the_fitted_population_is_refused():
    shop, growth, _ = grown_shop()
    model = create_model("popular").fit(shop)
    other = replace(growth.population, items=Vocabulary(growth.population.items.ids.reverse()))
    with pytest.raises(ConfigurationError, match="do not extend"):
        model.updated(other, users=growth.users, items=growth.items)


@pytest.mark.parametrize("name", ["ease", "tfidf", "trending"])
def test_models_that_cannot_are_refused_with_what_to_do(name):
    shop, growth, _ = grown_shop()
    model = create_model(name).fit(shop)
    assert not model.updates_in_part
    with pytest.raises(UnsupportedError, match="fit it again"):
        model.updated(growth.population, users=growth.users, items=growth.items)


def test_popularity_by_category_counts_on_and_new_items_wait_for_a_category():
    shop, growth, _ = grown_shop()
    model = create_model("popular", per="category").fit(shop)
    updated = model.updated(growth.population, users=growth.users, items=growth.items)
    assert updated.counts[shop.items.row("p-005")] == model.counts[shop.items.row("p-005")] + 3
    assert "fresh" not in updated.recommend([Query()], 25)[0].item_ids
