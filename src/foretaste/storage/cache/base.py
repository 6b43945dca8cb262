"""The contract of a cache: small values under keys, for a while. Anything in it may be gone at any time."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self


class Cache(ABC):
    """Keeps bytes under text keys until their time is over. Opened by :func:`foretaste.storage.cache.open_cache`.

    Every method may raise ``StorageUnavailableError`` when the cache does not answer, or not in time. Nothing in it is
    the truth about anything: who asks must be able to do without.
    """

    async def __aenter__(self) -> Self:
        """Open; ``async with`` closes it again."""
        await self.open()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    @abstractmethod
    async def open(self) -> None:
        """Prepare; succeeds also while the server behind it is down."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect."""

    @abstractmethod
    async def ping(self) -> None:
        """Raise unless the cache answers now."""

    @abstractmethod
    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of ``keys`` in their order; None for what is not there (any more)."""

    @abstractmethod
    async def put_many(self, values: Mapping[str, bytes], *, ttl_s: float) -> None:
        """Keep values for ``ttl_s`` seconds (at least a millisecond)."""

    @abstractmethod
    async def delete(self, keys: Sequence[str]) -> None:
        """Forget keys; those that are not there are passed over."""
