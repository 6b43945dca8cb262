"""Counts that fade, against a slow obvious sum over all events."""

import math
from collections import defaultdict

import numpy as np
import pytest

from foretaste.serving.live.counters import LiveCounters
from foretaste.serving.live.decayed import DecayedSums
from foretaste.serving.live.groups import CountersConfig, groups_of, hour_of, text_of
from foretaste.serving.live.users import EventWeights
from foretaste.testing.records import event

HOUR = 3600.0
NOW = 1_000 * 24 * HOUR + 13 * HOUR
WEIGHTS = EventWeights()


def slow_sums(added, half_lives, now):
    """Σ w·2^(-(now - t)/h) for each pair and half-life, one event after the other."""
    sums = defaultdict(lambda: [0.0] * len(half_lives))
    for group, item, weight, moment in added:
        for n, half_life in enumerate(half_lives):
            sums[group, item][n] += weight * 2.0 ** (-(now - moment) / half_life)
    return sums


def as_dict(sums, group, now):
    found = sums.of(group, now=now)
    return dict(zip(found.items.tolist(), found.sums.T.tolist(), strict=True))


def test_sums_are_those_of_the_slow_way_over_years_of_many_small_additions():
    rng = np.random.default_rng(3)
    half_lives = (24 * HOUR, 2 * HOUR)
    sums, added, now = DecayedSums(half_lives, most=10_000), [], NOW
    for _ in range(300):
        now += float(rng.exponential(40 * HOUR))
        n = int(rng.integers(1, 6))
        groups, items = rng.integers(0, 4, n), rng.integers(0, 30, n)
        weights, times = rng.uniform(0.5, 5, n), now - rng.exponential(3 * HOUR, n)
        sums.add(groups, items, weights, times, now=now)
        added += zip(groups.tolist(), items.tolist(), weights.tolist(), times.tolist(), strict=True)
    expected = slow_sums(added, half_lives, now)
    for group in range(4):
        ours = as_dict(sums, group, now)
        theirs = {item: value for (own, item), value in expected.items() if own == group}
        worth_knowing = {item for item, value in theirs.items() if value[0] > 1e-12}
        assert worth_knowing <= set(ours)
        for item in worth_knowing:
            np.testing.assert_allclose(ours[item], theirs[item], rtol=1e-9, atol=1e-15)


def test_pairs_that_wait_to_be_put_among_the_others_count_like_them():
    sums = DecayedSums((HOUR, 60.0), most=100_000)
    everything = np.arange(30_000)
    for part in np.array_split(np.random.default_rng(0).permutation(everything), 40):
        ones, times = np.ones(len(part)), np.full(len(part), NOW)
        sums.add(np.zeros(len(part), np.int64), part, ones, times, now=NOW)
        sums.add(np.zeros(len(part), np.int64), part, ones, times, now=NOW)
    found = sums.of(0, now=NOW)
    assert sorted(found.items.tolist()) == everything.tolist()
    assert (found.sums == 2.0).all()
    assert sums.items.tolist() == everything.tolist()


def test_beyond_the_most_pairs_the_smallest_are_dropped():
    sums = DecayedSums((HOUR,), most=100)
    items = np.arange(100)
    assert not sums.add(np.zeros(100, np.int64), items, 1.0 + items, np.full(100, NOW), now=NOW)
    assert sums.add(np.ones(1, np.int64), np.zeros(1, np.int64), np.array([500.0]), np.array([NOW]), now=NOW)
    assert len(sums) == 75
    assert as_dict(sums, 1, NOW) == {0: [500.0]}
    assert min(as_dict(sums, 0, NOW)) == 26


