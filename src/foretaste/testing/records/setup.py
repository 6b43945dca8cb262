"""What the tests of a record store share: the store, small events, ids that are hard to keep."""

from collections.abc import AsyncIterator
from typing import Any

import polars as pl
import pytest

from foretaste.events import Event
from foretaste.storage.records import Records

WEIRD_IDS = (
    "'; DROP TABLE events; --",
    'quote"s',
    "../../etc/passwd",
    "100%_of_it",
    "naïve-ключ-鍵-🗝",
    "a b",
    " ",
    "back\\slash\tand\nline",
    "{json: [",
    "0",
    "x" * 256,
)


def event(event_id: str, user_id: str = "u", item_id: str = "i", timestamp: float = 1.0, **more: Any) -> Event:
    """An event with little to say."""
    return Event(event_id=event_id, user_id=user_id, item_id=item_id, timestamp=timestamp, **more)


def frame_of(n: int, *, first: int = 0, n_users: int = 7) -> pl.DataFrame:
    """``n`` events e0, e1 … of the users u0, u1 …, one a second."""
    numbers = range(first, first + n)
    return pl.DataFrame(
        {
            "event_id": [f"e{number}" for number in numbers],
            "user_id": [f"u{number % n_users}" for number in numbers],
            "item_id": ["i"] * n,
            "type": ["view"] * n,
            "timestamp": [float(number) for number in numbers],
        }
    )


class StoreSetup:
    """Makes the store under test."""

    async def make(self, place: Any) -> Records:
        """A store that is not opened yet, on the data at ``place`` (a temporary folder)."""
        raise AssertionError("a subclass says how a store is made")

    @pytest.fixture
    async def store(self, tmp_path: Any) -> AsyncIterator[Records]:
        async with await self.make(tmp_path) as store:
            yield store
