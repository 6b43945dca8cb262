import asyncio

from foretaste.errors import StorageUnavailableError
from foretaste.storage.cache import GuardedCache
from foretaste.storage.cache.memory import MemoryCache


class Flaky(MemoryCache):
    """Counts its calls, and fails while it is told to."""

    is_down = False

    def __init__(self):
        super().__init__()
        self.reads = []

    async def get_many(self, keys):
        self.reads.append(list(keys))
        if self.is_down:
            raise StorageUnavailableError("down")
        return await super().get_many(keys)


class Time:
    now = 0.0

    def __call__(self):
        return self.now


async def test_look_ups_of_one_moment_share_one_round_trip():
    flaky = Flaky()
    guarded = GuardedCache(flaky)
    guarded.put("a", b"1", ttl_s=60)
    guarded.put("b", b"2", ttl_s=60)
    await guarded.drain()
    assert await asyncio.gather(*(guarded.get(key) for key in ("a", "b", "a", "c"))) == [b"1", b"2", b"1", None]
    assert flaky.reads == [["a", "b", "c"]]


async def test_a_cache_that_is_down_is_left_alone_and_taken_up_again_by_itself():
    flaky, time = Flaky(), Time()
    guarded = GuardedCache(flaky, clock=time)
    guarded.put("a", b"1", ttl_s=60)
    await guarded.drain()
    flaky.is_down = True
    assert [await guarded.get("a") for _ in range(5)] == [None] * 5
    assert (len(flaky.reads), guarded.failed, guarded.skipped) == (3, 3, 2)
    time.now = 0.6  # the first pause is over, and it is still down: the next one is longer
    assert [await guarded.get("a") for _ in range(2)] == [None] * 2
    assert (len(flaky.reads), guarded.skipped) == (4, 3)
    time.now = 1.2
    assert guarded.is_paused
    flaky.is_down = False
    time.now = 1.7
    assert await guarded.get("a") == b"1"
    assert not guarded.is_paused


async def test_one_who_goes_away_takes_the_answer_from_nobody():
    guarded = GuardedCache(Flaky())
    guarded.put("a", b"1", ttl_s=60)
    await guarded.drain()
    first, second = asyncio.create_task(guarded.get("a")), asyncio.create_task(guarded.get("a"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == b"1"
