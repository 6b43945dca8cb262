"""Freshness, fairness of exposure and demographic parity: known answers, and what they promise."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretaste.errors import ConfigurationError
from foretaste.rerank import ItemView, Labels, Slate, create_reranker
from foretaste.rerank.demographic_parity import least_by_chance

DAY_S = 86_400.0
NOW = 2e9


def one_list(view, scores=None, k=5):
    n = view.n_items
    scores = np.linspace(1, 0, n) if scores is None else np.asarray(scores)
    return Slate(
        np.arange(n, dtype=np.int32)[None, :], scores.astype(np.float32)[None, :], np.array([k]), view, now=NOW
    )


def aged(*days):
    return ItemView(len(days), created_at=np.array([NOW - d * DAY_S for d in days]))


def order(slate, kind, **parameters):
    return create_reranker(kind, **parameters).rerank(slate).rows[0, : int(slate.ks[0])].tolist()


# --- freshness ---------------------------------------------------------------------------------------------------


def test_an_item_of_the_half_life_gets_half_of_what_a_new_one_gets():
    slate = one_list(aged(1e9, 7, 0), [1.0, 0.95, 0.9], k=3)
    # relevance 1, 0.5, 0; youth 0, 0.5, 1
    assert order(slate, "freshness", trade_off=0.6) == [0, 1, 2]
    assert order(slate, "freshness", trade_off=0.4) == [2, 1, 0]


def test_slots_bring_young_items_to_the_end_of_the_list_and_no_further():
    slate = one_list(aged(99, 99, 99, 99, 99, 99, 3, 99, 2))
    found = order(slate, "freshness", trade_off=1.0, slots=2, younger_than_days=10)
    assert found == [0, 1, 2, 6, 8]
    assert order(slate, "freshness", trade_off=1.0, slots=5, younger_than_days=10) == [0, 1, 2, 6, 8]
    assert order(slate, "freshness", trade_off=1.0, slots=0) == [0, 1, 2, 3, 4]


def test_slots_are_kept_free_of_pins():
    slate = replace(one_list(aged(99, 99, 99, 99, 99, 99, 3)), pins=np.array([[-1, -1, -1, 1, 2]], np.int32))
    assert order(slate, "freshness", trade_off=1.0, slots=1, younger_than_days=10) == [0, 3, 6, 1, 2]


def test_an_unknown_age_is_old_and_one_from_the_future_new():
    view = ItemView(3, created_at=np.array([np.nan, 0.0, NOW + 5]))
    assert order(one_list(view, k=3), "freshness", trade_off=0.0) == [2, 0, 1]


# --- exposure ----------------------------------------------------------------------------------------------------


def test_what_was_shown_less_than_it_merits_is_lifted():
    view = ItemView(3, popularity=np.array([10.0, 10.0, 0.0]), exposure=np.array([90.0, 10.0, 0.0]))
    # due: 50, 50, 0; owed: nothing, 4/5, nothing
    assert order(one_list(view, [1, 0.5, 0], k=3), "exposure_fairness", trade_off=0.6) == [1, 0, 2]
    assert order(one_list(view, [1, 0.5, 0], k=3), "exposure_fairness", trade_off=0.9) == [0, 1, 2]
    assert order(one_list(view, [1, 0.9, 0.8], k=3), "exposure_fairness", merit="even", trade_off=0.3) == [2, 1, 0]


def test_groups_share_what_they_are_owed():
    labels = Labels.of([["big"], ["big"], ["small"], []])
    view = ItemView(4, fields={"seller": labels}, popularity=np.ones(4), exposure=np.array([60.0, 39.0, 1.0, 0.0]))
    assert order(one_list(view, k=4), "exposure_fairness", field="seller", trade_off=0.5) == [2, 0, 1, 3]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 15), trade_off=st.floats(0.05, 1))
def test_no_item_is_passed_by_one_of_much_less_relevance(seed, n, trade_off):
    rng = np.random.default_rng(seed)
    view = ItemView(n, popularity=rng.integers(0, 5, n).astype(float), exposure=rng.integers(0, 50, n).astype(float))
    scores = -np.sort(-rng.uniform(0, 1, n))
    found = order(one_list(view, scores, k=n), "exposure_fairness", trade_off=trade_off)
    relevance = (scores - scores[-1]) / (scores[0] - scores[-1])
    for place, item in enumerate(found):
        assert relevance[found[place:]].max() - relevance[item] <= (1 - trade_off) / trade_off + 1e-5


def test_without_any_exposure_or_merit_the_order_stays():
    for popularity in (np.zeros(4), np.ones(4)):
        view = ItemView(4, popularity=popularity, exposure=np.zeros(4))
        assert order(one_list(view, k=4), "exposure_fairness", trade_off=0.1) == [0, 1, 2, 3]


def test_exposure_paid_back_over_many_lists_reaches_the_merited_shares():
    popularity, exposure = np.array([5.0, 3.0, 2.0]), np.zeros(3)
    view = ItemView(3, popularity=popularity, exposure=exposure)
    for _ in range(400):
        view = view.with_exposure(exposure.copy(), popularity)
        exposure[order(one_list(view, [1, 0.99, 0.98], k=1), "exposure_fairness", trade_off=0.05)] += 1
    assert np.allclose(exposure / exposure.sum(), [0.5, 0.3, 0.2], atol=0.03)


# --- parity ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "table"),
    [  # Zehlike et al. 2017, table 2
        (0.3, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2]),
        (0.5, [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4]),
        (0.7, [0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6]),
    ],
)
def test_the_least_counts_are_those_of_the_paper(share, table):
    assert least_by_chance(np.arange(1, 13), share, 0.1).tolist() == table


def grouped(pattern):
    return ItemView(len(pattern), fields={"size": Labels.of([[c] if c != "." else [] for c in pattern])})


def test_protected_items_come_as_high_as_they_must_and_no_higher():
    slate = one_list(grouped("bbbbbbbbsss"), k=8)
    found = order(slate, "demographic_parity", field="size", group=["s"], share=0.5)
    assert found == [0, 1, 2, 8, 3, 4, 9, 5]


@settings(max_examples=50, deadline=None)
@given(
    pattern=st.text("bs.", min_size=1, max_size=20),
    k=st.integers(1, 12),
    share=st.floats(0.1, 0.9),
    two_sided=st.booleans(),
)
def test_every_prefix_keeps_the_bounds_as_far_as_there_are_candidates(pattern, k, share, two_sided):
    slate = one_list(grouped(pattern), k=k)
    found = order(slate, "demographic_parity", field="size", group=["s"], share=share, two_sided=two_sided)
    n_members = pattern.count("s")
    least = least_by_chance(np.arange(1, len(found) + 1), share, 0.1)
    most = np.arange(1, len(found) + 1) - least_by_chance(np.arange(1, len(found) + 1), 1 - share, 0.1)
    for p in range(1, len(found) + 1):
        inside = sum(pattern[i] == "s" for i in found[:p])
        assert inside >= min(least[p - 1], n_members)
        if two_sided and len(pattern) - n_members >= p - most[p - 1]:
            assert inside <= most[p - 1]
    for inside_group in (True, False):  # and within each group by relevance
        same = [i for i in found if (pattern[i] == "s") == inside_group]
        assert same == sorted(same)


def test_the_due_share_is_that_of_the_catalogue_unless_given():
    found = order(one_list(grouped("bbbbbsssss"), k=4), "demographic_parity", field="size", group=["s"])
    assert found == [0, 1, 2, 5]


def test_a_group_needs_values_and_a_field():
    with pytest.raises(ConfigurationError, match="group"):
        create_reranker("demographic_parity", field="size", group=[])
    with pytest.raises(ConfigurationError, match="field"):
        create_reranker("demographic_parity", group=["s"])
