"""Results that are kept as long as there is memory for them."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from threading import Lock
from typing import Any, Generic, TypeVar

import numpy as np

MOST_BYTES = 64_000_000
K = TypeVar("K", bound=Hashable)


class Kept(Generic[K]):
    """Arrays and single values by key, those used longest ago forgotten first. Safe to use from several threads.

    Args:
        most_bytes: memory of the arrays; at least the newest is kept. Each entry counts 200 bytes more.
        entries: what is kept from the beginning, oldest first.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, entries: Iterable[tuple[K, Any]] = ()) -> None:
        self._most_bytes = most_bytes
        self._entries: OrderedDict[K, Any] = OrderedDict(entries)
        self._bytes = sum(_size(value) for value in self._entries.values())
        self._lock = Lock()

    def get(self, key: K, make: Callable[[], Any]) -> Any:
        """The value of a key, made where it is not there; several threads may make it at once, the first one stays."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
        made = make()
        with self._lock:
            if key in self._entries:
                return self._entries[key]
            self._entries[key] = made
            self._bytes += _size(made)
            while self._bytes > self._most_bytes and len(self._entries) > 1:
                self._bytes -= _size(self._entries.popitem(last=False)[1])
        return made

    def entries(self) -> list[tuple[K, Any]]:
        """All keys with their values, those used longest ago first."""
        with self._lock:
            return list(self._entries.items())


def _size(value: Any) -> int:
    return 200 + (value.nbytes if isinstance(value, np.ndarray) else 0)
