"""Caches that processes share, opened by URL: ``memory:`` and ``redis://`` are built in, others register in the group
``foretaste.caches``.
"""

from foretaste.storage.cache.base import Cache
from foretaste.storage.cache.guarded import GuardedCache
from foretaste.storage.urls import open_backend

BUILT_IN = {
    "memory": "foretaste.storage.cache.memory:from_url",
    "redis": "foretaste.storage.cache.redis:from_url",
    "rediss": "foretaste.storage.cache.redis:from_url",
    "unix": "foretaste.storage.cache.redis:from_url",
}
"""Scheme → module:function of the caches that come with Foretaste."""


def open_cache(url: str) -> Cache:
    """The cache behind ``url``, not opened yet (``async with`` or ``open()`` does).

    ``memory:``, ``redis://[[user]:password@]host:port/0``, ``rediss://…`` (TLS) or ``unix:///path/to/redis.sock``.

    Raises:
        UnknownNameError: no cache for the scheme.
        ConfigurationError: the URL is malformed.
        MissingExtraError: the program that it needs is not installed.
    """
    known = "memory://" if url == "memory:" else url
    return open_backend("foretaste.caches", BUILT_IN, known, Cache)  # type: ignore[type-abstract]


__all__ = ["Cache", "GuardedCache", "open_cache"]
