"""The contract of a record store: the truth about users, items and events. Everything else can be rebuilt from it."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import polars as pl

from foretaste.events import Event

RecordKind = Literal["user", "item"]


@dataclass(frozen=True, slots=True)
class Record:
    """One user or item: its outside id and attributes (JSON values).

    ``is_available`` is False for an item that may not be shown (sold out, hidden). Times are seconds since 1970 UTC;
    ``version``
    grows with every change in the whole store, so that «what changed since» is one number.
    """

    record_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    is_available: bool = True
    created_at: float = 0.0
    updated_at: float = 0.0
    version: int = 0


@dataclass(frozen=True, slots=True)
class UserState:
    """What is known of a user now: the newest events, oldest first, and a version that changes with every event."""

    events: tuple[Event, ...]
    version: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that was refused, with the reason; kept so that nothing is lost."""

    kind: str
    """``event``, ``user`` or ``item``."""
    raw: str
    """The record as it came (JSON text, cut at 64 kB)."""
    code: str
    message: str
    received_at: float
    letter_id: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing: ``next_cursor`` continues it, None at the end."""

    records: tuple[Record, ...]
    next_cursor: str | None


class Records(ABC):
    """A record store. Opened by URL through :func:`foretaste.storage.records.open_records`.

    Writes return after they are durable: a process or machine that dies then loses nothing. A batch is written whole
    or not at
    all. Every method may raise ``StorageUnavailableError`` (locked, unreachable, read-only) or ``StorageFullError``;
    ids are
    passed as parameters, never put into SQL text.
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
        """The newest ``limit`` events of a user, oldest first; empty with version 0 for an unknown user."""

    @abstractmethod
    async def user_version(self, user_id: str) -> int:
        """Only the version of :meth:`user_state`: a point look-up for validating caches."""

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
    async def count(self, what: Literal["event", "user", "item", "dead_letter"]) -> int:
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
        """Remove a user (with all its events) or an item (its events stay); False when there was none."""

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
    async def put_value(self, key: str, value: Any, *, expected_version: int | None = None) -> int:
        """Set a shared value; returns the new version.

        Raises:
            ConflictError: ``expected_version`` is given and somebody else was faster.
        """
