"""SQL texts of the SQLite store, and values to and from its rows."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import polars as pl

from foretaste.events import Event
from foretaste.storage.records.base import DeadLetter, Record

DELETED = json.dumps({"_deleted": True})
MAX_LETTER_CHARACTERS = 64_000

_EVENT_COLUMNS = "event_id, user_id, item_id, type, value, timestamp, session_id, context, recommendation_id, position"
INSERT_EVENT = f"INSERT OR IGNORE INTO events ({_EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
SELECT_USER_EVENTS = (
    f"SELECT sequence, {_EVENT_COLUMNS} "  # noqa: S608 - our own names
    "FROM events WHERE user_id = ? ORDER BY sequence DESC LIMIT ?"
)
SCAN_EVENTS = (
    "SELECT sequence, event_id, user_id, item_id, type, value, timestamp, session_id FROM events "
    "WHERE sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?"
)
SCAN_SCHEMA = {
    "sequence": pl.Int64,
    "event_id": pl.String,
    "user_id": pl.String,
    "item_id": pl.String,
    "type": pl.String,
    "value": pl.Float64,
    "timestamp": pl.Float64,
    "session_id": pl.String,
}
SELECT_RECORDS = "SELECT record_id, attributes, is_available, created_at, updated_at, version FROM {table}"
UPSERT_RECORD = (
    "INSERT INTO {table} (record_id, attributes, is_available, is_deleted, created_at, updated_at, version) "
    "VALUES (?, ?, ?, 0, ?, ?, ?) ON CONFLICT (record_id) DO UPDATE SET attributes = excluded.attributes, "
    "is_available = excluded.is_available, is_deleted = 0, updated_at = excluded.updated_at, "
    "version = excluded.version, "
    "created_at = CASE WHEN is_deleted THEN excluded.created_at ELSE created_at END"
)
BURY_RECORD = (
    "UPDATE {table} SET attributes = ?, is_deleted = 1, is_available = 0, updated_at = ?, version = ? "
    "WHERE record_id = ? AND NOT is_deleted"
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


def from_event(event: Event) -> tuple[object, ...]:
    """An event as the values of INSERT_EVENT."""
    return (
        event.event_id,
        event.user_id,
        event.item_id,
        event.type,
        event.value,
        event.timestamp,
        event.session_id,
        json.dumps(event.context) if event.context else None,
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
        context=json.loads(context) if context else {},
        recommendation_id=recommendation_id,
        position=position,
    )


def from_frame(frame: pl.DataFrame) -> Iterator[tuple[object, ...]]:
    """The rows of a frame as values of INSERT_EVENT; ``value`` and ``session_id`` may be absent."""
    wanted = {name: kind for name, kind in SCAN_SCHEMA.items() if name != "sequence"}
    absent = [pl.lit(None, dtype=kind).alias(name) for name, kind in wanted.items() if name not in frame.columns]
    typed = frame.with_columns(absent).select(pl.col(name).cast(kind) for name, kind in wanted.items())
    for part in typed.iter_slices(50_000):
        for row in part.rows():
            yield (*row, None, None, None)


def from_record(record: Record, now: float) -> tuple[object, ...]:
    """A user or item as values of UPSERT_RECORD, without the version."""
    return (record.record_id, json.dumps(dict(record.attributes)), record.is_available, record.created_at or now, now)


def to_record(row: Any) -> Record:
    """A row of SELECT_RECORDS as a record."""
    record_id, attributes, is_available, created_at, updated_at, version = row
    return Record(record_id, json.loads(attributes), bool(is_available), created_at, updated_at, version)


def from_letter(letter: DeadLetter) -> tuple[object, ...]:
    """A dead letter as values of INSERT_LETTER; lone surrogates and overlong text are cut to what can be kept."""
    raw = letter.raw[:MAX_LETTER_CHARACTERS].encode("utf-8", "replace").decode()
    message = letter.message.encode("utf-8", "replace").decode()
    return (letter.kind, raw, letter.code, message, letter.received_at)


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
