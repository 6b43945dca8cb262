"""A private store, and the moment at which everything happens."""

import pytest

from foretaste.storage.records import open_records

NOW = 1_800_000_000.0


@pytest.fixture
async def records():
    async with open_records("sqlite://") as records:
        yield records
