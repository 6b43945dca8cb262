"""Exploration in the pipeline: the lists keep their length and the rules, and propensities are exact."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretaste.data import Query
from foretaste.serving.config import parse_pipeline
from foretaste.serving.exploration import Explorer
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.users import EventWeights
from foretaste.serving.pipeline import Parts, Pipeline
from foretaste.serving.rules import broken
from foretaste.serving.training import fit_models
from foretaste.storage.records import Record, UserState

CONFIG = {
    "models": {"ials": {"kind": "ials", "n_factors": 4}, "popular": {"kind": "popular"}},
    "sources": [{"model": "ials", "k": 12}],
    "fallback": {"chain": ["popular"]},
    "pool": 12,
}
NOW = 1_767_225_600.0
SELLERS = ("x", "y", "z")


@pytest.fixture(scope="module")
def bundle(shop):
    models, _ = fit_models(parse_pipeline(CONFIG), shop)
    return Bundle("v1", models, shop.population, EventWeights())


@pytest.fixture(scope="module")
def catalogue(bundle):
    """Every third item is sold by one of three sellers; eight came after the training."""
    ids = [*bundle.items.ids.to_list(), *(f"new-{n}" for n in range(8))]
    sold = [Record(i, {"seller": SELLERS[n % 3], "n": n}, True, 10.0 + n, 1.0, n + 1) for n, i in enumerate(ids)]
    return Catalogue(bundle.items).changed(sold)


def pipeline_of(*rules, explorer=None, **exploration):
    config = CONFIG | {"rules": rules, "exploration": {"share": 1, "policy": "epsilon_greedy"} | exploration}
    return Pipeline(parse_pipeline(config), parts=Parts(explorer=Explorer() if explorer is None else explorer))


def run(pipeline, bundle, catalogue, query=None, **options):
    query = query if query is not None else Query(user_id=bundle.users.id(0), k=6)
    return pipeline.run([query], bundle, catalogue=catalogue, **{"now": NOW, "explores": True} | options)


def ids_of(outcome):
    return list(outcome.lists[0].item_ids)


def test_the_last_place_goes_to_one_of_the_newest_items_and_the_rest_stays(bundle, catalogue):
    pipeline = pipeline_of(pool_size=4)
    plain, outcome = (run(pipeline, bundle, catalogue, explores=on) for on in (False, True))
    explored = outcome.explored[0]
    assert ids_of(outcome)[:5] == ids_of(plain)[:5]
    assert ids_of(outcome)[5] == explored.item_ids[0]
    assert explored.offered == ("new-7", "new-6", "new-5", "new-4")
    assert explored.propensities == pytest.approx((0.25,))
    assert outcome.lists[0].sources[5] == "catalogue"
    assert "explore" in outcome.seconds


def test_nothing_is_explored_where_nobody_sees_the_list_or_the_share_is_zero(bundle, catalogue):
    for outcome in (
        run(pipeline_of(), bundle, catalogue, explores=False),
        run(pipeline_of(share=0), bundle, catalogue),
    ):
        assert outcome.explored == ()
        assert "explore" not in outcome.seconds


def test_named_places_are_filled_and_the_others_move_down(bundle, catalogue):
    pipeline = pipeline_of(places=[1, 4])
    plain, outcome = (run(pipeline, bundle, catalogue, explores=on) for on in (False, True))
    one, two = outcome.explored[0].item_ids
    first, second, third, fourth = ids_of(plain)[:4]
    assert ids_of(outcome) == [one, first, second, two, third, fourth]


def test_candidates_that_missed_the_list_may_be_explored_and_keep_score_and_source(bundle, catalogue):
    pipeline = pipeline_of(pool="candidates", pool_size=3)
    longer = run(pipeline, bundle, catalogue, Query(user_id=bundle.users.id(0), k=8), explores=False).lists[0]
    outcome = run(pipeline, bundle, catalogue)
    assert outcome.explored[0].offered == longer.item_ids[5:8]
    place = longer.item_ids.index(ids_of(outcome)[5])
    assert outcome.lists[0].scores[5] == pytest.approx(longer.scores[place])
    assert outcome.lists[0].sources[5] == "ials"


def test_the_rare_pool_offers_what_the_fewest_people_took(bundle, catalogue):
    histories = bundle.population.histories
    taken = np.bincount(histories.item_rows[histories.weights > 0], minlength=len(bundle.items))
    offered = run(pipeline_of(pool="rare", pool_size=5), bundle, catalogue).explored[0].offered
    counts = taken[bundle.items.rows(list(offered))]
    assert counts.max() <= np.sort(taken)[: 5 + 6 + histories.lengths[0]].max()
    assert (np.diff(counts) >= 0).all()


def test_a_list_that_the_fallback_fills_has_its_explored_item_at_its_place(bundle, catalogue):
    outcome = run(pipeline_of(places=[3]), bundle, catalogue, Query(user_id="nobody", k=6))
    assert ids_of(outcome)[2] == outcome.explored[0].item_ids[0]
    assert len(set(ids_of(outcome))) == 6
    assert outcome.fallbacks == ("cold_user",)


def test_propensities_are_the_chances_of_the_draws(bundle, catalogue):
    explorer = Explorer()
    pipeline = pipeline_of(explorer=explorer, pool_size=4, parameters={"epsilon": 0.4}, hold_s=1.0)
    bandit = explorer.policy("", pipeline.config.exploration).bandit
    bandit.show(bandit.rows([f"new-{n}" for n in range(8)]), now=0.0)
    bandit.reward(bandit.rows(["new-6"]), np.ones(1), now=0.0)
    n, taken, chance = 1500, Counter(), {}
    for step in range(n):
        explored = run(pipeline, bundle, catalogue, Query(k=6), now=NOW, seed=step).explored[0]
        taken[explored.item_ids[0]] += 1
        chance[explored.item_ids[0]] = explored.propensities[0]
    assert chance == pytest.approx({"new-7": 0.1, "new-6": 0.7, "new-5": 0.1, "new-4": 0.1})
    assert sum(chance.values()) == pytest.approx(1)
    for item, expected in chance.items():
        assert abs(taken[item] / n - expected) < 4 * np.sqrt(expected * (1 - expected) / n)


def test_the_second_place_is_drawn_from_what_the_first_left(bundle, catalogue):
    explored = run(pipeline_of(slots=2, pool_size=4), bundle, catalogue).explored[0]
    assert explored.propensities == pytest.approx((1 / 4, 1 / 3))
    assert len(set(explored.item_ids)) == 2


def test_contextual_policies_log_the_situation_and_the_features(bundle, catalogue):
    pipeline = pipeline_of(policy="linucb", context=["device", "user.country"])
    query = Query(user_id="u", k=6, context={"device": "phone"})
    explored = run(pipeline, bundle, catalogue, query, users=[UserState((), attributes={"country": "fr"})]).explored[0]
    assert explored.situation == {"device": "phone", "user.country": "fr"}
    assert [len(one) for one in explored.features] == [17]
    assert explored.arms["context"] == explored.situation


def test_a_trace_says_where_exploration_put_an_item(bundle, catalogue):
    outcome = run(pipeline_of(), bundle, catalogue, trace=frozenset())
    item = next(one for one in outcome.traces[0] if one.item_id == outcome.explored[0].item_ids[0])
    assert [(stage.name, stage.rank) for stage in item.stages] == [("explore", 6)]


def test_a_policy_that_fails_leaves_the_list_as_it_was(bundle, catalogue, monkeypatch):
    pipeline = pipeline_of()
    plain = run(pipeline, bundle, catalogue, explores=False)
    monkeypatch.setattr("foretaste.models.bandits.epsilon_greedy.EpsilonGreedy._values", lambda *_: 1 / 0)
    outcome = run(pipeline, bundle, catalogue)
    assert ids_of(outcome) == ids_of(plain)
    assert [(one.source, one.why) for one in outcome.skipped[0]] == [("explore", "error")]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    k=st.integers(1, 14),
    pool=st.sampled_from(["candidates", "newest", "rare"]),
    slots=st.integers(1, 4),
    user=st.sampled_from([0, 3, None]),
    pin=st.integers(1, 8),
    most=st.integers(1, 4),
    hidden=st.integers(1, 20),
    seed=st.integers(0, 1000),
)
def test_lists_keep_their_length_and_the_rules_whatever_is_explored(
    bundle, catalogue, k, pool, slots, user, pin, most, hidden, seed
):
    rules = (
        {"kind": "hide", "name": "hide", "items": catalogue.items.ids.to_list()[:hidden]},
        {"kind": "pin", "name": "pin", "item": "new-2", "place": pin},
        {"kind": "cap", "name": "cap", "attribute": "seller", "most": most, "hard": True},
    )
    pipeline = pipeline_of(*rules, pool=pool, slots=slots, pool_size=6)
    user_id = None if user is None else bundle.users.id(user)
    query = Query(user_id=user_id, k=k, exclude=frozenset({"new-7"}))
    plain, outcome = (run(pipeline, bundle, catalogue, query, explores=on, seed=seed) for on in (False, True))
    listed, rows = ids_of(outcome), catalogue.items.rows(ids_of(outcome)).tolist()
    assert len(listed) == len(ids_of(plain))
    assert len(set(listed)) == len(listed)
    assert "new-7" not in listed
    assert (np.array(rows) >= hidden).all()
    decision = pipeline.decide([query], catalogue, now=NOW)
    assert broken(decision, 0, rows) == ()
    if len(listed) >= pin:
        assert listed[pin - 1] == "new-2"
    explored = outcome.explored[0]
    if explored is not None:
        assert set(explored.item_ids) <= set(listed)
        assert pin > k or "new-2" not in explored.offered
