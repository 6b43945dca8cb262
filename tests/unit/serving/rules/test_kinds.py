from dataclasses import dataclass, field

import numpy as np
import pytest

from foretaste.data import Query, Vocabulary
from foretaste.errors import RuleError
from foretaste.events import Event
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.rules import CompiledRules, RuleSet
from foretaste.storage.records import Record

NOW = 1_767_225_600.0  # 2026-01-01
DAY = 86_400.0
ITEMS = {
    "a": {"price": 10, "category": "shoes", "seller": "s1", "stock": 5, "age_rating": 18},
    "b": {"price": 20, "category": "shoes", "seller": "s1", "stock": 0, "flags": ["adult"]},
    "c": {"price": 30, "category": "coffee", "seller": "s2", "age_rating": "PG-13", "flags": "violence"},
    "d": {"price": 40, "category": "coffee", "seller": "s2", "available_until": "2025-12-31"},
    "e": {"seller": "s3", "available_from": NOW + DAY, "age_rating": "R"},
}


@dataclass(frozen=True)
class Known:
    attributes: dict = field(default_factory=dict)
    events: tuple = ()


def catalogue():
    records = [Record(item_id, values, True, 0, 0, n + 1) for n, (item_id, values) in enumerate(ITEMS.items())]
    return Catalogue(Vocabulary(list(ITEMS))).changed(records)


OFF = [{"kind": kind, "name": kind, "enabled": False} for kind in ("stock", "age_rating", "flags", "blocked")]


def compiled(*rules, policies=False):
    return CompiledRules(RuleSet.parse([*([] if policies else OFF), *rules]), catalogue())


def shown(*rules, user=None, scenario="home", context=None, now=NOW, policies=False):
    query = Query(scenario=scenario, context=context or {})
    decision = compiled(*rules, policies=policies).decide([query], [user], now=now)
    return "".join(item_id for item_id, allowed in zip(ITEMS, decision.allowed(0), strict=True) if allowed)


def deny(text, **fields):
    return {"kind": "filter", "name": fields.pop("name", text), "deny": text, **fields}


def test_filters_leave_out_what_they_deny_and_what_they_do_not_allow():
    assert shown() == "abcde"
    assert shown(deny("item.price > 25")) == "abe"
    assert shown({"kind": "filter", "name": "n", "allow": "item.price > 25"}) == "cd"
    assert shown(deny("item.price > 25"), {"kind": "filter", "name": "n", "allow": 'item.seller == "s1"'}) == "ab"
    assert shown(deny("item.price > 25", enabled=False)) == "abcde"


def test_a_policy_gives_way_only_where_a_rule_of_its_kind_is_written():
    adults = {"kind": "age_rating", "name": "n", "unknown_age": 99, "scenarios": ["adults"]}
    assert "a" not in shown(adults, policies=True)
    assert "a" in shown(adults, policies=True, scenario="adults")
    with pytest.raises(RuleError, match="is taken"):
        RuleSet.parse([deny("item.price > 1", name="stock by default")])


def test_rules_hold_in_their_scenarios_and_for_their_audience():
    rule = deny("item.price > 25", scenarios=["basket"], when='user.plan == "basic"')
    basic = Known({"plan": "basic"})
    assert shown(rule, user=basic, scenario="home") == "abcde"
    assert shown(rule, user=basic, scenario="basket") == "abe"
    assert shown(rule, user=None, scenario="basket") == "abcde"


def test_hidden_items_are_hidden_for_their_time():
    rule = {"kind": "hide", "name": "n", "items": ["a", "zz"], "valid_from": "2026-01-01", "valid_until": NOW + 10}
    assert shown(rule, now=NOW - 1) == "abcde"
    assert shown(rule, now=NOW) == "bcde"
    assert shown(rule, now=NOW + 10) == "abcde"


