import numpy as np
import pytest

from foretaste.data import Query
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.users import EventWeights
from foretaste.serving.pipeline import Pipeline
from foretaste.serving.training import fit_models
from foretaste.storage.records import Record

CONFIG = {
    "models": {"ials": {"kind": "ials", "n_factors": 8}, "popular": {"kind": "popular"}},
    "sources": [{"model": "ials", "k": 12}, {"model": "popular", "weight": 0.5, "k": 12}],
    "pool": 8,
    "ranking": {"model": "popular"},
    "rerank": [{"kind": "mmr"}],
}


@pytest.fixture(scope="module")
def bundle(shop):
    models, _ = fit_models(parse_pipeline(CONFIG), shop)
    return Bundle("v1", models, shop.population, EventWeights())


def run(bundle, query, *items, **options):
    outcome = Pipeline(parse_pipeline(CONFIG)).run([query], bundle, trace=frozenset(items), **options)
    return outcome.lists[0], {item.item_id: item for item in outcome.traces[0]}


def test_without_a_trace_nothing_is_kept(bundle, shop):
    assert Pipeline(parse_pipeline(CONFIG)).run([Query(user_id=shop.users.id(0), k=3)], bundle).traces == ()


def test_the_list_and_the_next_candidates_are_traced_in_order(bundle, shop):
    one, traced = run(bundle, Query(user_id=shop.users.id(0), k=3))
    assert list(traced)[:3] == list(one.item_ids)
    assert [item.rank for item in traced.values()] == [1, 2, 3, None, None, None, None, None]
    assert [item.left_out for item in traced.values()][3] == ("below the list: candidate 4",)


def test_each_place_of_an_item_is_that_of_its_source_and_stage(bundle, shop):
    query = Query(user_id=shop.users.id(0), k=3)
    one, traced = run(bundle, query)
    first = traced[one.item_ids[0]]
    assert first.source in {"ials", "popular"}
    for place in first.found_by:
        theirs = bundle.models[place.name].recommend([Query(user_id=shop.users.id(0), k=12)])[0]
        assert theirs.item_ids[place.rank - 1] == first.item_id
        assert place.score == pytest.approx(theirs.scores[place.rank - 1])
    assert [place.name for place in first.stages] == ["merged", "ranking", "rerank mmr"]
    assert first.stages[-1].rank == 1


def test_what_is_left_out_names_every_filter_that_hides_it(bundle, shop):
    row = shop.users.row(shop.users.id(0))
    seen = shop.items.id(int(shop.histories.item_rows[shop.histories.slice(row)][0]))
    others = [i for i in shop.items.ids.to_list() if i != seen]
    hidden, outside, excluded = others[:3]
    catalogue = Catalogue(bundle.items).changed([Record(hidden, is_available=False, version=1)])
    allowed = np.ones(len(shop.items), dtype=bool)
    allowed[shop.items.row(outside)] = False
    query = Query(user_id=shop.users.id(0), k=3, exclude=frozenset({excluded, seen}))
    _, traced = run(
        bundle, query, seen, hidden, outside, excluded, "never heard of", catalogue=catalogue, allowed=allowed
    )
    assert traced[hidden].left_out[0] == "unavailable"
    assert traced[outside].left_out[0] == "filter of the request"
    assert traced[excluded].left_out[0] == "excluded by the request"
    assert traced[seen].left_out == ("excluded by the request", "seen")
    assert traced["never heard of"].left_out == ("unknown item",)


def test_every_item_in_the_list_or_not_has_an_account(bundle, shop):
    query = Query(user_id=shop.users.id(0), k=3)
    one, traced = run(bundle, query, *shop.items.ids.to_list())
    reasons = {why for item in traced.values() for why in item.left_out}
    assert {item_id for item_id, item in traced.items() if item.rank is not None} == set(one.item_ids)
    assert all(bool(item.left_out) == (item.rank is None) for item in traced.values())
    assert reasons >= {"seen", "below the pool", "below the list: candidate 4"}