def test_a_clock_that_is_set_back_keeps_what_is_counted_and_gives_no_infinity():
    sums = DecayedSums((24 * HOUR, 2 * HOUR), most=100)
    one, ones = np.zeros(1, np.int64), np.ones(1)
    sums.add(one, one, ones, np.array([NOW]), now=NOW)
    sums.add(one, one, ones, np.array([NOW + 30 * 24 * HOUR]), now=NOW + 30 * 24 * HOUR)
    earlier = NOW - 10_000 * 24 * HOUR
    assert np.isfinite(sums.of(0, now=earlier).sums).all()
    sums.add(one, one, ones, np.array([NOW]), now=earlier)
    np.testing.assert_allclose(as_dict(sums, 0, earlier)[0], [2.0, 2.0], rtol=1e-6)


def counters_of(events, of_users=None, **config):
    counters = LiveCounters(CountersConfig(**config), clock=lambda: NOW)
    counters.take(events, WEIGHTS, of_users or {})
    return counters


def shop_events(n=400, seed=1):
    rng = np.random.default_rng(seed)
    return [
        event(
            f"e{k}",
            user_id=f"u{rng.integers(20)}",
            item_id=f"i{int(rng.integers(12) * rng.random())}",
            type=str(rng.choice(["view", "purchase", "skip"])),
            timestamp=NOW - float(rng.exponential(10 * HOUR)),
            context={"device": str(rng.choice(["phone", "desk"]))} if rng.random() < 0.8 else {},
        )
        for k in range(n)
    ]


def slow_count(events, half_life_s, where=lambda _: True):
    found = defaultdict(float)
    for e in filter(where, events):
        weight = WEIGHTS.weight(e)
        if weight > 0:
            found[e.item_id] += weight * 2.0 ** (-(NOW - e.timestamp) / half_life_s)
    return found


def test_popularity_is_the_share_of_all_faded_weights():
    events = shop_events()
    ranked = counters_of(events).popular({}, smoothing=20.0, now=NOW)
    counts = slow_count(events, 24 * HOUR)
    shares = {item: count / sum(counts.values()) for item, count in counts.items()}
    assert list(ranked.item_ids) == sorted(shares, key=lambda item: -shares[item])
    np.testing.assert_allclose(ranked.scores, sorted(shares.values(), reverse=True), rtol=1e-9)
    assert ranked.is_complete


