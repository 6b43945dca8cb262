import asyncio

import pytest

from foretaste.data import Query
from foretaste.serving.batcher import Batcher


class Work:
    """Batches that end when the test says so; each gives the user ids that went together."""

    def __init__(self):
        self.batches = []
        self.gate = asyncio.Event()

    async def __call__(self, queries):
        users = [query.user_id for query in queries]
        self.batches.append(users)
        await self.gate.wait()
        return users


def ask(batcher, work, *users, key="home"):
    return asyncio.ensure_future(batcher.run(key, [Query(user_id=user) for user in users], work))


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_request_starts_alone_while_a_slot_is_free():
    work, batcher = Work(), Batcher(2)
    asked = [ask(batcher, work, user) for user in "ab"]
    await settle()
    assert work.batches == [["a"], ["b"]]
    work.gate.set()
    assert [await one for one in asked] == [(["a"], 0), (["b"], 0)]


async def test_requests_that_wait_go_together_and_each_knows_its_place():
    work, batcher = Work(), Batcher(1)
    asked = [ask(batcher, work, *users) for users in ("a", "b", "cd", "e")]
    await settle()
    assert work.batches == [["a"]]
    work.gate.set()
    assert [await one for one in asked][1:] == [
        (["b", "c", "d", "e"], 0),
        (["b", "c", "d", "e"], 1),
        (["b", "c", "d", "e"], 3),
    ]
    assert len(work.batches) == 2


async def test_different_keys_never_go_together_and_take_turns():
    work, batcher = Work(), Batcher(1, most=2)
    asked = [ask(batcher, work, "first")]
    asked += [ask(batcher, work, user, key="home") for user in "abc"]
    asked += [ask(batcher, work, user, key="email") for user in "xy"]
    await settle()
    work.gate.set()
    await asyncio.gather(*asked)
    assert work.batches == [["first"], ["a", "b"], ["x", "y"], ["c"]]


async def test_a_request_larger_than_a_batch_goes_alone():
    work, batcher = Work(), Batcher(1, most=2)
    asked = [ask(batcher, work, users) if users == "z" else ask(batcher, work, *users) for users in ("z", "abcd", "e")]
    await settle()
    work.gate.set()
    await asyncio.gather(*asked)
    assert work.batches == [["z"], ["a", "b", "c", "d"], ["e"]]


async def test_an_error_reaches_all_of_its_batch_and_the_slot_is_free_again():
    batcher, work = Batcher(1), Work()

    async def fails(queries):
        raise RuntimeError("out of order")

    first = ask(batcher, work, "a")
    await settle()
    others = [ask(batcher, fails, user) for user in "bc"]
    await settle()
    work.gate.set()
    assert await first == (["a"], 0)
    for one in others:
        with pytest.raises(RuntimeError, match="out of order"):
            await one
    assert await ask(batcher, work, "d") == (["d"], 0)


async def test_one_who_stops_waiting_is_not_computed_for_and_the_others_are():
    work, batcher = Work(), Batcher(1)
    asked = [ask(batcher, work, user) for user in "abc"]
    await settle()
    asked[1].cancel()
    await settle()
    work.gate.set()
    assert await asked[2] == (["c"], 0)
    assert work.batches == [["a"], ["c"]]


async def test_when_all_have_gone_the_slot_is_free_again():
    work, batcher = Work(), Batcher(1)
    asked = [ask(batcher, work, user) for user in "ab"]
    await settle()
    asked[1].cancel()
    await settle()
    work.gate.set()
    await asked[0]
    assert await asyncio.wait_for(ask(batcher, work, "c"), 5) == (["c"], 0)
