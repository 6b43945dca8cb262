"""Redis as a cache (extra ``[redis]``): what several processes or machines read and write."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from foretaste.errors import ConfigurationError, MissingExtraError, StorageUnavailableError
from foretaste.storage.cache.base import Cache

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")
TIMEOUT_S = 0.02
"""A list is made in less time than a slow cache takes, so longer waiting gains nothing."""
CONNECT_TIMEOUT_S = 0.25
MAX_CONNECTIONS = 32


class RedisCache(Cache):
    """Keys and values as they are, with a time to live; one round trip a call.

    Args:
        url: as redis-py takes it.
        timeout_s: longest wait for an answer, a connection that must be made first included.
    """

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._client: Redis | None = None

    async def open(self) -> None:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._client = Redis.from_url(
            self._url,
            max_connections=MAX_CONNECTIONS,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),  # who asks goes on without, and a breaker decides when to try again
        )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def ping(self) -> None:
        await self._within(self._open.ping(), CONNECT_TIMEOUT_S)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        if not keys:
            return []
        found: list[bytes | None] = await self._within(self._open.mget(keys))
        return found

    async def put_many(self, values: Mapping[str, bytes], *, ttl_s: float) -> None:
        if not values:
            return
        pipe = self._open.pipeline(transaction=False)
        for key, value in values.items():
            pipe.set(key, value, px=max(1, int(ttl_s * 1000)))
        await self._within(pipe.execute())

    async def delete(self, keys: Sequence[str]) -> None:
        if keys:
            await self._within(self._open.unlink(*keys))

    @property
    def _open(self) -> Any:
        if self._client is None:
            raise StorageUnavailableError("the cache is not open", hint="call open() first")
        return self._client

    async def _within(self, call: Awaitable[T], timeout_s: float | None = None) -> T:
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(timeout_s or self._timeout_s):
                return await call
        except TimeoutError as exc:
            raise StorageUnavailableError(
                f"Redis did not answer in {1000 * (timeout_s or self._timeout_s):.0f} ms", hint="check REDIS_URL"
            ) from exc
        except (RedisError, OSError) as exc:
            raise StorageUnavailableError(
                f"Redis cannot be used: {type(exc).__name__}: {exc}", hint="check REDIS_URL"
            ) from exc


def from_url(url: str) -> RedisCache:
    """The cache of a ``redis://``, ``rediss://`` or ``unix://`` URL.

    Raises:
        MissingExtraError: redis-py is not installed.
        ConfigurationError: the URL is malformed.
    """
    try:
        from redis.connection import parse_url
    except ImportError as exc:
        raise MissingExtraError(
            "a Redis cache needs redis-py", hint="install it with: pip install 'foretaste[redis]'"
        ) from exc
    try:
        parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError as exc:
        raise ConfigurationError(f"REDIS_URL is malformed: {exc}", hint="write redis://host:6379/0") from exc
    return RedisCache(url)