def test_popularity_of_a_group_is_mixed_with_what_everybody_takes():
    events = shop_events()
    known = {"device": "phone", "hour": "afternoon"}
    ranked = counters_of(events).popular(known, smoothing=7.0, now=NOW)
    everybody = slow_count(events, 24 * HOUR)
    total = sum(everybody.values())
    groups = [
        slow_count(events, 24 * HOUR, lambda e: e.context.get("device") == "phone"),
        slow_count(events, 24 * HOUR, lambda e: 12 <= e.timestamp // HOUR % 24 < 18),
    ]
    for item_id, score in zip(ranked.item_ids, ranked.scores.tolist(), strict=True):
        p = everybody[item_id] / total
        parts = [(own[item_id] + 7.0 * p) / (sum(own.values()) + 7.0) for own in groups]
        assert score == pytest.approx(sum(parts) / 2)


def test_trends_are_the_surprise_of_late_over_an_even_flow():
    events = shop_events()
    ranked = counters_of(events).trending({}, smoothing=5.0, now=NOW)
    late, usual = slow_count(events, 2 * HOUR), slow_count(events, 24 * HOUR)
    expected = {
        item: (late[item] - usual[item] / 12) / math.sqrt(usual[item] / 12 + 5.0)
        for item in usual
        if late[item] > usual[item] / 12
    }
    assert list(ranked.item_ids) == sorted(expected, key=lambda item: -expected[item])
    np.testing.assert_allclose(ranked.scores, sorted(expected.values(), reverse=True), rtol=1e-9)


def test_segments_are_counted_by_the_attributes_of_users():
    events = [event(f"e{n}", user_id=f"u{n}", item_id=f"i{n % 2}", timestamp=NOW) for n in range(20)]
    attributes = {f"u{n}": {"age": 25 if n % 2 else 47, "vip": True} for n in range(20)}
    counters = counters_of(events, attributes, attributes=("age",))
    young = counters.popular({"age": "20"}, smoothing=0.1, now=NOW)
    assert young.item_ids[0] == "i1"
    assert counters.popular({"age": "40"}, smoothing=0.1, now=NOW).item_ids[0] == "i0"
    assert counters.popular({"age": "90"}, smoothing=0.1, now=NOW).scores.tolist() == [0.5, 0.5]  # as everybody


def test_a_new_event_changes_the_ranking_that_was_asked_for_before():
    clock = [NOW]
    counters = LiveCounters(CountersConfig(), clock=lambda: clock[0])
    counters.take([event("a", item_id="i0", timestamp=NOW)], WEIGHTS, {})
    first = counters.popular({}, smoothing=1.0, now=NOW)
    assert counters.popular({}, smoothing=1.0, now=NOW + 0.5) is first
    counters.take([event(f"b{n}", item_id="i1", timestamp=NOW + 0.5) for n in range(3)], WEIGHTS, {})
    assert counters.popular({}, smoothing=1.0, now=NOW + 0.6).item_ids == ("i1", "i0")


def test_what_is_forgotten_for_room_gives_back_groups_and_items():
    clock = [NOW]
    counters = LiveCounters(CountersConfig(most_counts=1000, context=("device",)), clock=lambda: clock[0])
    for day in range(6):
        clock[0] = NOW + day * 24 * HOUR
        events = [
            event(f"d{day}e{n}", item_id=f"d{day}i{n}", timestamp=clock[0], context={"device": f"d{day}"})
            for n in range(200)
        ]
        counters.take(events, WEIGHTS, {})
        assert len(counters) <= 1000
    newest = counters.popular({"device": "d5"}, smoothing=1e-6, now=clock[0])
    assert all(item_id.startswith("d5") for item_id in newest.item_ids[:150])
    assert len(counters.popular({}, smoothing=1.0, now=clock[0], everything=True).item_ids) < 1000


def test_values_beyond_the_most_of_a_key_are_not_told_apart():
    events = [event(f"e{n}", item_id=f"i{n}", timestamp=NOW, context={"device": f"d{n}"}) for n in range(5)]
    counters = counters_of(events, most_values=3, context=("device",))
    assert counters.popular({"device": "d2"}, smoothing=0.01, now=NOW).item_ids[0] == "i2"
    assert counters.popular({"device": "d4"}, smoothing=0.01, now=NOW).scores.tolist() == [0.2] * 5


def test_of_many_items_only_the_best_are_put_in_order_until_all_are_asked_for():
    events = [event(f"e{n}", item_id=f"i{n:04}", timestamp=NOW - n) for n in range(1500)]
    counters = counters_of(events)
    best = counters.popular({}, smoothing=1.0, now=NOW)
    assert len(best.item_ids) == 1000
    assert best.item_ids[:2] == ("i0000", "i0001")
    assert not best.is_complete
    every = counters.popular({}, smoothing=1.0, now=NOW, everything=True)
    assert (len(every.item_ids), every.is_complete) == (1500, True)


def test_events_of_unknown_time_and_signs_of_no_interest_do_not_count():
    events = [event("a", item_id="x", timestamp=0.0), event("b", item_id="y", type="skip", timestamp=NOW)]
    assert counters_of(events).popular({}, smoothing=1.0, now=NOW).item_ids == ()


@pytest.mark.parametrize(
    ("value", "name"),
    [(" Berlin ", "berlin"), (True, "true"), (34, "30"), (-1, "-10"), (None, None), ([1], None), ("x" * 65, None)],
)
def test_values_make_groups(value, name):
    assert text_of(value) == name


def test_hours_are_bands_of_the_day():
    assert [hour_of(h, NOW) for h in (0, 6, 17, 23)] == ["night", "morning", "afternoon", "evening"]
    assert [hour_of(h, NOW) for h in ("Lunch", None, 99, [])] == ["lunch", "afternoon", "afternoon", "afternoon"]
    assert groups_of(CountersConfig(context=()), {"device": "phone"}, {"age": 3}, NOW) == {}
