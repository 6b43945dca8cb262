"""Connections to the SQLite file: how they are set up, waited for, shared out among readers, and migrated."""

import contextlib
import random
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from foretaste.errors import StorageError, StorageUnavailableError
from foretaste.storage.records.migrate import HEAD, VERSION_TABLE, check_known, upgrade
from foretaste.storage.records.sqlite_errors import primary_code

T = TypeVar("T")
_SETUP = (
    "PRAGMA journal_mode=WAL",  # readers and the writer do not wait for each other
    "PRAGMA synchronous=FULL",  # a commit is flushed to the disk before it returns
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-64000",  # kB; an upper limit, filled as pages are read
    # A checkpoint at 64 MB of log and not at 4: events dirty pages all over the indexes, and the longer they are
    # gathered, the more of them share one. Figures in docs/serving/load.md.
    "PRAGMA wal_autocheckpoint=16000",
    "PRAGMA journal_size_limit=67108864",  # the log of a bulk load is cut back to 64 MB
)


def while_busy(action: Callable[[], T], timeout_s: float) -> T:
    """The result of ``action``, tried again while another process holds the lock, until ``timeout_s`` is over.

    SQLite's own waiting backs off to 100 ms, so that a process which writes without pause keeps another one out; short
    random sleeps share the lock out.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return action()
        except sqlite3.OperationalError as exc:
            if primary_code(exc) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.0002, 0.002))


def connect(path: Path, *, timeout_s: float) -> sqlite3.Connection:
    """A connection in autocommit mode that waits ``timeout_s`` for locks and may change threads."""
    connection = sqlite3.connect(path, timeout=min(0.1, timeout_s), isolation_level=None, check_same_thread=False)
    try:
        for statement in _SETUP:  # two processes that both switch a new file to WAL get in each other's way
            while_busy(lambda statement=statement: connection.execute(statement).fetchall(), timeout_s)  # type: ignore[misc]
        connection.execute(f"PRAGMA busy_timeout={int(timeout_s * 1000)}")
    except BaseException:
        connection.close()
        raise
    return connection


def begin(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Start a transaction that may write; the lock is taken now, so nothing inside can be refused for it."""
    connection.execute("PRAGMA busy_timeout=0")
    while_busy(lambda: connection.execute("BEGIN IMMEDIATE"), timeout_s)


class Readers:
    """Connections for reading: an idle one, or a new one when all are in use. Any thread may ask."""

    def __init__(self, path: Path, *, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._idle: deque[sqlite3.Connection] = deque()  # its pop and append need no lock
        self._is_open = False

    def open(self) -> None:
        """Allow reading."""
        self._is_open = True

    def fetch(self, sql: str, parameters: Sequence[object]) -> list[Any]:
        """All rows of a query.

        Raises:
            StorageUnavailableError: the store is not open.
            sqlite3.Error: it cannot be read.
        """
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._another()
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            self._idle.append(connection)
            if not self._is_open:
                self.close()

    def _another(self) -> sqlite3.Connection:
        if not self._is_open:
            raise StorageUnavailableError(f"the store {self._path} is not open", hint="call open() first")
        return connect(self._path, timeout_s=self._timeout_s)

    def close(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        self._is_open = False
        while self._idle:
            with contextlib.suppress(IndexError):  # another thread closes too
                self._idle.pop().close()


def migrate(path: Path, *, timeout_s: float) -> None:
    """Bring the tables up to date, one process at a time, whole or not at all.

    Raises:
        StorageError: a newer version or another program made this file.
        sqlite3.Error: it cannot be read or written.
    """
    with contextlib.closing(connect(path, timeout_s=timeout_s)) as connection:
        if _revision(connection) != HEAD:
            _upgrade(connection, path, timeout_s)


def _upgrade(raw: sqlite3.Connection, path: Path, timeout_s: float) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import StaticPool

    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            # The driver is in autocommit mode, so this transaction is ours, and SQLAlchemy only ends it.
            begin(raw, timeout_s)
            connection.begin()
            found = _revision(raw)  # another process may have been faster
            if found is None:
                _check_ours(raw, path)
            if found != HEAD:
                upgrade(connection)
            connection.commit()
    except DBAPIError as exc:
        if isinstance(exc.orig, sqlite3.Error):
            raise exc.orig from exc
        raise
    finally:
        engine.dispose()


def _revision(connection: sqlite3.Connection) -> str | None:
    """The store's revision; None for a new one.

    Raises:
        StorageError: a newer version has written it.
    """
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (VERSION_TABLE,)).fetchone():
        return None
    row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608 - our own name
    if row is None:
        return None
    if row[0] != HEAD:
        check_known(row[0])
    return str(row[0])


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    from foretaste.storage.records.schema import metadata

    theirs = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")} & set(metadata.tables)
    if theirs:
        raise StorageError(
            f"{path} already has tables {sorted(theirs)} that Foretaste did not make",
            hint="point DATABASE_URL at a file of its own",
        )