def test_stock_availability_age_and_flags_are_kept_without_any_rule():
    assert shown(policies=True) == ""
    assert shown(policies=True, user=Known({"age": 30})) == "a"
    assert shown(policies=True, user=Known({"birth_date": "1990-05-05", "allowed_flags": ["violence"]})) == "ac"
    assert shown(policies=True, user=Known({"age": 30}), now=NOW + 2 * DAY) == "ae"
    assert shown({"kind": "stock", "name": "n", "enabled": False}, policies=True, user=Known({"age": 30})) == "ade"


def test_age_ratings_may_be_numbers_texts_and_names():
    rule = {"kind": "age_rating", "name": "n", "ratings": {"R": 17}, "unknown_age": 15}
    off = [rule for rule in OFF if rule["kind"] != "age_rating"]

    def seen(age):
        rules = CompiledRules(RuleSet.parse([*off, rule]), catalogue())
        user = Known({"age": age} if age else {})
        return "".join(np.array(list(ITEMS))[rules.decide([Query()], [user], now=NOW).allowed(0)])

    assert (seen(None), seen(12), seen(17), seen(18)) == ("bcd", "bd", "bcde", "abcde")


def test_what_was_bought_is_hidden_for_ever_for_days_or_unless_it_is_repeatable():
    bought = (
        Event(event_id="1", user_id="u", item_id="a", type="purchase", timestamp=NOW - 10 * DAY),
        Event(event_id="2", user_id="u", item_id="c", type="buy", timestamp=NOW - DAY),
    )
    user = Known({}, (*bought, Event(event_id="3", user_id="u", item_id="b", type="view", timestamp=NOW)))
    rule = {"kind": "bought", "name": "n"}
    assert shown(rule, user=user) == "bde"
    assert shown({**rule, "hide": "days", "days": 5}, user=user) == "abde"
    assert shown({**rule, "hide": "never"}, user=user) == "abcde"
    assert shown({**rule, "repeatable": 'item.category == "coffee"'}, user=user) == "bcde"
    assert shown({**rule, "actions": ["view"]}, user=user) == "acde"


def test_users_do_not_see_what_they_blocked():
    user = Known({"blocked_items": ["a", "zz"], "blocked_sellers": ["s2"], "blocked_brands": "x"})
    off = [rule for rule in OFF if rule["kind"] != "blocked"]
    rules = CompiledRules(RuleSet.parse(off), catalogue())
    decision = rules.decide([Query(), Query()], [user, None], now=NOW)
    assert decision.mask.tolist() == [[False, True, False, False, True], [True] * 5]


def test_queries_that_see_the_same_share_one_mask():
    rules = compiled(deny("item.price > user.budget"))
    one, two = Known({"budget": 15}), Known({"budget": 25})
    same = rules.decide([Query(), Query()], [one, Known({"budget": 15.0})], now=NOW)
    assert same.mask.ndim == 1
    other = rules.decide([Query(), Query()], [one, two], now=NOW)
    assert other.mask.sum(axis=1).tolist() == [2, 3]
    assert rules.decide([Query()], [one], now=NOW).mask is same.mask


def test_boosts_multiply_and_missing_factors_count_as_one():
    rules = compiled(
        {"kind": "boost", "name": "x", "where": 'item.category == "shoes"', "factor": 2},
        {"kind": "boost", "name": "y", "factor": "item.price / 10"},
        {"kind": "boost", "name": "z", "factor": 3, "when": "context.sale"},
    )
    decision = rules.decide([Query(), Query(context={"sale": True})], [None, None], now=NOW)
    assert np.stack(decision.factors).tolist() == [[2, 4, 3, 4, 1], [6, 12, 9, 12, 3]]
    rows = np.array([[0, 1, 4, 2, -1]] * 2, np.int32)
    scores = np.array([[5, -4, 6, np.nan, np.nan]] * 2, np.float32)
    order, made = decision.boosted(rows, scores)
    assert order[0].tolist() == [0, 2, 1, 3, 4]
    np.testing.assert_allclose(made[0, :3], [10, -1, 6])


