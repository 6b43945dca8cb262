"""Events of a real store, written by two processes' worth of connections, handed to subscribers."""

import asyncio
import threading

import pytest

from foretaste.errors import StorageUnavailableError
from foretaste.monitoring import Metrics
from foretaste.serving.live.follower import EventFollower
from foretaste.storage.records import open_records
from foretaste.testing.records import event


@pytest.fixture
async def two(tmp_path):
    url = f"sqlite:///{tmp_path / 'r.db'}"
    async with open_records(url) as here, open_records(url) as there:
        yield here, there


def follower_of(records, **settings):
    metrics = Metrics()
    return EventFollower(records, metrics=metrics, **settings), metrics.registry.get_sample_value


def ids(events):
    return [e.event_id for e in events]


async def until(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


async def test_events_of_any_process_are_handed_out_once_in_order_of_arrival(two):
    here, there = two
    seen = []
    follower, sample = follower_of(here, batch=3)
    follower.subscribe("list", seen.extend)
    await here.append_events([event("before")])
    await follower.start()
    for n in range(5):
        await (here, there)[n % 2].append_events([event(f"e{n}", timestamp=100.0 - n), event(f"f{n}")])
    await until(lambda: len(seen) == 10)
    await follower.close()
    assert ids(seen) == [f"{letter}{n}" for n in range(5) for letter in "ef"]
    assert sample("foretaste_followed_events_total") == 10


async def test_a_store_that_fails_is_tried_again(two, monkeypatch):
    here, there = two
    seen, failing = [], True
    real = here.new_events

    async def sometimes(*arguments):
        if failing:
            raise StorageUnavailableError("locked")
        return await real(*arguments)

    monkeypatch.setattr(here, "new_events", sometimes)
    follower, sample = follower_of(here, poll_s=0.01)
    follower.subscribe("list", seen.extend)
    await follower.start()
    await there.append_events([event("a")])
    await until(lambda: sample("foretaste_store_errors_total", {"purpose": "follow"}))
    assert sample("foretaste_follower_lag_seconds") > 0
    failing = False
    follower.wake()
    await until(lambda: seen)
    await follower.close()
    assert ids(seen) == ["a"]


async def test_a_poison_event_is_counted_and_passed_over_by_the_one_it_poisons(two):
    here, _ = two
    strict, other = [], []

    def picky(events):
        if any(e.item_id == "poison" for e in events):
            raise ValueError("cannot swallow")
        strict.extend(events)

    follower, sample = follower_of(here)
    follower.subscribe("picky", picky)
    follower.subscribe("other", other.extend, in_loop=True)
    await follower.start()
    await here.append_events([event("a"), event("b", item_id="poison"), event("c")])
    await here.append_events([event("d")])
    await until(lambda: len(other) == 4)
    await follower.close()
    assert ids(strict) == ["a", "c", "d"]
    assert sample("foretaste_poison_events_total", {"subscriber": "picky"}) == 1
    assert sample("foretaste_poison_events_total", {"subscriber": "other"}) is None


async def test_what_a_subscriber_needs_is_read_before_and_may_fail(two):
    here, _ = two
    calls = []

    async def prepare(after, events):
        calls.append((after, ids(events)))
        raise RuntimeError("not this time")

    follower, _ = follower_of(here)
    follower.subscribe("careful", lambda events: calls.append(ids(events)), prepare=prepare)
    await here.append_events([event("before")])
    assert await follower.look() == 0
    await here.append_events([event("a")])
    assert await follower.look() == 1
    await follower.close()
    assert calls == [(1, []), (1, ["a"]), ["a"]]


async def test_a_subscriber_that_comes_later_gets_what_comes_later(two):
    here, _ = two
    early, late = [], []
    follower, _ = follower_of(here)
    follower.subscribe("early", early.extend)
    await here.append_events([event("a")])
    assert await follower.look() == 0  # it begins at the end
    await here.append_events([event("b")])
    assert await follower.look() == 1
    follower.subscribe("late", late.extend)
    await here.append_events([event("c"), event("d")])
    assert await follower.look() == 2
    await follower.close()
    assert (ids(early), ids(late)) == (["b", "c", "d"], ["c", "d"])


async def test_nothing_is_read_while_nobody_wants_events(two, monkeypatch):
    here, _ = two
    seen, wanted = [], False
    follower, _ = follower_of(here)
    follower.subscribe("list", seen.extend, wants=lambda: wanted)
    await here.append_events([event("a")])
    with monkeypatch.context() as patched:
        patched.setattr(here, "new_events", None)
        patched.setattr(here, "last_sequence", None)
        assert await follower.look() == 0
    wanted = True
    await follower.look()
    await here.append_events([event("b")])
    await follower.look()
    wanted = False
    await follower.look()
    await here.append_events([event("c")])
    wanted = True
    await follower.look()
    await here.append_events([event("d")])
    await follower.look()
    await follower.close()
    assert ids(seen) == ["b", "d"]


async def test_long_work_is_done_aside_and_short_work_in_the_loop(two):
    here, _ = two
    threads = {}
    follower, _ = follower_of(here)
    follower.subscribe("long", lambda _: threads.update(long=threading.current_thread()))
    follower.subscribe("short", lambda _: threads.update(short=threading.current_thread()), in_loop=True)
    await follower.look()
    await here.append_events([event("a")])
    await follower.look()
    await follower.close()
    assert threads["short"] is threading.main_thread()
    assert threads["long"] is not threading.main_thread()
