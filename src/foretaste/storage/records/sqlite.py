"""The embedded record store: one SQLite file in WAL mode, one writer thread, reads in microseconds."""

import asyncio
import contextlib
import secrets
import shutil
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import polars as pl

from foretaste.errors import ConfigurationError, ConflictError, InvalidRecordError, StorageUnavailableError
from foretaste.events import Event
from foretaste.storage.records import sqlite_journal as journal
from foretaste.storage.records import sqlite_rows as rows
from foretaste.storage.records.base import Records
from foretaste.storage.records.sqlite_append import append_events
from foretaste.storage.records.sqlite_bulk import checked_events, insert_events, scan
from foretaste.storage.records.sqlite_connection import Readers, connect, migrate
from foretaste.storage.records.sqlite_errors import FAILURES, translated
from foretaste.storage.records.sqlite_signal import Signal
from foretaste.storage.records.sqlite_writer import GroupWriter
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

T = TypeVar("T")
BUSY_TIMEOUT_S = 10.0
QUICK_TIMEOUT_S = 0.02
"""Longest wait for a lock by what reads in the caller's thread, which waits with it."""
_MOST_ROWS = 1_000_000
_TABLES = {
    "event": "events",
    "user": "users",
    "item": "items",
    "dead_letter": "dead_letters",
    "exposure": "exposures",
    "audit": "audit",
}


