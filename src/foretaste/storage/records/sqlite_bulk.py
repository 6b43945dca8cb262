"""Many events at once, into the SQLite store and out of it, as frames."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import polars as pl

from foretaste.errors import DataFormatError

EVENT_SCHEMA: Mapping[str, pl.DataType] = {
    "event_id": pl.String(),
    "user_id": pl.String(),
    "item_id": pl.String(),
    "type": pl.String(),
    "value": pl.Float64(),
    "timestamp": pl.Float64(),
    "session_id": pl.String(),
}
SCAN_SCHEMA: Mapping[str, pl.DataType] = {"sequence": pl.Int64(), **EVENT_SCHEMA}
_NEEDED = ("event_id", "user_id", "item_id", "timestamp")
_DEFAULT_TYPE = "view"

_COLUMNS = ", ".join(EVENT_SCHEMA)
_ROWS_A_STATEMENT = 100
"""Rows of one statement into an empty table: halves the time, as the driver's work is per statement. 7 × 100 stays
below every version's limit of parameters."""
_SLICE = 1_000 * _ROWS_A_STATEMENT
_INDEXES = {
    "ix_events_event_id": "CREATE UNIQUE INDEX ix_events_event_id ON events (event_id)",
    "ix_events_user": "CREATE INDEX ix_events_user ON events (user_id, sequence)",
}
_SCAN = f"SELECT sequence, {_COLUMNS} FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?"  # noqa: S608


def checked_events(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of ``EVENT_SCHEMA`` with their types; ``type``, ``value`` and ``session_id`` may be absent.

    Other columns are left out; a time column of dates becomes seconds since 1970, a value that is NaN null.

    Raises:
        DataFormatError: a column is missing, of a wrong type, or has empty cells where none may be.
    """
    missing = [name for name in _NEEDED if name not in frame.columns]
    if missing:
        raise DataFormatError(
            f"events lack the columns {', '.join(missing)}", hint=f"found: {', '.join(frame.columns) or 'none'}"
        )
    if frame.schema["timestamp"] in (pl.Datetime, pl.Date):
        moments = pl.col("timestamp").cast(pl.Datetime("us")).dt.epoch("us") / 1e6
        frame = frame.with_columns(moments.alias("timestamp"))
    absent = [pl.lit(None).alias(name) for name in EVENT_SCHEMA if name not in frame.columns]
    try:
        typed = frame.with_columns(absent).select(pl.col(name).cast(kind) for name, kind in EVENT_SCHEMA.items())
    except pl.exceptions.PolarsError as exc:
        raise DataFormatError(f"events have a column of a wrong type: {str(exc).splitlines()[0]}") from exc
    for name in _NEEDED:
        column = typed[name]
        empty = int((~column.is_finite()).fill_null(True).sum()) if name == "timestamp" else column.null_count()
        if empty:
            raise DataFormatError(
                f"{empty} of {len(typed)} events have no usable {name}", hint="fill or drop them first"
            )
    return typed.with_columns(pl.col("type").fill_null(_DEFAULT_TYPE), pl.col("value").fill_nan(None))


def insert_events(connection: sqlite3.Connection, events: pl.DataFrame) -> int:
    """Store :func:`checked_events` inside the open transaction; returns how many were new.

    Into an empty table the indexes are built once at the end, which is several times cheaper than growing them.
    """
    if connection.execute("SELECT 1 FROM events LIMIT 1").fetchone() is not None:
        before = connection.total_changes
        # Row by row: a statement of many rows, inside a savepoint, first copies every index page that it will touch.
        _insert(connection, events, 1, on_conflict="ON CONFLICT (event_id) DO NOTHING")
        return connection.total_changes - before
    events = events.unique(subset="event_id", keep="first", maintain_order=True)
    for name in _INDEXES:
        connection.execute(f"DROP INDEX {name}")
    _insert(connection, events, _ROWS_A_STATEMENT)
    for statement in _INDEXES.values():
        connection.execute(statement)
    return len(events)


def _insert(connection: sqlite3.Connection, events: pl.DataFrame, rows_a_statement: int, on_conflict: str = "") -> None:
    whole = len(events) - len(events) % rows_a_statement
    for part, n_rows in ((events[:whole], rows_a_statement), (events[whole:], 1)):
        values = ", ".join([f"({', '.join('?' * len(EVENT_SCHEMA))})"] * n_rows)
        sql = f"INSERT INTO events ({_COLUMNS}) VALUES {values} {on_conflict}"  # noqa: S608 - our own names
        connection.executemany(sql, _parameters(part, n_rows))


def _parameters(events: pl.DataFrame, n_rows: int) -> Iterator[list[object]]:
    """The cells of ``n_rows`` rows at a time, row after row."""
    for part in events.iter_slices(_SLICE):
        columns = [column.to_list() for column in part]
        for start in range(0, len(part), n_rows):
            yield list(chain.from_iterable(zip(*(column[start : start + n_rows] for column in columns), strict=True)))


async def scan(
    connect: Callable[[], sqlite3.Connection], *, after: int, batch_size: int
) -> AsyncGenerator[pl.DataFrame, None]:
    """All events in order of arrival, as they were when the scan began; the next frame is read while one is used.

    The scan has a thread of its own, in which its connection is also closed: however it is abandoned, nobody closes a
    connection that is being read from.
    """
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, thread_name_prefix="foretaste-scan")
    reading = _Snapshot(connect, after, batch_size)
    try:
        coming = loop.run_in_executor(thread, reading.next)
        while (frame := await coming) is not None:
            coming = loop.run_in_executor(thread, reading.next)
            yield frame
    finally:
        thread.submit(reading.close)
        thread.shutdown(wait=False)


class _Snapshot:
    """Reads one consistent state of the events, part by part, in one thread."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], after: int, batch_size: int) -> None:
        self._connect = connect
        self._after = after
        self._batch_size = max(1, batch_size)
        self._connection: sqlite3.Connection | None = None

    def next(self) -> pl.DataFrame | None:
        if self._connection is None:
            self._connection = self._connect()
            self._connection.execute("BEGIN")  # the first read fixes what this connection sees
        found = self._connection.execute(_SCAN, (self._after, self._batch_size)).fetchall()
        if not found:
            return None
        self._after = found[-1][0]
        return pl.DataFrame(found, schema=dict(SCAN_SCHEMA), orient="row")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
