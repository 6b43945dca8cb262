"""Kept lists over a real store, with a counted stand-in for the pipeline."""

import asyncio
from types import SimpleNamespace

import orjson
import pytest

from foretaste.errors import StorageUnavailableError, UnknownItemError
from foretaste.serving.answers import Answer, AnswerItem
from foretaste.serving.cache import TAIL, Asking, CachedLists, CacheLimits, SharedLists
from foretaste.serving.config import parse_pipeline
from foretaste.serving.pipeline import Pipeline
from foretaste.storage.cache import GuardedCache
from foretaste.storage.cache.memory import MemoryCache
from foretaste.storage.records import Record, open_records
from foretaste.testing.records import event

PIPELINE = {"models": {"popular": {"kind": "popular"}}, "sources": [{"model": "popular"}]}


class World:
    """A store, a pipeline that counts what it makes, and live models that can be swapped."""

    def __init__(self, records):
        self.records, self.made, self.refreshed = records, [], 0
        self.degraded, self.gate = False, None
        self.now = 0.0
        self.swap("v1")

    def swap(self, version, pipeline=PIPELINE):
        catalogue = SimpleNamespace(version=0)
        pipeline = Pipeline(parse_pipeline(pipeline))
        self.live = SimpleNamespace(
            bundle=SimpleNamespace(version=version, label=version), pipeline=pipeline, catalogue=catalogue
        )

    async def make(self, subject, asked):
        version = self.live.bundle.version
        events = await self.records.user_state(subject)
        if self.gate is not None:
            await self.gate.wait()
        self.made.append(subject)
        if subject == "unknown":
            raise UnknownItemError("no such item")
        seen = {event.item_id for event in events.events}
        items = [f"i{n}" for n in range(9) if f"i{n}" not in seen][: asked.k]
        return Answer(
            tuple(AnswerItem(item, 1.0, rank) for rank, item in enumerate(items, 1)),
            user_id=subject,
            model_version=version,
            degraded=self.degraded,
            recommendation_id=f"r{len(self.made)}",
        )

    async def refresh(self):
        self.refreshed += 1
        self.live.catalogue.version = (await self.records.stamp("")).items

    def lists(self, *, shared=None, **limits):
        return CachedLists(
            self.records,
            self.make,
            live_for=lambda _user: self.live,
            refresh=self.refresh,
            limits=CacheLimits(**limits),
            shared=shared,
            clock=lambda: self.now,
        )


@pytest.fixture
async def world(tmp_path):
    async with open_records(f"sqlite:///{tmp_path / 'r.db'}") as records:
        yield World(records)


ASKED = Asking()("user", 3)


def items_of(head):
    return [item["item_id"] for item in orjson.loads(head + b"id" + TAIL)["items"]]


async def test_a_list_is_made_once_while_nothing_changes(world):
    lists = world.lists()
    first = await lists.get("u", ASKED)
    assert await lists.get("u", ASKED) is first
    assert world.made == ["u"]
    assert (lists.figures.hits, lists.figures.misses, lists.figures.stale) == (1, 1, 0)


async def test_an_event_of_the_user_makes_its_list_old_and_no_other(world):
    lists = world.lists()
    for user in ("u", "v"):
        assert items_of(await lists.get(user, ASKED)) == ["i0", "i1", "i2"]
    await world.records.append_events([event("e", "u", "i1")])
    assert items_of(await lists.get("u", ASKED)) == ["i0", "i2", "i3"]
    assert items_of(await lists.get("v", ASKED)) == ["i0", "i1", "i2"]
    assert world.made == ["u", "v", "u"]


async def test_a_shared_value_and_a_swap_make_all_lists_old(world):
    lists = world.lists()
    await lists.get("u", ASKED)
    await world.records.put_value("rules", {"hide": []})
    await lists.get("u", ASKED)
    world.swap("v2")
    assert b'"v2"' in await lists.get("u", ASKED)
    assert len(world.made) == 3


async def test_a_changed_item_makes_exactly_the_lists_old_that_show_it(world):
    await world.records.upsert("item", [Record(f"i{n}") for n in range(9)])
    lists = world.lists()
    long = Asking()("user", 6)
    await lists.get("u", ASKED)
    await lists.get("u", long)
    await world.records.upsert("item", [Record("i5", is_available=False)])
    await lists.get("u", ASKED)
    assert len(world.made) == 2
    await lists.get("u", long)
    assert len(world.made) == 3
    assert world.live.catalogue.version == (await world.records.stamp("")).items
    await world.records.delete("item", "i0")
    await lists.get("u", ASKED)
    await lists.get("u", long)
    assert len(world.made) == 5


