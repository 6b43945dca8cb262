"""Rules in the pipeline: whatever they say, the list keeps to it, and is as long as it may be."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretaste.data import Query
from foretaste.errors import RuleError
from foretaste.events import Event
from foretaste.serving.asking import list_of_kind, similar_lists
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.serving import Live
from foretaste.serving.live.users import EventWeights
from foretaste.serving.pipeline import Pipeline
from foretaste.serving.training import fit_models
from foretaste.storage.records import Record, UserState

CONFIG = {
    "models": {"ials": {"kind": "ials", "n_factors": 4}, "popular": {"kind": "popular"}, "newest": {"kind": "newest"}},
    "sources": [{"model": "ials", "k": 6}, {"model": "popular", "k": 4}],
    "fallback": {"chain": ["popular"]},
    "pool": 9,
    "scenarios": {"again": {"exclude_seen": False}},
}
NOW = 1_767_225_600.0  # 2026-01-01
SELLERS = ("x", "y", "z")


@pytest.fixture(scope="module")
def bundle(shop):
    models, _ = fit_models(parse_pipeline(CONFIG), shop)
    return Bundle("v1", models, shop.population, EventWeights())


@pytest.fixture(scope="module")
def catalogue(bundle):
    """Every third item is sold by one of three sellers."""
    ids = bundle.items.ids.to_list()
    sold = [Record(i, {"seller": SELLERS[n % 3], "price": n}, True, 1.0, 1.0, n + 1) for n, i in enumerate(ids)]
    return Catalogue(bundle.items).changed(sold)


def run(bundle, catalogue, *rules, k=8, query=None, **options):
    query = query if query is not None else Query(k=k, scenario="again")
    pipeline = Pipeline(parse_pipeline(CONFIG | {"rules": rules}))
    return pipeline.run([query], bundle, catalogue=catalogue, now=NOW, **options)


def listed(*args, **options):
    return list(run(*args, **options).lists[0].item_ids)


def hide(*items, **fields):
    return {"kind": "hide", "name": "hide", "items": list(items), **fields}


def test_what_a_rule_leaves_out_does_not_shorten_the_list(bundle, catalogue):
    before = listed(bundle, catalogue)
    after = listed(bundle, catalogue, hide(*before[:3]))
    assert len(after) == 8
    assert not set(before[:3]) & set(after)


def test_an_item_is_hidden_for_as_long_as_the_dates_say(bundle, catalogue):
    first = listed(bundle, catalogue)[0]
    assert first not in listed(bundle, catalogue, hide(first, valid_until="2026-01-02"))
    assert first in listed(bundle, catalogue, hide(first, valid_until="2026-01-01"))
    assert first in listed(bundle, catalogue, hide(first, valid_from="2026-01-01T00:00:01Z"))


def test_boosted_items_come_first(bundle, catalogue):
    lift = {"kind": "boost", "name": "x first", "where": 'item.seller == "x"', "factor": 1000}
    outcome = run(
        bundle, catalogue, lift, query=Query(user_id=bundle.users.id(0), k=6, scenario="again"), trace=frozenset()
    )
    sellers = [SELLERS[bundle.items.row(i) % 3] for i in outcome.lists[0].item_ids]
    assert sellers == sorted(sellers, key="x".__ne__)
    assert "rules" in [place.name for place in outcome.traces[0][0].stages]


def test_a_pinned_item_stands_in_its_place_though_no_source_gave_it(bundle, catalogue):
    last = listed(bundle, catalogue, k=24)[-1]
    one = run(bundle, catalogue, {"kind": "pin", "name": "p", "item": last, "place": 3}).lists[0]
    assert one.item_ids[2] == last
    assert one.sources[2] == "pinned"
    assert len(set(one.item_ids)) == 8


def test_a_pin_keeps_its_place_when_the_list_is_filled(bundle, catalogue):
    fifth = bundle.items.id(5)
    pin = {"kind": "pin", "name": "p", "item": fifth, "place": 5}
    allowed = np.arange(len(bundle.items)) < 12
    one = run(bundle, catalogue, pin, k=12, allowed=allowed, explain=True).lists[0]
    assert one.item_ids[4] == fifth
    assert sorted(one.item_ids) == sorted(bundle.items.ids.to_list()[:12])


def test_caps_hold_also_for_what_fills_the_list(bundle, catalogue):
    cap = {"kind": "cap", "name": "two a seller", "attribute": "seller", "most": 2, "hard": True}
    outcome = run(bundle, catalogue, cap, k=10)
    sellers = [SELLERS[bundle.items.row(i) % 3] for i in outcome.lists[0].item_ids]
    assert {seller: sellers.count(seller) for seller in SELLERS} == {"x": 2, "y": 2, "z": 2}


def test_a_cap_that_is_not_hard_gives_way_to_the_length(bundle, catalogue):
    cap = {"kind": "cap", "name": "two a seller", "attribute": "seller", "most": 2}
    items = listed(bundle, catalogue, cap, k=10)
    sellers = [SELLERS[bundle.items.row(i) % 3] for i in items]
    assert len(set(items)) == 10
    assert sorted(sellers[:6]) == ["x", "x", "y", "y", "z", "z"]


def test_what_was_bought_is_left_out_where_seen_items_are_not(bundle, catalogue):
    first = listed(bundle, catalogue)[0]
    bought = Event(event_id="1", user_id="u", item_id=first, type="purchase", timestamp=NOW - 86_400)
    users = [UserState((bought,))]
    assert first in listed(bundle, catalogue, users=users)
    assert first not in listed(bundle, catalogue, {"kind": "bought", "name": "b"}, users=users)
    assert first in listed(bundle, catalogue, {"kind": "bought", "name": "b", "hide": "days", "days": 0.5}, users=users)


def test_policies_hold_without_any_rule_and_only_for_items_that_carry_the_attribute(bundle, catalogue):
    first, second, third, fourth = listed(bundle, catalogue)[:4]
    marks = {first: {"stock": 0}, second: {"age_rating": 18}, third: {"flags": ["adult"]}, fourth: {"stock": 1}}
    marked = catalogue.changed([Record(i, values, True, 1, 1, 100 + n) for n, (i, values) in enumerate(marks.items())])
    anybody = listed(bundle, marked)
    assert len(anybody) == 8
    assert set(anybody) & set(marks) == {fourth}
    adult = [UserState((), attributes={"age": 30, "allowed_flags": ["adult"]})]
    assert {second, third} <= set(listed(bundle, marked, users=adult))


def test_the_trace_names_the_rule_or_the_cap(bundle, catalogue):
    ids = bundle.items.ids.to_list()
    hidden = ids[0]
    cap = {"kind": "cap", "name": "one", "attribute": "seller", "most": 1, "hard": True}
    query = Query(user_id=bundle.users.id(0), k=5, scenario="again")
    outcome = run(bundle, catalogue, cap, hide(hidden), query=query, trace=frozenset(ids))
    left_out = {item.item_id: item.left_out for item in outcome.traces[0] if item.rank is None}
    assert left_out[hidden] == ("rule 'hide'",)
    assert ("cap 'one'",) in left_out.values()


def test_a_request_and_the_rules_both_have_their_say(bundle, catalogue):
    allowed = np.arange(len(bundle.items)) < 6
    items = listed(bundle, catalogue, hide(bundle.items.id(0)), k=8, allowed=allowed)
    assert sorted(items) == sorted(bundle.items.ids.to_list()[1:6])


def test_rules_of_a_scenario_hold_there_alone(bundle, catalogue):
    first = listed(bundle, catalogue)[0]
    config = CONFIG | {"scenarios": {"again": {"exclude_seen": False, "rules": [hide(first)]}}, "rules": [hide("none")]}
    pipeline = Pipeline(parse_pipeline(config))
    for scenario, is_there in (("again", False), ("default", True)):
        one = pipeline.run([Query(k=8, scenario=scenario)], bundle, catalogue=catalogue).lists[0]
        assert (first in one.item_ids) == is_there


def test_similar_items_and_lists_for_everybody_keep_to_what_is_hidden(bundle, catalogue):
    first = listed(bundle, catalogue)[0]
    config = CONFIG | {"rules": [hide(first), {"kind": "pin", "name": "p", "item": bundle.items.id(3)}]}
    described = parse_pipeline(config)
    live = Live(bundle, catalogue, Pipeline(described), described)
    other = next(i for i in bundle.items.ids.to_list() if i != first)
    for outcome in (
        *(list_of_kind(live, kind, Query(k=24, scenario=kind), None, False) for kind in ("popular", "new")),
        similar_lists(live, other, Query(k=24, scenario="similar", exclude=frozenset({other})), False),
    ):
        one = outcome.lists[0]
        assert first not in one.item_ids
        assert len(one) >= 22
        assert "pinned" not in one.sources


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"rules": [{"kind": "filter", "name": "n", "deny": "item.price >"}]}, r"shop\.toml: rule 'n', deny: "),
        ({"rules": [{"kind": "filter", "name": "n"}]}, r"shop\.toml: rules\[0\] \('n'\).*either allow or deny"),
        (
            {"scenarios": {"home": {"rules": [{"kind": "cap", "name": "c"}]}}},
            r"shop\.toml: scenarios\.home\.rules\[0\]",
        ),
    ],
)
def test_a_wrong_rule_of_a_pipeline_names_its_place(config, said):
    with pytest.raises(RuleError, match=said):
        parse_pipeline(CONFIG | config, origin="shop.toml")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), k=st.integers(1, 30), most=st.integers(1, 9), hard=st.booleans())
def test_as_many_items_come_back_as_the_rules_let(bundle, catalogue, data, k, most, hard):
    ids = bundle.items.ids.to_list()
    some = st.lists(st.sampled_from(ids), max_size=12, unique=True)
    hidden = data.draw(some)
    pins = [
        {"kind": "pin", "name": f"pin {i}", "item": i, "place": data.draw(st.integers(1, 12))} for i in data.draw(some)
    ]
    cap = {"kind": "cap", "name": "cap", "attribute": "seller", "most": most, "hard": hard}
    query = Query(data.draw(st.sampled_from([None, bundle.users.id(0)])), k=k, scenario="again")
    items = listed(bundle, catalogue, *([hide(*hidden)] if hidden else []), *pins, cap, query=query)
    may = [i for i in ids if i not in hidden]
    sellers = [SELLERS[ids.index(i) % 3] for i in may]
    most_possible = sum(min(most, sellers.count(seller)) for seller in SELLERS) if hard else len(may)
    assert len(items) == len(set(items)) == min(k, most_possible)
    assert not set(items) & set(hidden)
