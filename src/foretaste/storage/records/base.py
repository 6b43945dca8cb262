"""The contract of a record store: the truth about users, items and events. Everything else can be rebuilt from it."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Self

import polars as pl

from foretaste.events import Event
from foretaste.storage.records.values import (
    AuditEntry,
    Countable,
    DeadLetter,
    Exposure,
    Page,
    Position,
    Record,
    RecordKind,
    Stamp,
    Touched,
    UserState,
)


class Records(ABC):
    """A record store. Opened by URL through :func:`foretaste.storage.records.open_records`.

    Writes return after they are durable: a process or machine that dies then loses nothing. A batch is written whole
    or not at all. Every method may raise ``StorageUnavailableError`` (locked, unreachable, read-only) or
    ``StorageFullError``; ids are passed as parameters, never put into SQL text.

    :meth:`stamp`, :meth:`touched`, :meth:`user_state`, :meth:`get` and :meth:`get_value` stand in the path of requests:
    they wait about 20 ms for a lock and then raise ``StorageUnavailableError``.
    """

    async def __aenter__(self) -> Self:
        """Open; ``async with`` closes it again."""
        await self.open()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    @abstractmethod
    async def open(self) -> None:
        """Connect and bring the schema up to date (safe when several processes start at once)."""

    @abstractmethod
    async def close(self) -> None:
        """Finish pending writes and disconnect."""

    @abstractmethod
    async def ping(self) -> None:
        """Raise unless the store can read and write now."""

    # --- events --------------------------------------------------------------------------------------------------

    @abstractmethod
    async def append_events(self, events: Sequence[Event]) -> list[bool]:
        """Store events; True for each stored one, False for one whose ``event_id`` is already there (also within
        the batch).
        """

    @abstractmethod
    async def user_state(self, user_id: str, *, limit: int = 500) -> UserState:
        """The newest ``limit`` events of a user, oldest first, and the user's attributes; empty for an unknown user."""

    @abstractmethod
    async def stamp(self, user_id: str) -> Stamp:
        """Where the store stands for a user: one point look-up, cheap enough to make for every request."""

    def change_token(self) -> bytes | None:
        """Something that is another after every write, of whatever process, before that write is answered: while it
        is the same, nothing has changed. None when the store cannot say so for much less than a :meth:`stamp` costs.

        A process that is killed between a commit and its answer may leave the token as it was, so whoever relies on
        it looks for changes now and then all the same (see :class:`foretaste.serving.live.freshness.Freshness`).
        """
        return None

    @abstractmethod
    async def touched(self, since: Position | None = None, limit: int = 10_000) -> Touched:
        """The users whose stamps changed after ``since`` (some more may be named); everybody above ``limit``.

        None as ``since`` only says where the store stands.
        """

    @abstractmethod
    async def last_sequence(self) -> int:
        """Sequence of the newest event; 0 when there was never one."""

    @abstractmethod
    async def new_events(self, after: int, limit: int = 1000) -> Sequence[tuple[int, Event]]:
        """Whole events in order of arrival with their sequences, at most ``limit`` of those above ``after``.

        Who follows with the last sequence seen meets every event once: none with a smaller sequence is added later,
        and one that changes hands keeps its own.
        """

    @abstractmethod
    async def move_events(self, from_user: str, to_user: str) -> int:
        """Give all events and exposures of one user to another (a visitor signs in); returns how many events.

        Both users' stamps change. The events keep their sequences, so that nobody who follows counts them twice.
        Doing it again moves nothing more.

        Raises:
            InvalidRecordError: both are the same user.
        """

    @abstractmethod
    def scan_events(self, *, after: int = 0, batch_size: int = 100_000) -> AsyncIterator[pl.DataFrame]:
        """All events in order of arrival as frames: ``sequence`` (i64), ``event_id``, ``user_id``, ``item_id``,
        ``type``, ``value``,
        ``timestamp``, ``session_id``; those with ``sequence`` above ``after``.
        """

    @abstractmethod
    async def load_events(self, frame: pl.DataFrame) -> int:
        """Store many events at once (columns as in :meth:`scan_events` without ``sequence``); returns how many were
        new.
        """

    @abstractmethod
    async def count(self, what: Countable) -> int:
        """How many there are."""

    # --- users and items -----------------------------------------------------------------------------------------

    @abstractmethod
    async def upsert(self, kind: RecordKind, records: Sequence[Record]) -> None:
        """Insert or replace users or items (later ones of a batch win); ``created_at`` of a known one stays."""

    @abstractmethod
    async def get(self, kind: RecordKind, record_id: str) -> Record | None:
        """One user or item; None when unknown."""

    @abstractmethod
    async def page(self, kind: RecordKind, *, cursor: str | None = None, limit: int = 100) -> Page:
        """Users or items in the order of their ids, ``limit`` at a time."""

    @abstractmethod
    async def changed(self, kind: RecordKind, *, since: int, limit: int = 10_000) -> Sequence[Record]:
        """Users or items changed after version ``since``, oldest change first; deleted ones have ``attributes`` of
        ``{"_deleted": True}``.
        """

    @abstractmethod
    async def delete(self, kind: RecordKind, record_id: str) -> bool:
        """Remove a user (with all its events and exposures) or an item (its events stay); False when there was none."""

    # --- what was shown, who did what ----------------------------------------------------------------------------

    @abstractmethod
    async def log_exposures(
        self, exposures: Sequence[Exposure], *, again: Mapping[str, tuple[int, float]] | None = None
    ) -> None:
        """Keep lists that were shown. Of one whose id is there, ``shown`` is added and ``last_at`` moves on.

        ``again`` says how often lists that are there already were shown once more, and when last, by
        ``recommendation_id``; one that is not there is passed over.
        """

    @abstractmethod
    async def exposure(self, recommendation_id: str) -> Exposure | None:
        """One list that was shown; None when unknown."""

    @abstractmethod
    async def exposures(self, after: int = 0, limit: int = 1000) -> Sequence[Exposure]:
        """Lists that were shown, by ``number``, at most ``limit`` of those above ``after``."""

    @abstractmethod
    async def drop_exposures(self, before: float, limit: int = 10_000) -> int:
        """Forget lists first shown before a time, at most ``limit`` of the oldest; returns how many."""

    @abstractmethod
    async def add_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Keep what was done; entries are never changed or removed."""

    @abstractmethod
    async def audit(self, after: int = 0, limit: int = 100) -> Sequence[AuditEntry]:
        """What was done, by ``entry_id``, at most ``limit`` of those above ``after``."""

    # --- dead letters and shared values --------------------------------------------------------------------------

    @abstractmethod
    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep refused records."""

    @abstractmethod
    async def dead_letters(self, *, after: int = 0, limit: int = 100) -> Sequence[DeadLetter]:
        """Refused records by ``letter_id``."""

    @abstractmethod
    async def get_value(self, key: str) -> tuple[Any, int]:
        """A small JSON value that all workers share (live model, rules) and its version; (None, 0) when unset. A
        point look-up.
        """

    @abstractmethod
    async def put_value(
        self, key: str, value: Any, *, expected_version: int | None = None, changes_lists: bool = True
    ) -> int:
        """Set a shared value; returns the new version.

        Every list in a cache is stale after it, so values that no list depends on (progress, figures, sessions) are
        put with ``changes_lists`` False.

        Raises:
            ConflictError: ``expected_version`` is given and somebody else was faster.
        """
