"""One thread that writes, many callers that wait: everything waiting is committed at once (group commit).

A commit costs a flush to the disk however much is in it, so under load a hundred batches share one. Each batch runs
inside a
savepoint: one that fails is undone alone. Callers are answered after the commit, so an answer means the data is on
disk.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from foretaste.errors import StorageError, StorageUnavailableError
from foretaste.storage.records.sqlite_errors import translated

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

MAX_GROUP = 512
"""Batches in one commit."""


class GroupWriter:
    """Runs pieces of work on its own connection, in order of arrival, several to a transaction."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], path: str) -> None:
        self._connect = connect
        self._path = path
        self._waiting: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._gate = threading.Lock()

    def start(self) -> None:
        """Open the connection in the thread that will use it.

        Raises:
            StorageError: it cannot be opened.
        """
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="foretaste-writer", daemon=True)
        self._thread.start()
        opened.result()

    def stop(self) -> None:
        """Finish what is waiting and close; later work is refused."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._waiting.put(None)
        if self._thread is not None:
            self._thread.join()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of ``work(connection)``, after it is committed."""
        future: Future[T] = Future()
        with self._gate:
            if self._closed:
                raise StorageUnavailableError(f"the store {self._path} is closed")
            self._waiting.put((work, future))
        # A caller that goes away does not undo what it has handed in: shield keeps the future from being cancelled.
        return await asyncio.shield(asyncio.wrap_future(future))

    def _run(self, opened: "Future[None]") -> None:
        try:
            connection = self._connect()
        except sqlite3.Error as exc:
            opened.set_exception(translated(exc, self._path))
            return
        opened.set_result(None)
        try:
            while (group := self._next_group()) is not None:
                self._commit(connection, group)
        finally:
            connection.close()

    def _next_group(self) -> "list[tuple[Work, Future[Any]]] | None":
        first = self._waiting.get()
        if first is None:
            return None
        group = [first]
        while len(group) < MAX_GROUP:
            try:
                another = self._waiting.get_nowait()
            except queue.Empty:
                break
            if another is None:
                self._waiting.put(None)
                break
            group.append(another)
        return group

    def _commit(self, connection: sqlite3.Connection, group: "list[tuple[Work, Future[Any]]]") -> None:
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for work, future in group:
                outcomes.append((future, *self._in_savepoint(connection, work)))
            connection.execute("COMMIT")
        except sqlite3.Error as exc:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            error = translated(exc, self._path)
            for _, future in group:
                future.set_exception(error)
            return
        for future, result, failure in outcomes:
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)

    def _in_savepoint(self, connection: sqlite3.Connection, work: Work) -> tuple[Any, BaseException | None]:
        """The result of one piece of work, or why it was undone; an error that undid the transaction goes up."""
        connection.execute("SAVEPOINT piece")
        try:
            result = work(connection)
        except Exception as exc:
            if not connection.in_transaction:  # SQLite itself rolled everything back
                if isinstance(exc, sqlite3.Error):
                    raise
                raise sqlite3.OperationalError(f"transaction lost: {exc}") from exc
            connection.execute("ROLLBACK TO piece")
            connection.execute("RELEASE piece")
            known = translated(exc, self._path) if isinstance(exc, sqlite3.Error) else exc
            if not isinstance(known, StorageError):
                known.__traceback__ = exc.__traceback__
            return None, known
        connection.execute("RELEASE piece")
        return result, None
