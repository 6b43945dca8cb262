"""Features of candidates against what they say by definition, and lists ordered by them."""

import numpy as np
import pytest

from foretaste.data import Query, RecLists
from foretaste.errors import ConfigurationError
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.users import EventWeights
from foretaste.serving.live.view import training_popularity
from foretaste.serving.pipeline import Parts, Pipeline
from foretaste.serving.pipeline.features import looked_up, price_shares, scaled
from foretaste.serving.training import fit_models
from foretaste.storage.records import Record

NOW = 1_780_000_000.0
DAY_S = 86_400.0
BASE = {
    "models": {"popular": {"kind": "popular"}},
    "sources": [{"kind": "catalogue", "label": "first", "k": 4}, {"model": "popular", "k": 6}],
    "fallback": {"chain": ["popular"]},
}


class Fixed:
    """A source that gives the same items to everybody."""

    def __init__(self, name, rows, scores, items):
        self.name, self._rows, self._scores, self._items = name, rows, scores, items

    def recommend(self, queries, k, *, allowed, now):
        n = len(queries)
        rows, scores = np.tile(np.int32(self._rows), (n, 1)), np.tile(np.float32(self._scores), (n, 1))
        return RecLists(rows, scores, self._items, [query.user_id for query in queries])


@pytest.fixture(scope="module")
def bundle(shop):
    models, _ = fit_models(parse_pipeline(BASE), shop)
    return Bundle("v1", models, shop.population, EventWeights())


@pytest.fixture(scope="module")
def catalogue(bundle):
    ids = bundle.items.ids.to_list()
    records = [
        Record(
            item_id,
            {
                "price": 10 * n,
                "brand": f"b{n % 3}",
                "devices": ["app", "web"][: n % 3],
                "created_at": NOW - 30 * n * DAY_S,
            },
            True,
            0.0,
            0.0,
            n + 1,
        )
        for n, item_id in enumerate(ids[:-1])
    ]
    return Catalogue(bundle.items).changed(records)


def traced(bundle, catalogue, weights, query):
    """What each feature added, by item row, of the first items of the catalogue and the most popular ones."""
    config = parse_pipeline(BASE | {"ranking": {"weights": weights}})
    source = Fixed("first", [0, 1, 2, 3], [8, 4, 4, 0], catalogue.items)
    pipeline = Pipeline(config, parts=Parts(sources={"catalogue": lambda *_: source}))
    outcome = pipeline.run([query], bundle, catalogue=catalogue, now=NOW, trace=frozenset(catalogue.items.ids))
    return {catalogue.items.row(item.item_id): item for item in outcome.traces[0] if item.features}


def strange(history=(), **fields):
    return Query(history=history, exclude_seen=False, k=10, **fields)


def test_a_source_says_its_scaled_score_and_one_through_the_rank(bundle, catalogue):
    somebody = strange((catalogue.items.id(5),))
    items = traced(bundle, catalogue, {"score.first": 2.0, "rank.first": 3.0, "rank.popular": 1.0}, somebody)
    assert [items[row].features["score.first"] for row in range(4)] == [2.0, 1.0, 1.0, 0.0]
    assert [items[row].features["rank.first"] for row in range(4)] == pytest.approx([3.0, 1.5, 1.0, 0.75])
    others = [item for row, item in items.items() if row >= 4]
    assert others
    assert {item.features["score.first"] for item in others} == {0.0}
    by_popular = {place.rank: row for row, item in items.items() for place in item.found_by if place.name == "popular"}
    assert items[by_popular[2]].features["rank.popular"] == 0.5


def test_items_are_as_popular_fresh_and_dear_as_the_catalogue_says(bundle, catalogue):
    items = traced(bundle, catalogue, {"popularity": 1.0, "freshness": 1.0, "price": 1.0}, strange())
    logs = np.log1p(training_popularity(bundle))
    for row, item in items.items():
        assert item.features["popularity"] == pytest.approx(logs[row] / logs.max(), rel=1e-5)
        if row < len(catalogue.items) - 1:
            assert item.features["freshness"] == pytest.approx(0.5**row, rel=1e-5)
            assert item.features["price"] == pytest.approx(row / (len(catalogue.items) - 1), rel=1e-5)