async def test_time_alone_makes_a_list_old(world):
    lists = world.lists(ttl_s=60.0)
    await lists.get("u", ASKED)
    world.now = 59.0
    await lists.get("u", ASKED)
    assert len(world.made) == 1
    world.now = 60.0
    await lists.get("u", ASKED)
    assert len(world.made) == 2


async def test_a_list_that_rests_on_what_others_do_is_kept_for_less_time(world):
    lists = world.lists(ttl_s=60.0)
    world.swap("v2", {**PIPELINE, "sources": [{"kind": "live_popular"}], "counters": {"keep_s": 5}})
    await lists.get("u", ASKED)
    world.now = 4.9
    await lists.get("u", ASKED)
    assert len(world.made) == 1
    world.now = 5.0
    await lists.get("u", ASKED)
    assert len(world.made) == 2


async def test_a_degraded_list_is_not_kept_and_with_no_time_to_live_none_is(world):
    lists = world.lists()
    world.degraded = True
    await lists.get("u", ASKED)
    world.degraded = False
    await lists.get("u", ASKED)
    assert len(world.made) == 2
    none = world.lists(ttl_s=0.0)
    await none.get("u", ASKED)
    await none.get("u", ASKED)
    assert len(world.made) == 4


async def test_many_who_ask_at_once_have_it_made_once(world):
    lists = world.lists()
    world.gate = asyncio.Event()
    waiting = [asyncio.create_task(lists.get("u", ASKED)) for _ in range(20)]
    await asyncio.sleep(0.01)
    waiting[0].cancel()  # the first one going away must not take it from the others
    world.gate.set()
    heads = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(heads[0], asyncio.CancelledError)
    assert len(set(heads[1:])) == 1
    assert (world.made, lists.figures.joined) == (["u"], 19)


async def test_who_asks_after_an_event_is_not_given_what_was_begun_before_it(world):
    lists = world.lists()
    world.gate = asyncio.Event()
    before = asyncio.create_task(lists.get("u", ASKED))
    await asyncio.sleep(0.01)
    await world.records.append_events([event("e", "u", "i1")])
    after = asyncio.create_task(lists.get("u", ASKED))
    await asyncio.sleep(0.01)
    world.gate.set()
    assert items_of(await before) == ["i0", "i1", "i2"]
    assert items_of(await after) == ["i0", "i2", "i3"]
    assert items_of(await lists.get("u", ASKED)) == ["i0", "i2", "i3"]


async def test_a_list_that_was_begun_before_a_swap_is_not_kept_after_it(world):
    lists = world.lists()
    world.gate = asyncio.Event()
    asked = asyncio.create_task(lists.get("u", ASKED))
    await asyncio.sleep(0.01)
    world.swap("v2")
    world.gate.set()
    assert b'"v1"' in await asked
    assert b'"v2"' in await lists.get("u", ASKED)


async def test_an_error_reaches_all_who_wait_and_is_not_kept(world):
    lists = world.lists()
    found = await asyncio.gather(*(lists.get("unknown", ASKED) for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in found] == [UnknownItemError] * 3
    assert len(world.made) == 1


async def test_without_the_store_a_list_is_made_and_not_kept(world, monkeypatch):
    lists = world.lists()
    await lists.get("u", ASKED)

    async def locked(_user_id):
        raise StorageUnavailableError("locked")

    monkeypatch.setattr(world.records, "stamp", locked)
    assert items_of(await lists.get("u", ASKED)) == ["i0", "i1", "i2"]
    assert (len(world.made), lists.figures.blind) == (2, 1)


async def test_a_list_of_another_process_is_found_in_the_second_tier_until_something_changes(world):
    cache = GuardedCache(MemoryCache())

    def process():
        return world.lists(shared=SharedLists(cache, namespace="shop"))

    one, two = process(), process()
    first = await one.get("u", ASKED)
    await cache.drain()
    assert await two.get("u", ASKED) == first
    assert (world.made, two.shared.figures.hits) == (["u"], 1)
    await world.records.append_events([event("e", "u", "i1")])
    assert items_of(await two.get("u", ASKED)) == ["i0", "i2", "i3"]
    await cache.drain()
    await one.get("u", ASKED)
    assert len(world.made) == 2
    await world.records.upsert("item", [Record("i2", is_available=False)])
    await process().get("u", ASKED)
    assert len(world.made) == 3
    other_shop = world.lists(shared=SharedLists(cache, namespace="other"))
    await other_shop.get("u", ASKED)
    assert len(world.made) == 4
