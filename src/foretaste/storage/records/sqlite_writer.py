"""One thread that writes, many callers that wait: everything waiting is committed at once (group commit).

A commit costs a flush to the disk however much is in it, so under load a hundred batches share one. One that fails is
undone alone: the group is then done again with a savepoint around each, which costs more (SQLite copies every page that
is touched inside one). Callers are answered after the commit, so an answer means the data is on disk.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from foretaste.errors import ForetasteError, StorageError, StorageUnavailableError
from foretaste.storage.records.sqlite_connection import begin
from foretaste.storage.records.sqlite_errors import FAILURES, primary_code, translated

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

MAX_GROUP = 512
"""Pieces of work in one commit."""


@dataclass(slots=True)
class _Piece:
    """Work that waits, then what came of it."""

    work: Work
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop
    result: Any = None
    failure: BaseException | None = None

    def deliver(self) -> None:
        """Answer the caller, unless it is gone: what it handed in stays done."""
        if self.future.done():
            return
        if self.failure is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.failure)


class GroupWriter:
    """Runs pieces of work on its own connection, in order of arrival, several to a transaction."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        path: str,
        *,
        timeout_s: float,
        on_commit: Callable[[], None] | None = None,
    ) -> None:
        self._connect = connect
        self._path = path
        self._timeout_s = timeout_s
        self._on_commit = on_commit if on_commit is not None else _nothing
        self._connection: sqlite3.Connection | None = None
        self._waiting: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_open = False
        self._gate = threading.Lock()

    def start(self) -> None:
        """Open the connection in the thread that will use it.

        Raises:
            sqlite3.Error: it cannot be opened.
        """
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="foretaste-writer", daemon=True)
        self._thread.start()
        opened.result()
        self._is_open = True

    def stop(self) -> None:
        """Finish what is waiting and close; later work is refused."""
        with self._gate:
            if not self._is_open:
                return
            self._is_open = False
            self._waiting.put(None)
        if self._thread is not None:
            self._thread.join()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of ``work(connection)``, after it is committed.

        ``work`` may run again (when another one's failure undid the transaction), so it must depend on nothing but the
        store. A caller that is cancelled does not undo it.

        Raises:
            StorageError: nothing of it was kept.
        """
        loop = asyncio.get_running_loop()
        piece = _Piece(work, loop.create_future(), loop)
        with self._gate:
            if not self._is_open:
                raise StorageUnavailableError(f"the store {self._path} is not open", hint="call open() first")
            self._waiting.put(piece)
        result: T = await piece.future
        return result

    def _run(self, opened: "Future[None]") -> None:
        try:
            self._connection = self._connect()
        except BaseException as exc:  # noqa: BLE001 - raised again in the thread that waits
            opened.set_exception(exc)
            return
        opened.set_result(None)
        try:
            while group := self._next_group():
                try:
                    self._commit(group)
                except BaseException as exc:  # noqa: BLE001 - a writer that dies would leave everybody waiting
                    _fail(group, exc, self._path)
                    self._undo()
                self._on_commit()
                _answer(group)
        finally:
            self._drop_connection()

    def _next_group(self) -> list[_Piece]:
        """What waits now, at least one; empty when it is time to stop."""
        group: list[_Piece] = []
        piece = self._waiting.get()
        while piece is not None:
            group.append(piece)
            if len(group) == MAX_GROUP:
                return group
            try:
                piece = self._waiting.get_nowait()
            except queue.Empty:
                return group
        if group:
            self._waiting.put(None)  # the sign to stop, for the next time
        return group

    def _commit(self, group: Sequence[_Piece]) -> None:
        """Do all of a group in one transaction; when the commit itself fails, each piece in its own."""
        try:
            if not self._in_one_go(group):
                self._one_by_one(group)
        except sqlite3.Error as exc:
            self._undo()
            if len(group) == 1 or primary_code(exc) == sqlite3.SQLITE_BUSY:  # the lock would be missing again
                _fail(group, exc, self._path)
                return
            for piece in group:
                piece.result = piece.failure = None
                self._commit([piece])

    def _begin(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        begin(self._connection, self._timeout_s)
        return self._connection

    def _in_one_go(self, group: Sequence[_Piece]) -> bool:
        """Commit the group; False when a piece failed, and then nothing is done (unless it was the only one)."""
        connection = self._begin()
        for piece in group:
            try:
                piece.result = piece.work(connection)
            except Exception as exc:
                if len(group) == 1:
                    self._undo()
                    self._blame(piece, exc)
                    return True
                if not connection.in_transaction:  # a full or failing disk: SQLite itself has undone everything
                    raise
                self._undo()
                return False
        connection.execute("COMMIT")
        return True

    def _one_by_one(self, group: Sequence[_Piece]) -> None:
        """Commit what does not fail of the group."""
        connection = self._begin()
        for piece in group:
            connection.execute("SAVEPOINT piece")
            try:
                piece.result = piece.work(connection)
            except Exception as exc:
                if not connection.in_transaction:
                    raise
                connection.execute("ROLLBACK TO piece")
                self._blame(piece, exc)
            connection.execute("RELEASE piece")
        connection.execute("COMMIT")

    def _blame(self, piece: _Piece, exc: Exception) -> None:
        piece.failure = _caused(translated(exc, self._path), exc) if isinstance(exc, FAILURES) else exc

    def _undo(self) -> None:
        """Leave no transaction behind; a connection that cannot even do that is exchanged for a new one."""
        if self._connection is None or not self._connection.in_transaction:
            return
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._drop_connection()

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None


def _nothing() -> None:
    """Nobody waits for commits."""


def _fail(group: Sequence[_Piece], cause: BaseException, path: str) -> None:
    """Each caller gets an error of its own: one that is raised in several tasks would mix their traces."""
    for piece in group:
        if isinstance(cause, FAILURES):
            piece.failure = _caused(translated(cause, path), cause)
        else:
            piece.failure = _caused(StorageError(f"the writer of {path} failed: {cause!r}"), cause)


def _caused(error: ForetasteError, cause: BaseException) -> ForetasteError:
    error.__cause__ = cause
    return error


def _answer(group: Sequence[_Piece]) -> None:
    """Wake each event loop once, however many of its callers are answered."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Piece]] = defaultdict(list)
    for piece in group:
        by_loop[piece.loop].append(piece)
    for loop, pieces in by_loop.items():
        with contextlib.suppress(RuntimeError):  # a loop that was closed has nobody left who waits
            loop.call_soon_threadsafe(_deliver, pieces)


def _deliver(pieces: Sequence[_Piece]) -> None:
    for piece in pieces:
        piece.deliver()
