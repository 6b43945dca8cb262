"""The second tier against a real Redis."""

import pytest

from foretaste.errors import StorageUnavailableError
from foretaste.storage.cache import GuardedCache, open_cache
from foretaste.storage.cache.redis import RedisCache
from foretaste.testing.caches import CacheContract
from foretaste.testing.servers import has_redis_server, redis_server

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not has_redis_server(), reason="install redis-server (apt-get install redis-server)"),
]


class TestRedisCache(CacheContract):
    @pytest.fixture(autouse=True)
    def _server(self):
        with redis_server(password="s3cret") as server:
            self.url = server.url
            yield

    async def make(self):
        return RedisCache(self.url, timeout_s=2.0)


async def test_a_stopped_redis_is_done_without_and_taken_up_again():
    with redis_server() as server:
        async with open_cache(server.url) as cache:
            guarded = GuardedCache(cache)
            await cache.ping()
            server.stop()
            with pytest.raises(StorageUnavailableError, match="REDIS_URL"):
                await cache.get_many(["a"])
            assert await guarded.get("a") is None
            server.start()
            await cache.ping()
            await cache.put_many({"a": b"1"}, ttl_s=60)
            assert await cache.get_many(["a"]) == [b"1"]
