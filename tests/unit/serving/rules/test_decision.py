from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from foretaste.data import Query, Vocabulary
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.rules import CompiledRules, RuleSet, broken, settled, still_open
from foretaste.storage.records import Record


def decided(items, *rules, exclude=()):
    records = [Record(f"i{n}", values, True, 0, 0, n + 1) for n, values in enumerate(items)]
    catalogue = Catalogue(Vocabulary([f"i{n}" for n in range(len(items))])).changed(records)
    query = Query(exclude=frozenset(exclude))
    return CompiledRules(RuleSet.parse(list(rules)), catalogue).decide([query], [None], now=100.0)


def cap(most, attribute="seller", **fields):
    return {"kind": "cap", "name": f"{attribute} {most}", "attribute": attribute, "most": most, **fields}


def pin(item, place, **fields):
    return {"kind": "pin", "name": f"{item} at {place}", "item": item, "place": place, **fields}


SELLERS = [{"seller": seller} for seller in ("x", "x", "x", "y", "y", "z")] + [{}, {}]


def test_caps_take_the_best_items_that_they_allow():
    decision = decided(SELLERS, cap(1))
    assert settled(decision, 0, [0, 1, 2, 3, 4, 5, 6, 7], 5) == [0, 3, 5, 6, 7]
    assert settled(decision, 0, [2, 1, 0], 5) == [2]


def test_caps_count_every_element_of_a_list():
    items = [{"tags": tags} for tags in (["a", "b"], ["b"], ["a"], ["c"], [])]
    assert settled(decided(items, cap(1, "tags")), 0, [0, 1, 2, 3, 4], 5) == [0, 3, 4]


def test_pins_stand_in_their_places_and_count_for_the_caps():
    decision = decided(SELLERS, cap(1), pin("i2", 2))
    assert settled(decision, 0, [0, 1, 3, 5, 6], 4) == [3, 2, 5, 6]


def test_pins_win_by_priority_and_the_others_move_on():
    decision = decided(SELLERS, pin("i1", 1), pin("i2", 1, priority=5), pin("i3", 9))
    assert settled(decision, 0, [4, 5, 6], 4) == [2, 1, 4, 5]
    assert settled(decision, 0, [], 10) == [2, 1, 3]


def test_pins_do_not_show_what_is_hidden_excluded_or_unknown():
    hide = {"kind": "hide", "name": "h", "items": ["i1"]}
    decision = decided(SELLERS, hide, pin("i1", 1), pin("i2", 2), pin("nobody", 3), exclude=["i2"])
    assert settled(decision, 0, [4, 5, 6], 3) == [4, 5, 6]


def test_what_is_still_open_keeps_the_caps_until_they_are_relaxed():
    decision = decided(SELLERS, cap(1), cap(2, "seller", name="hard", hard=True), pin("i7", 1))
    assert np.flatnonzero(still_open(decision, 0, [0, 3])).tolist() == [5, 6, 7]
    assert np.flatnonzero(still_open(decision, 0, [0, 3], without=1)).tolist() == [1, 2, 4, 5, 6, 7]
    assert np.flatnonzero(still_open(decision, 0, [0, 1, 3], without=1)).tolist() == [4, 5, 6, 7]
    assert broken(decision, 0, [0, 1, 3]) == ("seller 1",)
    assert broken(decision, 0, []) == ()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=8), st.integers(1, 3), st.integers(1, 6))
def test_a_capped_list_is_as_long_as_any_that_keeps_the_cap(sellers, most, k):
    decision = decided([{"seller": seller} for seller in sellers], cap(most))
    rows = settled(decision, 0, range(len(sellers)), k)
    assert broken(decision, 0, rows) == ()
    longest = max(
        size
        for size in range(k + 1)
        for chosen in combinations(range(len(sellers)), size)
        if all([sellers[row] for row in chosen].count(seller) <= most for seller in "abcd")
    )
    assert len(rows) == longest
