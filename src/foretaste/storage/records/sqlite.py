"""The embedded record store: one SQLite file in WAL mode, one writer thread, reads in microseconds."""

import asyncio
import contextlib
import json
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import polars as pl

from foretaste.errors import ConflictError, StorageUnavailableError
from foretaste.events import Event
from foretaste.storage.records import sqlite_rows as rows
from foretaste.storage.records.base import DeadLetter, Page, Record, RecordKind, Records, UserState
from foretaste.storage.records.migrate import HEAD, check_not_newer, upgrade
from foretaste.storage.records.sqlite_errors import translated
from foretaste.storage.records.sqlite_writer import GroupWriter

T = TypeVar("T")
BUSY_TIMEOUT_S = 10.0
_TABLES = {"event": "events", "user": "users", "item": "items", "dead_letter": "dead_letters"}


class SQLiteRecords(Records):
    """A record store in one file; any number of processes on the machine may use it at once.

    Point look-ups run in the caller's thread: they take 5–20 µs, less than handing them to another. Writes are
    flushed to the disk
    (``synchronous=FULL``) before they return. ``path`` None makes a private store that is gone after ``close``.
    """

    def __init__(self, path: Path | None, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._private = tempfile.TemporaryDirectory(prefix="foretaste-") if path is None else None
        self.path = Path(self._private.name) / "records.db" if self._private else Path(str(path))
        self._busy_timeout_s = busy_timeout_s
        self._reader: sqlite3.Connection | None = None
        self._writer = GroupWriter(self._connect, str(self.path))

    # --- connections ---------------------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA cache_size=-16000")
        return connection

    async def open(self) -> None:
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StorageUnavailableError(
                f"the folder {self.path.parent} of the store cannot be made: {exc.strerror}",
                hint="choose another place with DATABASE_URL or --home",
            ) from exc
        try:
            with _one_process(self.path):
                self._migrate()
            self._reader = self._connect()
        except sqlite3.Error as exc:
            raise translated(exc, str(self.path)) from exc
        self._writer.start()

    def _migrate(self) -> None:
        with contextlib.closing(self._connect()) as connection:
            found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
            revision = None
            if found:
                row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
                revision = row[0] if row else None
        check_not_newer(revision)
        if revision == HEAD:
            return
        from sqlalchemy import create_engine
        from sqlalchemy.exc import DBAPIError
        from sqlalchemy.pool import NullPool

        engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(self.path), poolclass=NullPool)
        try:
            upgrade(engine)
        except DBAPIError as exc:
            if isinstance(exc.orig, sqlite3.Error):
                raise exc.orig from exc
            raise
        finally:
            engine.dispose()

    async def close(self) -> None:
        await asyncio.to_thread(self._writer.stop)
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._private is not None:
            self._private.cleanup()

    def _read(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        if self._reader is None:
            raise StorageUnavailableError(f"the store {self.path} is not open")
        try:
            return self._reader.execute(sql, parameters).fetchall()
        except UnicodeEncodeError:  # a lone surrogate is in no stored id
            return []
        except sqlite3.Error as exc:
            raise translated(exc, str(self.path)) from exc

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._writer.run(work)

    async def ping(self) -> None:
        self._read("SELECT version FROM changes LIMIT 1")
        await self._write(lambda connection: rows.next_version(connection, "ping"))

    # --- events --------------------------------------------------------------------------------------------------

    async def append_events(self, events: Sequence[Event]) -> list[bool]:
        if not events:
            return []
        values = [rows.from_event(event) for event in events]

        def insert(connection: sqlite3.Connection) -> list[bool]:
            # rowcount is 1 for a new row and 0 for one that was there
            return [connection.execute(rows.INSERT_EVENT, value).rowcount == 1 for value in values]

        return await self._write(insert)

    async def user_state(self, user_id: str, *, limit: int = 500) -> UserState:
        found = self._read(rows.SELECT_USER_EVENTS, (user_id, limit))
        if not found:
            return UserState((), 0)
        events = sorted((rows.to_event(row) for row in reversed(found)), key=lambda event: event.timestamp)
        return UserState(tuple(events), found[0][0])

    async def user_version(self, user_id: str) -> int:
        return int(self._read("SELECT COALESCE(MAX(sequence), 0) FROM events WHERE user_id = ?", (user_id,))[0][0])

    async def scan_events(self, *, after: int = 0, batch_size: int = 100_000) -> AsyncIterator[pl.DataFrame]:
        end = int(self._read("SELECT COALESCE(MAX(sequence), 0) FROM events")[0][0])
        while after < end:
            frame = await asyncio.to_thread(self._scan_part, after, end, batch_size)
            if frame.is_empty():
                return
            after = int(frame["sequence"][-1])
            yield frame

    def _scan_part(self, after: int, end: int, batch_size: int) -> pl.DataFrame:
        try:
            with contextlib.closing(self._connect()) as connection:
                found = connection.execute(rows.SCAN_EVENTS, (after, end, batch_size)).fetchall()
        except sqlite3.Error as exc:
            raise translated(exc, str(self.path)) from exc
        return pl.DataFrame(found, schema=rows.SCAN_SCHEMA, orient="row")

    async def load_events(self, frame: pl.DataFrame) -> int:
        values = rows.from_frame(frame)

        def load(connection: sqlite3.Connection) -> int:
            empty = connection.execute("SELECT 1 FROM events LIMIT 1").fetchone() is None
            if empty:  # building the index once at the end is cheaper than growing it
                connection.execute("DROP INDEX IF EXISTS ix_events_user")
            before = connection.total_changes
            connection.executemany(rows.INSERT_EVENT, values)
            stored = connection.total_changes - before
            if empty:
                connection.execute("CREATE INDEX ix_events_user ON events (user_id, sequence)")
            return stored

        return await self._write(load)

    async def count(self, what: Literal["event", "user", "item", "dead_letter"]) -> int:
        alive = " WHERE NOT is_deleted" if what in {"user", "item"} else ""
        return int(self._read(f"SELECT COUNT(*) FROM {_TABLES[what]}{alive}")[0][0])  # noqa: S608 - our own names

    # --- users and items -----------------------------------------------------------------------------------------

    async def upsert(self, kind: RecordKind, records: Sequence[Record]) -> None:
        now = time.time()
        values = [rows.from_record(record, now) for record in records]

        def write(connection: sqlite3.Connection) -> None:
            version = rows.next_version(connection, "records", len(values))
            numbered = [(*value, version - len(values) + 1 + n) for n, value in enumerate(values)]
            connection.executemany(rows.UPSERT_RECORD.format(table=_TABLES[kind]), numbered)

        if values:
            await self._write(write)

    async def get(self, kind: RecordKind, record_id: str) -> Record | None:
        sql = rows.SELECT_RECORDS.format(table=_TABLES[kind]) + " WHERE record_id = ? AND NOT is_deleted"
        found = self._read(sql, (record_id,))
        return rows.to_record(found[0]) if found else None

    async def page(self, kind: RecordKind, *, cursor: str | None = None, limit: int = 100) -> Page:
        sql = rows.SELECT_RECORDS.format(table=_TABLES[kind])
        sql += " WHERE record_id > ? AND NOT is_deleted ORDER BY record_id LIMIT ?"
        found = self._read(sql, (cursor or "", limit + 1))
        records = tuple(rows.to_record(row) for row in found[:limit])
        return Page(records, records[-1].record_id if len(found) > limit else None)

    async def changed(self, kind: RecordKind, *, since: int, limit: int = 10_000) -> Sequence[Record]:
        sql = rows.SELECT_RECORDS.format(table=_TABLES[kind]) + " WHERE version > ? ORDER BY version LIMIT ?"
        return [rows.to_record(row) for row in self._read(sql, (since, limit))]

    async def delete(self, kind: RecordKind, record_id: str) -> bool:
        table = _TABLES[kind]

        def remove(connection: sqlite3.Connection) -> bool:
            values = (rows.DELETED, time.time(), rows.next_version(connection, "records"), record_id)
            found = connection.execute(rows.BURY_RECORD.format(table=table), values).rowcount
            if kind == "user":
                found += connection.execute("DELETE FROM events WHERE user_id = ?", (record_id,)).rowcount
            return found > 0

        return await self._write(remove)

    # --- dead letters and shared values --------------------------------------------------------------------------

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        values = [rows.from_letter(letter) for letter in letters]
        if values:
            await self._write(lambda connection: connection.executemany(rows.INSERT_LETTER, values))

    async def dead_letters(self, *, after: int = 0, limit: int = 100) -> Sequence[DeadLetter]:
        return [rows.to_letter(row) for row in self._read(rows.SELECT_LETTERS, (after, limit))]

    async def get_value(self, key: str) -> tuple[Any, int]:
        found = self._read("SELECT value, version FROM shared_values WHERE key = ?", (key,))
        return (json.loads(found[0][0]), int(found[0][1])) if found else (None, 0)

    async def put_value(self, key: str, value: Any, *, expected_version: int | None = None) -> int:
        text = json.dumps(value)

        def put(connection: sqlite3.Connection) -> int:
            found = connection.execute("SELECT version FROM shared_values WHERE key = ?", (key,)).fetchone()
            version = int(found[0]) if found else 0
            if expected_version is not None and version != expected_version:
                raise ConflictError(
                    f"value {key!r} has version {version}, not {expected_version}", hint="read it again and retry"
                )
            connection.execute(rows.PUT_VALUE, (key, text, version + 1))
            return version + 1

        return await self._write(put)


@contextlib.contextmanager
def _one_process(path: Path) -> Iterator[None]:
    """Hold a lock file beside the store, so that processes that start together migrate one after the other."""
    try:
        import fcntl
    except ImportError:  # no such lock on this system: SQLite's own locks must do
        yield
        return
    lock = path.with_name(f"{path.name}.lock")
    try:
        file = lock.open("a")
    except OSError as exc:
        raise StorageUnavailableError(
            f"the folder {path.parent} of the store cannot be written: {exc.strerror}",
            hint="choose another place with DATABASE_URL or --home",
        ) from exc
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
