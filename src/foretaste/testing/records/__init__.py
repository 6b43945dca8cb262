"""The contract of a record store as tests: subclass :class:`RecordsContract` and say how a store is made.

::

    class TestMyStore(RecordsContract):
        async def make(self, place: Path) -> Records:
            return open_records(f"sqlite:///{place / 'records.db'}")

The tests need pytest-asyncio in automatic mode.
"""

from foretaste.testing.records.bulk import BulkContract
from foretaste.testing.records.events import EventsContract
from foretaste.testing.records.following import FollowingContract
from foretaste.testing.records.journal import JournalContract
from foretaste.testing.records.life import LifeContract
from foretaste.testing.records.profiles import ProfilesContract
from foretaste.testing.records.setup import WEIRD_IDS, event, frame_of
from foretaste.testing.records.shared import SharedContract
from foretaste.testing.records.stamps import StampsContract


class RecordsContract(
    EventsContract,
    StampsContract,
    FollowingContract,
    BulkContract,
    ProfilesContract,
    JournalContract,
    SharedContract,
    LifeContract,
):
    """What every record store must do."""


__all__ = ["WEIRD_IDS", "RecordsContract", "event", "frame_of"]