class SQLiteRecords(Records):
    """A record store in one file; any number of processes on the machine may use it at once.

    Point look-ups (and a user's newest events) run in the caller's thread: they take 5–20 µs, less than a hop to
    another thread and back. Listings, counts and scans run in threads. Writes are flushed to the disk
    (``synchronous=FULL``) before they return. ``path`` None makes a private store that is gone after ``close``; another
    one can be opened again after ``close``.
    """

    def __init__(self, path: Path | None, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._is_private = path is None
        folder = Path(tempfile.gettempdir(), f"foretaste-{secrets.token_hex(8)}")
        self.path = folder / "records.db" if path is None else path
        self._connect: Callable[[], sqlite3.Connection] = partial(connect, self.path, timeout_s=busy_timeout_s)
        self._busy_timeout_s = busy_timeout_s
        self._quick = Readers(self.path, timeout_s=min(QUICK_TIMEOUT_S, busy_timeout_s))
        self._patient = Readers(self.path, timeout_s=busy_timeout_s)
        self._signal = Signal(self.path)
        self._writer = GroupWriter(self._connect, str(self.path), timeout_s=busy_timeout_s, on_commit=self._signal.ring)
        self._threads: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if self._is_private else 0o777)
        except OSError as exc:
            raise StorageUnavailableError(
                f"the folder {self.path.parent} of the store cannot be made: {exc.strerror}",
                hint="choose another place with DATABASE_URL or --home",
            ) from exc
        with self._translating():
            migrate(self.path, timeout_s=self._busy_timeout_s)
            self._signal.open()
            self._writer.start()
        self._quick.open()
        self._patient.open()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="foretaste-reader")

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.stop()
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None
        self._signal.close()
        self._quick.close()
        self._patient.close()
        if self._is_private:
            shutil.rmtree(self.path.parent, ignore_errors=True)

    # --- ways to read and write ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except FAILURES as exc:
            raise translated(exc, str(self.path)) from exc

    def _read(self, sql: str, parameters: Sequence[object] = (), readers: Readers | None = None) -> list[Any]:
        """All rows; none when a parameter is a text that no database can hold (a lone surrogate)."""
        try:
            return (readers or self._quick).fetch(sql, parameters)
        except UnicodeEncodeError:
            return []
        except FAILURES as exc:
            raise translated(exc, str(self.path)) from exc

    async def _read_aside(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """As :meth:`_read`, for what may take longer than the event loop should wait."""
        if self._threads is None:
            raise StorageUnavailableError(f"the store {self.path} is not open", hint="call open() first")
        work = partial(self._read, sql, parameters, self._patient)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._writer.run(work)

    async def ping(self) -> None:
        await self._write(lambda connection: rows.next_version(connection, "ping"))
        self._read("SELECT version FROM changes LIMIT 1")

    # --- events --------------------------------------------------------------------------------------------------

    async def append_events(self, events: Sequence[Event]) -> list[bool]:
        if not events:
            return []
        values = [rows.from_event(event) for event in events]
        return await self._write(lambda connection: append_events(connection, values))

    async def user_state(self, user_id: str, *, limit: int = 500) -> UserState:
        # The stamp first: what comes in between is then in the state and not in the stamp, never the other way round.
        found = self._read(rows.SELECT_STAMP_AND_USER, (user_id,))
        if not found:
            return UserState(())
        newest = self._read(rows.SELECT_USER_EVENTS, (user_id, min(max(0, limit), _MOST_ROWS)))
        events = sorted((rows.to_event(row) for row in reversed(newest)), key=lambda event: event.timestamp)
        attributes = msgspec.json.decode(found[0][4]) if found[0][4] is not None else {}
        return UserState(tuple(events), rows.to_stamp(found[0]), attributes)

    async def stamp(self, user_id: str) -> Stamp:
        found = self._read(rows.SELECT_STAMP, (user_id,))
        return rows.to_stamp(found[0]) if found else Stamp()

    def change_token(self) -> bytes | None:
        return self._signal.token()

    async def touched(self, since: Position | None = None, limit: int = 10_000) -> Touched:
        # The position first: what comes in between is named now and once more the next time.
        sequence, version, shared = (number or 0 for number in self._read(rows.SELECT_POSITION)[0])
        if since is None:
            return Touched(Position(sequence, version, shared))
        now = Position(max(sequence, since.sequence), version, shared)  # the newest events may have been deleted
        if shared != since.shared:
            return Touched(now, None)
        found = self._read(rows.SELECT_TOUCHED, (since.sequence, since.version, limit + 1))
        return Touched(now, frozenset(row[0] for row in found) if len(found) <= limit else None)

    async def last_sequence(self) -> int:
        return int(self._read("SELECT MAX(sequence) FROM events")[0][0] or 0)

    async def new_events(self, after: int, limit: int = 1000) -> Sequence[tuple[int, Event]]:
        found = await self._read_aside(rows.SELECT_NEW_EVENTS, (after, min(max(0, limit), _MOST_ROWS)))
        return [(row[0], rows.to_event(row)) for row in found]

    async def move_events(self, from_user: str, to_user: str) -> int:
        if from_user == to_user:
            raise InvalidRecordError(f"events of {from_user!r} cannot be moved to the same user")

        def move(connection: sqlite3.Connection) -> int:
            connection.execute("UPDATE exposures SET user_id = ? WHERE user_id = ?", (to_user, from_user))
            n_moved = connection.execute(
                "UPDATE events SET user_id = ? WHERE user_id = ?", (to_user, from_user)
            ).rowcount
            if n_moved:
                version, now = rows.next_version(connection, "records", 2), time.time()
                touched = [(from_user, rows.DELETED, now, version - 1), (to_user, rows.DELETED, now, version)]
                connection.executemany(rows.TOUCH_USER, touched)
            return n_moved

        return await self._write(move)

    async def scan_events(self, *, after: int = 0, batch_size: int = 100_000) -> AsyncIterator[pl.DataFrame]:
        if self._threads is None:
            raise StorageUnavailableError(f"the store {self.path} is not open", hint="call open() first")
        with self._translating():
            async with contextlib.aclosing(scan(self._connect, after=after, batch_size=batch_size)) as frames:
                async for frame in frames:
                    yield frame

    async def load_events(self, frame: pl.DataFrame) -> int:
        events = await asyncio.to_thread(checked_events, frame)
        if events.is_empty():
            return 0
        return await self._write(lambda connection: insert_events(connection, events))

    async def count(self, what: Countable) -> int:
        alive = " WHERE NOT is_deleted" if what in {"user", "item"} else ""
        found = await self._read_aside(f"SELECT COUNT(*) FROM {_TABLES[what]}{alive}")  # noqa: S608 - our own names
        return int(found[0][0])

    # --- users and items -----------------------------------------------------------------------------------------

    async def upsert(self, kind: RecordKind, records: Sequence[Record]) -> None:
        if not records:
            return
        now = time.time()
        values = [rows.from_record(record, now) for record in records]

        def write(connection: sqlite3.Connection) -> None:
            version = rows.next_version(connection, "records", len(values))
            numbered = [(*value, version - len(values) + 1 + n) for n, value in enumerate(values)]
            connection.executemany(rows.UPSERT_RECORD.format(table=_TABLES[kind]), numbered)

        await self._write(write)

    async def get(self, kind: RecordKind, record_id: str) -> Record | None:
        sql = rows.SELECT_RECORDS.format(table=_TABLES[kind]) + " WHERE record_id = ? AND NOT is_deleted"
        found = self._read(sql, (record_id,))
        return rows.to_record(found[0]) if found else None

    async def page(self, kind: RecordKind, *, cursor: str | None = None, limit: int = 100) -> Page:
        limit = min(max(1, limit), _MOST_ROWS)
        sql = rows.SELECT_RECORDS.format(table=_TABLES[kind])
        sql += " WHERE record_id > ? AND NOT is_deleted ORDER BY record_id LIMIT ?"
        found = await self._read_aside(sql, (cursor or "", limit + 1))
        records = tuple(rows.to_record(row) for row in found[:limit])
        return Page(records, records[-1].record_id if len(found) > limit else None)

    async def changed(self, kind: RecordKind, *, since: int, limit: int = 10_000) -> Sequence[Record]:
        sql = rows.SELECT_RECORDS.format(table=_TABLES[kind]) + " WHERE version > ? ORDER BY version LIMIT ?"
        found = await self._read_aside(sql, (since, min(max(0, limit), _MOST_ROWS)))
        return [rows.to_record(row) for row in found]

    async def delete(self, kind: RecordKind, record_id: str) -> bool:
        table = _TABLES[kind]

        def remove(connection: sqlite3.Connection) -> bool:
            known = f"SELECT 1 FROM {table} WHERE record_id = ? AND NOT is_deleted"  # noqa: S608 - our own names
            found = connection.execute(known, (record_id,)).fetchone() is not None
            if kind == "user":  # a user may have events and no profile
                found |= connection.execute("DELETE FROM events WHERE user_id = ?", (record_id,)).rowcount > 0
                journal.forget_exposures(connection, record_id)
            if found:
                values = (record_id, rows.DELETED, time.time(), rows.next_version(connection, "records"))
                connection.execute(rows.BURY_RECORD.format(table=table), values)
            return found

        return await self._write(remove)

    # --- what was shown, who did what ----------------------------------------------------------------------------

    async def log_exposures(
        self, exposures: Sequence[Exposure], *, again: Mapping[str, tuple[int, float]] | None = None
    ) -> None:
        values = [journal.from_exposure(exposure) for exposure in exposures]
        counts = [(exposure.recommendation_id, exposure.shown, exposure.last_at) for exposure in exposures]
        more = dict(again or {})
        if values or more:
            await self._write(lambda connection: journal.write_exposures(connection, values, counts, more))

    async def exposure(self, recommendation_id: str) -> Exposure | None:
        found = self._read(journal.SELECT_EXPOSURE, (recommendation_id,))
        return journal.to_exposure(found[0]) if found else None

    async def exposures(self, after: int = 0, limit: int = 1000) -> Sequence[Exposure]:
        found = await self._read_aside(journal.SELECT_EXPOSURES, (after, min(max(0, limit), _MOST_ROWS)))
        return [journal.to_exposure(row) for row in found]

    async def drop_exposures(self, before: float, limit: int = 10_000) -> int:
        return await self._write(lambda connection: journal.drop_exposures(connection, before, limit))

    async def add_audit(self, entries: Sequence[AuditEntry]) -> None:
        values = [journal.from_audit(entry) for entry in entries]
        if values:
            await self._write(lambda connection: connection.executemany(journal.INSERT_AUDIT, values))

    async def audit(self, after: int = 0, limit: int = 100) -> Sequence[AuditEntry]:
        found = await self._read_aside(journal.SELECT_AUDIT, (after, min(max(0, limit), _MOST_ROWS)))
        return [journal.to_audit(row) for row in found]

    # --- dead letters and shared values --------------------------------------------------------------------------

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        values = [rows.from_letter(letter) for letter in letters]
        if values:
            await self._write(lambda connection: connection.executemany(rows.INSERT_LETTER, values))

    async def dead_letters(self, *, after: int = 0, limit: int = 100) -> Sequence[DeadLetter]:
        found = await self._read_aside(rows.SELECT_LETTERS, (after, min(max(0, limit), _MOST_ROWS)))
        return [rows.to_letter(row) for row in found]

    async def get_value(self, key: str) -> tuple[Any, int]:
        found = self._read("SELECT value, version FROM shared_values WHERE key = ?", (key,))
        return (msgspec.json.decode(found[0][0]), int(found[0][1])) if found else (None, 0)

    async def put_value(
        self, key: str, value: Any, *, expected_version: int | None = None, changes_lists: bool = True
    ) -> int:
        text = rows.to_json(value, f"value {key!r}")

        def put(connection: sqlite3.Connection) -> int:
            found = connection.execute("SELECT version FROM shared_values WHERE key = ?", (key,)).fetchone()
            version = int(found[0]) if found else 0
            if expected_version is not None and version != expected_version:
                raise ConflictError(
                    f"value {key!r} has version {version}, not {expected_version}", hint="read it again and retry"
                )
            connection.execute(rows.PUT_VALUE, (key, text, version + 1))
            if changes_lists:
                rows.next_version(connection, "lists")
            return version + 1

        return await self._write(put)


def from_url(url: str) -> SQLiteRecords:
    """The store of ``sqlite:///relative``, ``sqlite:////absolute``, or ``sqlite://`` for a private one.

    Raises:
        ConfigurationError: something stands where a host would.
    """
    place = url.partition("://")[2]
    if place in {"", "/", "/:memory:"}:
        return SQLiteRecords(None)
    if not place.startswith("/"):
        raise ConfigurationError(
            f"{url!r} is no address of a SQLite file", hint=f"write sqlite:///{place} (three slashes; four before /…)"
        )
    return SQLiteRecords(Path(place[1:]))
