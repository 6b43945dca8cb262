"""Posted events into the SQLite store, many to a statement.

The interpreter's lock is given back and asked for once a statement, not once an event: while SQLite works, the next
requests are read, and the writer does not stand in line for the lock a hundred times a batch.
"""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

from foretaste.errors import InvalidRecordError
from foretaste.storage.records.sqlite_rows import EVENT_COLUMNS

_MOST_ROWS = 100
"""Events of one statement: a thousand parameters, far below the limit of every SQLite that knows ON CONFLICT well."""


def append_events(connection: sqlite3.Connection, values: Sequence[tuple[object, ...]]) -> list[bool]:
    """Store events (as ``from_event`` gives them) inside the open transaction; whether each one was new.

    Of two with one id the first counts.

    Raises:
        InvalidRecordError: one has nothing where something must be; none was stored.
    """
    for value in values:
        if None in value[:4] or value[5] is None or value[5] != value[5]:  # SQLite keeps a NaN as null
            raise InvalidRecordError(
                f"an event lacks its id, user, item, type or time: {value[:6]!r}", hint="nothing of its batch was kept"
            )
    found: list[bool] = []
    for start in range(0, len(values), _MOST_ROWS):
        found += _append(connection, values[start : start + _MOST_ROWS])
    return found


def _append(connection: sqlite3.Connection, values: Sequence[tuple[object, ...]]) -> list[bool]:
    newest = connection.execute("SELECT MAX(sequence) FROM events").fetchone()[0] or 0
    done = connection.execute(_statement(len(values)), list(chain.from_iterable(values)))
    if done.rowcount == len(values):
        return [True] * len(values)
    # Only when something was there before (not RETURNING: that takes an SQLite of 2021)
    new = {row[0] for row in connection.execute("SELECT event_id FROM events WHERE sequence > ?", (newest,))}
    found = []
    for event_id, *_ in values:
        found.append(event_id in new)
        new.discard(event_id)
    return found


@lru_cache(maxsize=_MOST_ROWS)
def _statement(n_rows: int) -> str:
    # OR IGNORE, and not ON CONFLICT (event_id) DO NOTHING: a statement of many rows that could fail half-way copies
    # every page before it touches it. Nulls, which it would pass over too, are found beforehand.
    row = f"({', '.join('?' * len(EVENT_COLUMNS))})"
    return f"INSERT OR IGNORE INTO events ({', '.join(EVENT_COLUMNS)}) VALUES {', '.join([row] * n_rows)}"  # noqa: S608