def test_the_trace_names_the_rules_that_leave_an_item_out():
    rules = compiled(deny("item.price > 5", name="dear"), {"kind": "bought", "name": "had"}, policies=True)
    user = Known({"age": 10}, (Event(event_id="1", user_id="u", item_id="a", type="purchase", timestamp=NOW),))
    decision = rules.decide([Query(exclude=frozenset({"a"}))], [user], now=NOW)
    assert decision.why_not(0, 0) == [
        "excluded by the request",
        "rule 'dear'",
        "rule 'age rating by default'",
        "rule 'had'",
    ]


def test_a_rule_that_no_longer_fits_the_catalogue_is_a_problem_and_does_not_raise():
    rules = compiled(deny('item.price > "5"', name="n") | {"deny": "item.seller > 5 or item.price > 35"})
    assert len(rules.problems) == 1
    assert rules.problems[0].details["rule"] == "n" or "item.seller > 5" in str(rules.problems[0])
    assert rules.decide([Query()], [None], now=NOW).mask.tolist() == [True, True, True, False, True]


def test_hits_tell_how_many_items_a_rule_concerns():
    rules = compiled(
        deny("item.price > 25", name="dear"),
        {"kind": "pin", "name": "p", "item": "e"},
        {"kind": "boost", "name": "x", "factor": 2},
    )
    found = {rule.name: rules.hits(rule, now=NOW) for rule in rules.rules.rules if rule.enabled}
    assert {name: int(mask.sum()) for name, mask in found.items()} == {"dear": 2, "p": 1, "x": 5}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"kind": "filtre", "name": "n"}, "rules[0] ('n')"),
        ({"kind": "filter", "name": "n"}, "either allow or deny"),
        ({"kind": "filter", "name": "n", "deny": "item.price >"}, "rule 'n', deny: line 1, column"),
        ({"kind": "filter", "name": "n", "deny": "item.price + 1"}, "where true or false is needed"),
        (
            {"kind": "filter", "name": "n", "deny": "true", "when": "item.price > 1"},
            "cannot name an attribute of the item",
        ),
        ({"kind": "boost", "name": "n", "factor": -1}, "factor"),
        ({"kind": "boost", "name": "n", "factor": "item.a == 1"}, "where a number is needed"),
        ({"kind": "pin", "name": "n", "item": "a", "valid_from": "soon"}, "not an ISO 8601 date"),
        ({"kind": "pin", "name": "n", "item": "a", "place": 0}, "place = 0"),
        ({"kind": "cap", "name": "n", "attribute": "seller", "most": 0}, "most = 0"),
        ({"kind": "bought", "name": "n", "hide": "days"}, 'days belongs to hide = "days"'),
        ({"kind": "hide", "name": "n", "items": []}, "items"),
        ({"kind": "stock", "name": "n", "colour": 1}, "colour"),
        (3, "rules[0]"),
    ],
)
def test_wrong_rules_are_refused_and_named(rule, said):
    with pytest.raises(RuleError) as caught:
        RuleSet.parse([rule])
    assert said in str(caught.value)


def test_names_are_given_once_and_lists_are_lists():
    with pytest.raises(RuleError, match="is there twice"):
        RuleSet.parse([{"kind": "stock", "name": "n"}, {"kind": "flags", "name": "n"}])
    with pytest.raises(RuleError, match="are a list"):
        RuleSet.parse({"rules": "none"})
    with pytest.raises(RuleError, match="unknown beside"):
        RuleSet.parse({"rules": [], "x": 1})
    assert RuleSet.parse(None) == RuleSet()


def test_rules_survive_being_written_and_read():
    rules = RuleSet.parse(
        [deny("item.price > 25", priority=3), {"kind": "cap", "name": "c", "attribute": "seller", "most": 2}]
    )
    assert RuleSet.parse(rules.dump()) == rules
