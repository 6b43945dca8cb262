import random

import pytest

from foretaste.serving.live.freshness import Freshness
from foretaste.storage.records import Record, open_records
from foretaste.testing.records import event
from foretaste.testing.records.stamps import OPERATIONS, USERS, walk


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
async def two(tmp_path):
    url = f"sqlite:///{tmp_path / 'r.db'}"
    async with open_records(url) as here, open_records(url) as there:
        yield here, there


class Counting:
    """A record store that counts the looks for changes."""

    def __init__(self, records):
        self._records, self.looks = records, 0

    def change_token(self):
        return self._records.change_token()

    async def touched(self, since=None):
        self.looks += 1
        return await self._records.touched(since)


async def test_a_list_is_current_until_its_user_does_something_anywhere(two):
    here, there = two
    freshness = Freshness(here)
    mark = await freshness.mark()
    assert await freshness.is_current("u", mark)
    await there.append_events([event("e", "u")])
    assert not await freshness.is_current("u", mark)
    assert await freshness.is_current("v", mark)
    assert await freshness.is_current("u", await freshness.mark())


async def test_a_profile_touches_its_user_and_a_shared_value_everybody(two):
    here, there = two
    freshness = Freshness(here)
    mark = await freshness.mark()
    await there.upsert("user", [Record("u")])
    assert (await freshness.is_current("u", mark), await freshness.is_current("v", mark)) == (False, True)
    await there.put_value("rules", [])
    assert not await freshness.is_current("v", mark)
    assert await freshness.is_current("v", await freshness.mark())


async def test_the_store_is_read_only_after_a_write(two):
    here, there = two
    counting = Counting(here)
    freshness = Freshness(counting, clock=Clock())
    mark = await freshness.mark()
    for _ in range(5):
        await freshness.is_current("u", mark)
    assert counting.looks == 1
    await there.append_events([event("e", "v")])
    for _ in range(5):
        assert await freshness.is_current("u", mark)
    assert counting.looks == 2


async def test_a_write_that_rang_no_bell_is_seen_a_moment_later(two, monkeypatch):
    here, there = two
    clock = Clock()
    freshness = Freshness(here, clock=clock)
    mark = await freshness.mark()
    monkeypatch.setattr(there._writer, "_on_commit", lambda: None)
    await there.append_events([event("e", "u")])
    assert await freshness.is_current("u", mark)
    clock.now += 0.11
    assert not await freshness.is_current("u", mark)


async def test_a_store_without_a_token_is_asked_each_time(two, monkeypatch):
    here, there = two
    monkeypatch.setattr(here, "change_token", lambda: None)
    freshness = Freshness(here)
    mark = await freshness.mark()
    await there.append_events([event("e", "u")])
    assert not await freshness.is_current("u", mark)


async def test_forgotten_users_count_as_touched(two):
    here, _ = two
    freshness = Freshness(here, most_users=3)
    first = await freshness.mark()
    for n in range(5):
        await here.append_events([event(f"e{n}", f"u{n}")])
        assert not await freshness.is_current(f"u{n}", first)
    assert len(freshness._touched) == 3
    assert not any([await freshness.is_current(f"u{n}", first) for n in range(5)])
    now = await freshness.mark()
    assert all([await freshness.is_current(f"u{n}", now) for n in range(5)])


@pytest.mark.parametrize("seed", range(3))
async def test_it_never_calls_a_list_current_whose_stamp_has_changed(two, seed):
    draw = random.Random(seed)
    freshness = Freshness(two[0], most_users=2)
    lists = []
    for step in range(50):
        user = draw.choice(USERS)
        lists.append((user, await freshness.mark(), await two[0].stamp(user)))
        await walk(two[step % 2], draw.choice(OPERATIONS), step, draw.choice(USERS), draw.choice(USERS))
        for user, mark, stamp in lists:
            if await freshness.is_current(user, mark):
                assert stamp.serves(await two[0].stamp(user))
    assert await freshness.is_current(user, await freshness.mark())
