"""A cache inside this process: for tests, and for programs that are one process."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from foretaste.errors import ConfigurationError
from foretaste.storage.cache.base import Cache

MAX_BYTES = 64_000_000
_OVERHEAD = 200


class MemoryCache(Cache):
    """Least recently used out first, within ``max_bytes``."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes, self._clock = max_bytes, clock
        self._values: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._size_bytes = 0

    async def open(self) -> None:
        """Nothing to prepare."""

    async def close(self) -> None:
        self._values.clear()
        self._size_bytes = 0

    async def ping(self) -> None:
        """It always answers."""

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self._get(key) for key in keys]

    def _get(self, key: str) -> bytes | None:
        found = self._values.get(key)
        if found is None:
            return None
        value, until = found
        if until <= self._clock():
            self._drop(key)
            return None
        self._values.move_to_end(key)
        return value

    async def put_many(self, values: Mapping[str, bytes], *, ttl_s: float) -> None:
        until = self._clock() + max(ttl_s, 0.001)
        for key, value in values.items():
            self._drop(key)
            self._values[key] = (value, until)
            self._size_bytes += len(value) + len(key) + _OVERHEAD
        while self._size_bytes > self._max_bytes:
            self._drop(next(iter(self._values)))

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._drop(key)

    def _drop(self, key: str) -> None:
        found = self._values.pop(key, None)
        if found is not None:
            self._size_bytes -= len(found[0]) + len(key) + _OVERHEAD


def from_url(url: str) -> MemoryCache:
    """``memory:``.

    Raises:
        ConfigurationError: something stands behind the colon.
    """
    if url not in {"memory:", "memory://"}:
        raise ConfigurationError(f"{url!r} names a place, but this cache has none", hint="write memory:")
    return MemoryCache()
