"""SQL texts of the SQLite store, and values to and from its rows."""

import sqlite3
import time
from typing import Any

import msgspec

from foretaste.errors import InvalidRecordError
from foretaste.events import Event
from foretaste.storage.records.values import DeadLetter, Record, Stamp

DELETED = '{"_deleted": true}'
MAX_LETTER_BYTES = 64_000

EVENT_COLUMNS = (
    "event_id",
    "user_id",
    "item_id",
    "type",
    "value",
    "timestamp",
    "session_id",
    "context",
    "recommendation_id",
    "position",
)
_EVENT_COLUMNS = ", ".join(EVENT_COLUMNS)
SELECT_USER_EVENTS = (
    f"SELECT sequence, {_EVENT_COLUMNS} "  # noqa: S608 - our own names
    "FROM events WHERE user_id = ? ORDER BY sequence DESC LIMIT ?"
)
SELECT_NEW_EVENTS = (
    f"SELECT sequence, {_EVENT_COLUMNS} FROM events "  # noqa: S608 - our own names
    "WHERE sequence > ? ORDER BY sequence LIMIT ?"
)
# Sequences are never given twice and a record's version never falls, also when it is deleted; whatever takes events
# from a user (deletion, a move to another one) raises that version. So no two states of a user have one stamp.
_STAMP = (
    "(SELECT MAX(sequence) FROM events WHERE user_id = ?1), (SELECT version FROM users WHERE record_id = ?1), "
    "(SELECT version FROM changes WHERE name = 'lists'), (SELECT MAX(version) FROM items)"
)
SELECT_POSITION = (
    "SELECT (SELECT MAX(sequence) FROM events), (SELECT version FROM changes WHERE name = 'records'), "
    "(SELECT version FROM changes WHERE name = 'lists')"
)
SELECT_TOUCHED = (
    "SELECT user_id FROM events WHERE sequence > ?1 UNION ALL SELECT record_id FROM users WHERE version > ?2 LIMIT ?3"
)
SELECT_STAMP = f"SELECT {_STAMP}"
SELECT_STAMP_AND_USER = f"SELECT {_STAMP}, (SELECT attributes FROM users WHERE record_id = ?1 AND NOT is_deleted)"  # noqa: S608
# A user that has no record gets a buried one, which is none to everybody but the stamp.
TOUCH_USER = (
    "INSERT INTO users (record_id, attributes, is_available, is_deleted, created_at, updated_at, version) "
    "VALUES (?1, ?2, 0, 1, ?3, ?3, ?4) ON CONFLICT (record_id) DO UPDATE SET version = excluded.version"
)
SELECT_RECORDS = "SELECT record_id, attributes, is_available, created_at, updated_at, version FROM {table}"
UPSERT_RECORD = (
    "INSERT INTO {table} (record_id, attributes, is_available, is_deleted, created_at, updated_at, version) "
    "VALUES (?, ?, ?, 0, ?, ?, ?) ON CONFLICT (record_id) DO UPDATE SET attributes = excluded.attributes, "
    "is_available = excluded.is_available, is_deleted = 0, updated_at = excluded.updated_at, "
    "version = excluded.version, "
    "created_at = CASE WHEN is_deleted THEN excluded.created_at ELSE created_at END"
)
BURY_RECORD = (
    "INSERT INTO {table} (record_id, attributes, is_available, is_deleted, created_at, updated_at, version) "
    "VALUES (?1, ?2, 0, 1, ?3, ?3, ?4) ON CONFLICT (record_id) DO UPDATE SET attributes = excluded.attributes, "
    "is_available = 0, is_deleted = 1, updated_at = excluded.updated_at, version = excluded.version"
)
INSERT_LETTER = "INSERT INTO dead_letters (kind, raw, code, message, received_at) VALUES (?, ?, ?, ?, ?)"
SELECT_LETTERS = (
    "SELECT letter_id, kind, raw, code, message, received_at FROM dead_letters WHERE letter_id > ? "
    "ORDER BY letter_id LIMIT ?"
)
PUT_VALUE = (
    "INSERT INTO shared_values (key, value, version) VALUES (?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version"
)


def to_json(value: Any, what: str) -> str:
    """``value`` as JSON text; a float that is not finite becomes null.

    Raises:
        InvalidRecordError: it holds something that JSON has no form for.
    """
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as exc:
        raise InvalidRecordError(f"{what} cannot be kept as JSON: {exc}") from exc


def from_event(event: Event) -> tuple[object, ...]:
    """An event as the values of EVENT_COLUMNS."""
    return (
        event.event_id,
        event.user_id,
        event.item_id,
        event.type,
        event.value,
        event.timestamp,
        event.session_id,
        to_json(event.context, "context") if event.context else None,
        event.recommendation_id,
        event.position,
    )


def to_event(row: Any) -> Event:
    """A row of SELECT_USER_EVENTS as an event."""
    _, event_id, user_id, item_id, kind, value, timestamp, session_id, context, recommendation_id, position = row
    return Event(
        event_id=event_id,
        user_id=user_id,
        item_id=item_id,
        type=kind,
        value=value,
        timestamp=timestamp,
        session_id=session_id,
        context=msgspec.json.decode(context) if context else {},
        recommendation_id=recommendation_id,
        position=position,
    )


def to_stamp(row: Any) -> Stamp:
    """The first columns of SELECT_STAMP as a stamp."""
    sequence, version, shared, items = row[:4]
    return Stamp((sequence or 0, version or 0), shared or 0, items or 0)


def from_record(record: Record, now: float) -> tuple[object, ...]:
    """A user or item as values of UPSERT_RECORD, without the version."""
    attributes = to_json(dict(record.attributes), "attributes")
    return (record.record_id, attributes, record.is_available, record.created_at or now, now)


def to_record(row: Any) -> Record:
    """A row of SELECT_RECORDS as a record."""
    record_id, attributes, is_available, created_at, updated_at, version = row
    return Record(record_id, msgspec.json.decode(attributes), bool(is_available), created_at, updated_at, version)


def from_letter(letter: DeadLetter) -> tuple[object, ...]:
    """A dead letter as values of INSERT_LETTER; lone surrogates and overlong text are cut to what can be kept."""
    raw = letter.raw[:MAX_LETTER_BYTES].encode("utf-8", "replace")[:MAX_LETTER_BYTES].decode("utf-8", "ignore")
    message = letter.message.encode("utf-8", "replace").decode()
    return (letter.kind, raw, letter.code, message, letter.received_at or time.time())


def to_letter(row: Any) -> DeadLetter:
    """A row of SELECT_LETTERS as a dead letter."""
    letter_id, kind, raw, code, message, received_at = row
    return DeadLetter(kind, raw, code, message, received_at, letter_id)


def next_version(connection: sqlite3.Connection, name: str, step: int = 1) -> int:
    """Move a change counter on by ``step`` and return where it stands."""
    connection.execute(
        "INSERT INTO changes (name, version) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET version = version + excluded.version",
        (name, step),
    )
    return int(connection.execute("SELECT version FROM changes WHERE name = ?", (name,)).fetchone()[0])