def test_affinity_is_the_share_of_the_history_that_has_the_value(bundle, catalogue):
    ids = catalogue.items.ids.to_list()
    query = strange((ids[0], ids[3], ids[1]), history_weights=(1.0, 2.0, 1.0))  # brands 0, 0 and 1
    items = traced(bundle, catalogue, {"affinity.brand": 1.0}, query)
    assert [items[row].features["affinity.brand"] for row in range(4)] == [0.75, 0.25, 0.0, 0.75]


def test_somebody_without_a_history_has_no_affinity(bundle, catalogue):
    assert traced(bundle, catalogue, {"affinity.brand": 1.0}, strange())[0].features == {"affinity.brand": 0.0}


@pytest.mark.parametrize(("device", "expected"), [("app", [0, 1, 1, 0]), ("web", [0, 0, 1, 0]), ("tv", [0] * 4)])
def test_context_is_one_where_the_item_has_the_value_of_the_request(bundle, catalogue, device, expected):
    query = strange(context={"devices": device})
    items = traced(bundle, catalogue, {"context.devices": 1.0}, query)
    assert [items[row].features["context.devices"] for row in range(4)] == expected


def test_lists_are_ordered_by_the_weighted_sum_in_a_batch_as_alone(bundle, catalogue, shop):
    weights = {"merged": 0.2, "popularity": 1.0, "price": -0.5, "affinity.brand": 0.7}
    pipeline = Pipeline(parse_pipeline(BASE | {"ranking": {"weights": weights}}))
    queries = [Query(user_id=user, k=5) for user in shop.users.ids.head(6).to_list()]
    together = pipeline.run(queries, bundle, catalogue=catalogue, now=NOW)
    for b, query in enumerate(queries):
        alone = pipeline.run([query], bundle, catalogue=catalogue, now=NOW, trace=frozenset())
        assert together.lists[b].item_ids == alone.lists[0].item_ids
        assert list(alone.lists[0].scores) == sorted(alone.lists[0].scores, reverse=True)
        for item, score in zip(alone.traces[0], alone.lists[0].scores, strict=False):
            assert sum(item.features.values()) == pytest.approx(score, abs=1e-5)


def test_items_below_zero_stay_before_the_padding(bundle, catalogue):
    pipeline = Pipeline(parse_pipeline(BASE | {"ranking": {"weights": {"price": -1.0}}, "pool": 3}))
    one = pipeline.run([strange()], bundle, catalogue=catalogue, now=NOW).lists[0]
    assert len(one) == 10


@pytest.mark.parametrize("name", ["prize", "score.nobody", "rank", "affinity", "price.eur", "merged.first"])
def test_a_feature_that_is_none_is_refused_with_the_valid_ones(name):
    with pytest.raises(ConfigurationError, match=f"no ranking feature '{name}'.*score.first"):
        parse_pipeline(BASE | {"ranking": {"weights": {name: 1.0}}})


def test_a_ranking_is_either_a_model_or_weights():
    for ranking in ({}, {"model": "popular", "weights": {"price": 1.0}}):
        with pytest.raises(ConfigurationError, match="either a model or weights"):
            parse_pipeline(BASE | {"ranking": ranking})


def test_look_ups_give_zero_for_what_is_not_there():
    found = looked_up(np.array([7, 2, 9]), np.array([1, 2, 3], np.float32), np.array([[2, 9], [8, 7]]))
    assert found.tolist() == [[2, 3], [0, 1]]
    assert looked_up(np.zeros(0, np.int64), np.zeros(0, np.float32), np.array([1])).tolist() == [0]


def test_scores_are_scaled_within_each_list():
    found = scaled(np.array([[3, 1, 2, np.nan], [5, 5, np.nan, np.nan]], np.float32))
    np.testing.assert_allclose(found, [[1, 0, 0.5, np.nan], [1, 1, np.nan, np.nan]])


def test_prices_are_told_by_how_many_are_lower():
    np.testing.assert_allclose(price_shares(np.array([5, np.nan, 1, 5, 9])), [0.25, np.nan, 0, 0.25, 0.75])
