import pytest

from foretaste.errors import ConfigurationError, UnknownNameError
from foretaste.storage.cache import open_cache
from foretaste.storage.cache.memory import MemoryCache
from foretaste.testing.caches import CacheContract


class TestMemoryCache(CacheContract):
    async def make(self):
        return open_cache("memory:")


async def test_memory_makes_room_by_forgetting_what_was_used_longest_ago():
    async with MemoryCache(max_bytes=1_000) as cache:
        await cache.put_many({"a": b"x" * 200, "b": b"x" * 200}, ttl_s=60)
        await cache.get_many(["a"])
        await cache.put_many({"c": b"x" * 200}, ttl_s=60)
        assert await cache.get_many(["a", "b", "c"]) == [b"x" * 200, None, b"x" * 200]


def test_a_wrong_address_is_refused_with_what_is_right():
    with pytest.raises(UnknownNameError, match="redis"):
        open_cache("memcached://somewhere")
    with pytest.raises(ConfigurationError, match="memory:"):
        open_cache("memory://somewhere")
    with pytest.raises(ConfigurationError, match="REDIS_URL"):
        open_cache("redis://host:port/0")
