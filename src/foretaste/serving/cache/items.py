"""Which items changed since when, so that exactly the lists that show them are made again."""

import asyncio
from collections.abc import Iterable

from foretaste.storage.records import Records

MAX_KNOWN = 200_000
"""Changed items that are remembered; when there are more, all lists from before are made again."""
NEW_S = 1.0
"""An item that was written so soon after its creation is new."""
_PAGE = 10_000


class ItemChanges:
    """The newest change of each item that changed while this process ran.

    Versions are those of :class:`~foretaste.storage.records.Stamp`'s ``items``. It reads from the store what it lacks,
    when a stamp shows that it lacks something: no poll, so no moment at which an old list passes for a new one.
    """

    def __init__(self, records: Records, *, most: int = MAX_KNOWN) -> None:
        self._records, self._most = records, most
        self._changed: dict[str, int] = {}
        self._version = -1
        self._arrived = -1
        self._since = -1
        self._lock = asyncio.Lock()

    async def touch(self, item_ids: Iterable[str], *, since: int, until: int) -> bool:
        """Whether one of the items changed after ``since``, as far as the store stands at ``until``.

        Raises:
            StorageError: the store cannot be read.
        """
        if until > self._version:
            await self._catch_up(since, until)
        if since < self._since:
            return True
        changed = self._changed
        return any(changed.get(item_id, -1) > since for item_id in item_ids)

    def arrived_after(self, since: int) -> bool:
        """Whether a new item came after ``since``, as far as :meth:`touch` has looked."""
        return self._arrived > since

    async def _catch_up(self, since: int, until: int) -> None:
        async with self._lock:
            if self._version < 0:  # the first change that matters: what lies before the oldest list is of no interest
                self._version = self._since = since
            while self._version < until:
                page = await self._records.changed("item", since=self._version, limit=_PAGE)
                self._changed.update((record.record_id, record.version) for record in page)
                new = [r.version for r in page if r.updated_at - r.created_at < NEW_S and r.is_available]
                self._arrived = max(self._arrived, *new) if new else self._arrived
                newest = page[-1].version if page else 0
                self._version = newest if len(page) == _PAGE else max(until, newest)
            if len(self._changed) > self._most:
                self._changed.clear()
                self._since = self._version
