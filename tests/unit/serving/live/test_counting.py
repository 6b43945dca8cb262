"""Live counters in a real engine: counted from the store, fed by all workers, shown in lists."""

import asyncio

import pytest

from foretaste.errors import ConfigurationError
from foretaste.serving.bootstrap import open_engine
from foretaste.serving.config import parse_pipeline
from foretaste.serving.training import train

LIVE = {
    "models": {"popular": {"kind": "popular"}},
    "sources": [{"kind": "live_popular"}],
    "fallback": {"chain": ["popular"]},
    "counters": {"attributes": ["plan"], "window_events": 50},
    "scenarios": {
        "now": {"sources": [{"kind": "live_trending", "smoothing": 1.0}]},
        "here": {"sources": [{"kind": "context_popular", "smoothing": 0.1}]},
        "peers": {"sources": [{"kind": "segment_popular", "smoothing": 0.1}]},
        "plain": {"sources": [{"model": "popular"}]},
    },
}


@pytest.fixture
async def counted(settings, stores):
    """An engine whose lists come from live counters."""
    await train(stores.records, stores.artifacts, parse_pipeline(LIVE), evaluate=False)
    async with open_engine(settings) as engine:
        yield engine


async def first_items(engine, user_id, wanted, **asked):
    """Ask, a fixed number of times at most, until ``wanted`` comes first."""
    for _ in range(200):
        answer = await engine.recommend(user_id, 5, **asked)
        if answer.items and answer.items[0].item_id == wanted:
            return answer
        await asyncio.sleep(0.01)
    raise AssertionError([item.item_id for item in answer.items])


def takes(user_ids, item_id, **more):
    return [{"user_id": user_id, "item_id": item_id, "type": "purchase", **more} for user_id in user_ids]


async def test_what_others_take_is_first_in_the_next_list(counted):
    await counted.record_events(takes([f"guest-{n}" for n in range(9)], "p-013"))
    answer = await first_items(counted, "newcomer", "p-013", explain=True)
    assert answer.items[0].source == "live_popular"
    assert answer.items[0].reason
    trend = await first_items(counted, "newcomer", "p-013", scenario="now")
    assert trend.items[0].source == "live_trending"


async def test_lists_of_counters_keep_to_masks_exclude_lists_and_seen_items(counted):
    for item_id, n in (("p-013", 9), ("p-014", 8), ("p-015", 7), ("p-016", 6)):
        await counted.record_events(takes([f"{item_id}-{k}" for k in range(n)], item_id))
    await first_items(counted, "newcomer", "p-013")
    await counted.record_events([{"user_id": "newcomer", "item_id": "p-013"}])
    await counted.upsert("item", [{"item_id": "p-014", "is_available": False}])
    answer = await first_items(counted, "newcomer", "p-016", exclude=["p-015"])
    assert not {"p-013", "p-014", "p-015"} & {item.item_id for item in answer.items}


async def test_context_and_segments_decide_whose_actions_count(counted):
    await counted.upsert("user", [{"user_id": f"gold-{n}", "plan": "gold"} for n in range(5)])
    await counted.record_events(takes([f"g{n}" for n in range(9)], "p-001", context={"device": "tv"}))
    await counted.record_events(takes([f"h{n}" for n in range(12)], "p-002", context={"device": "phone"}))
    await counted.record_events(takes([f"gold-{n}" for n in range(4)], "p-003", context={"device": "desk"}))
    tv = await first_items(counted, "newcomer", "p-001", scenario="here", context={"device": "tv", "hour": "any"})
    phone = await first_items(counted, "newcomer", "p-002", scenario="here", context={"device": "phone", "hour": "any"})
    assert {*tv.sources, *phone.sources} == {"context_popular"}
    gold = await first_items(counted, "gold-4", "p-003", scenario="peers")
    stranger = await first_items(counted, "newcomer", "p-002", scenario="peers")  # nothing known: everybody's
    assert {*gold.sources, *stranger.sources} == {"segment_popular"}


async def test_a_worker_that_starts_counts_the_newest_events_of_the_store(settings, counted):
    await counted.record_events(takes([f"early-{n}" for n in range(60)], "p-004"))  # outside the window of 50
    await counted.record_events(takes([f"late-{n}" for n in range(49)], "p-005"))
    async with open_engine(settings) as other:
        answer = await other.recommend("newcomer", 5)
        assert [item.item_id for item in answer.items[:2]] == ["p-005", "p-004"]
        assert answer.items[0].score == pytest.approx(0.98, abs=0.001)
        await counted.record_events(takes([f"more-{n}" for n in range(200)], "p-006"))
        await first_items(other, "newcomer", "p-006")


async def test_a_pipeline_that_asks_for_no_counters_reads_no_events(counted, pipeline):
    await train(counted.records, counted.artifacts, pipeline, evaluate=False)
    await counted.refresh()
    await counted.record_events(takes(["u-000"], "p-004"))
    await counted.following.follower.look()
    sample = counted.metrics.registry.get_sample_value
    before = sample("foretaste_followed_events_total")
    await counted.record_events(takes(["u-001"], "p-004"))
    await counted.following.follower.look()
    assert sample("foretaste_followed_events_total") == before


async def test_a_scenario_set_while_serving_may_ask_for_counters(engine):
    await engine.record_events(takes([f"guest-{n}" for n in range(400)], "p-017"))
    assert (await engine.recommend("newcomer", 5)).items[0].item_id != "p-017"
    await engine.rules.put_scenario("now", {"sources": [{"kind": "live_popular"}]})
    await first_items(engine, "newcomer", "p-017", scenario="now")


async def test_only_lists_that_rest_on_counters_are_kept_for_less_time():
    config = parse_pipeline(LIVE)
    assert [config.keep_s(name) for name in ("default", "now", "plain", None)] == [10.0, 10.0, None, None]
    chained = parse_pipeline({**LIVE, "fallback": {"chain": ["live_popular"]}})
    assert [chained.keep_s("plain"), chained.keep_s(None)] == [10.0, 10.0]
    assert chained.uses_counters
    assert not parse_pipeline({"models": LIVE["models"], "sources": [{"model": "popular"}]}).uses_counters


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sources": [{"kind": "live_popular", "keys": ["shoe"]}]}, "'live_popular' asks for the key 'shoe'"),
        ({"sources": [{"kind": "live_popular", "smoothing": -1}]}, "smoothing = -1"),
        ({"sources": [{"kind": "live_popular", "half_life": 3}]}, "half_life = 3"),
        ({"counters": {}}, "'segment_popular' counts by no key: name some under attributes"),
        ({"counters": {"trend_half_life_hours": 48}}, "trend_half_life_hours = 48.0 must be less"),
        ({"counters": {"context": ["plan"], "attributes": ["plan"]}}, "'plan' is named twice"),
    ],
)
def test_wrong_settings_are_said(changes, said):
    with pytest.raises(ConfigurationError, match=said):
        parse_pipeline(LIVE | changes)
