"""The contract of a cache as tests: subclass :class:`CacheContract` and say how a cache is made.

::

    class TestMyCache(CacheContract):
        async def make(self) -> Cache:
            return open_cache("redis://127.0.0.1:6379/0")

The cache must be empty. The tests need pytest-asyncio in automatic mode.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from foretaste.errors import StorageUnavailableError
from foretaste.storage.cache import Cache


class CacheContract:
    """What every cache must do."""

    async def make(self) -> Cache:
        """An empty cache that is not opened yet."""
        raise AssertionError("a subclass says how a cache is made")

    @pytest.fixture
    async def cache(self) -> AsyncIterator[Cache]:
        async with await self.make() as cache:
            yield cache

    async def test_what_is_put_comes_back_in_the_order_asked_for(self, cache: Cache) -> None:
        await cache.put_many({"a": b"1", "b": b"2"}, ttl_s=60)
        assert await cache.get_many(["b", "nothing", "a", "b"]) == [b"2", None, b"1", b"2"]

    async def test_any_bytes_and_any_key_are_kept_as_they_are(self, cache: Cache) -> None:
        values = {"ключ 鍵 🗝": bytes(range(256)), "": b"empty key", "x" * 1000: b"", "a\r\nb": b"\r\n"}
        await cache.put_many(values, ttl_s=60)
        assert await cache.get_many(list(values)) == list(values.values())

    async def test_a_later_value_takes_the_place_of_an_earlier_one(self, cache: Cache) -> None:
        await cache.put_many({"a": b"1"}, ttl_s=60)
        await cache.put_many({"a": b"22"}, ttl_s=60)
        assert await cache.get_many(["a"]) == [b"22"]

    async def test_a_value_is_gone_when_its_time_is_over(self, cache: Cache) -> None:
        await cache.put_many({"short": b"1"}, ttl_s=0.05)
        await cache.put_many({"long": b"2"}, ttl_s=60)
        await asyncio.sleep(0.12)
        assert await cache.get_many(["short", "long"]) == [None, b"2"]

    async def test_deleted_keys_are_gone_and_others_stay(self, cache: Cache) -> None:
        await cache.put_many({"a": b"1", "b": b"2"}, ttl_s=60)
        await cache.delete(["a", "never there"])
        await cache.delete([])
        assert await cache.get_many(["a", "b"]) == [None, b"2"]

    async def test_nothing_asked_is_nothing_found(self, cache: Cache) -> None:
        await cache.put_many({}, ttl_s=60)
        assert await cache.get_many([]) == []

    async def test_many_at_once_do_not_mix(self, cache: Cache) -> None:
        async def one(n: int) -> None:
            await cache.put_many({f"k{n}": b"%d" % n}, ttl_s=60)
            assert await cache.get_many([f"k{n}"]) == [b"%d" % n]

        await asyncio.gather(*(one(n) for n in range(20)))

    async def test_ping_answers_while_open(self, cache: Cache) -> None:
        await cache.ping()


async def unavailable(cache: Cache) -> bool:
    """Whether an open cache says that it cannot be used."""
    try:
        await cache.get_many(["any"])
    except StorageUnavailableError:
        return True
    return False
