"""What was shown and who did what, in the SQLite store: SQL texts, and values to and from their rows."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from foretaste.storage.records.sqlite_rows import to_json
from foretaste.storage.records.values import AuditEntry, Exposure

_EXPOSURE = (
    "recommendation_id, user_id, scenario, model_version, experiment, item_ids, propensities, explored, arms, first_at"
)
_INSERT_EXPOSURE = (
    f"INSERT INTO exposures ({_EXPOSURE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608 - our own names
    "ON CONFLICT (recommendation_id) DO NOTHING"
)
_COUNT_SHOWN = (
    "INSERT INTO exposure_counts (number, shown, last_at) "
    "SELECT number, ?2, ?3 FROM exposures WHERE recommendation_id = ?1 "
    "ON CONFLICT (number) DO UPDATE SET shown = shown + excluded.shown, last_at = MAX(last_at, excluded.last_at)"
)
_SELECT_EXPOSURES = f"SELECT number, {_EXPOSURE}, shown, last_at FROM exposures JOIN exposure_counts USING (number) "  # noqa: S608
SELECT_EXPOSURE = _SELECT_EXPOSURES + "WHERE recommendation_id = ?"
SELECT_EXPOSURES = _SELECT_EXPOSURES + "WHERE number > ? ORDER BY number LIMIT ?"
_FORGET_COUNTS = "DELETE FROM exposure_counts WHERE number IN (SELECT number FROM exposures WHERE user_id = ?)"
_OLDEST = "SELECT number FROM (SELECT number, first_at FROM exposures ORDER BY number LIMIT ?2) WHERE first_at < ?1"

_AUDIT = "at, actor, action, subject, outcome, details, request_id"
INSERT_AUDIT = f"INSERT INTO audit ({_AUDIT}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own names
SELECT_AUDIT = f"SELECT entry_id, {_AUDIT} FROM audit WHERE entry_id > ? ORDER BY entry_id LIMIT ?"  # noqa: S608


def from_exposure(exposure: Exposure) -> tuple[object, ...]:
    """A list that was shown as values of the table's columns."""
    e = exposure
    return (
        e.recommendation_id,
        e.user_id,
        e.scenario,
        e.model_version,
        e.experiment,
        to_json(e.item_ids, "item_ids"),
        to_json(e.propensities, "propensities") if e.propensities else None,
        to_json(e.explored, "explored") if e.explored else None,
        to_json(dict(e.arms), "arms") if e.arms else None,
        e.first_at,
    )


def to_exposure(row: Any) -> Exposure:
    """A row of SELECT_EXPOSURE as a list that was shown."""
    (number, recommendation_id, user_id, scenario, model_version, experiment, *texts, first_at, shown, last_at) = row
    item_ids, propensities, explored, arms = (msgspec.json.decode(text) if text else () for text in texts)
    return Exposure(
        recommendation_id,
        tuple(item_ids),
        user_id,
        scenario,
        model_version,
        experiment,
        tuple(propensities),
        tuple(explored),
        dict(arms),
        shown,
        first_at,
        last_at,
        number,
    )


def write_exposures(
    connection: sqlite3.Connection,
    rows: Sequence[tuple[object, ...]],
    counts: Sequence[tuple[str, int, float]],
    again: Mapping[str, tuple[int, float]],
) -> None:
    """Insert lists that are not there yet, then count up all."""
    connection.executemany(_INSERT_EXPOSURE, rows)
    connection.executemany(_COUNT_SHOWN, counts)
    connection.executemany(_COUNT_SHOWN, [(key, times, last) for key, (times, last) in again.items()])


def forget_exposures(connection: sqlite3.Connection, user_id: str) -> None:
    """Remove what a user was shown."""
    connection.execute(_FORGET_COUNTS, (user_id,))
    connection.execute("DELETE FROM exposures WHERE user_id = ?", (user_id,))


def drop_exposures(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Remove the oldest lists, where they are older than ``before``; how many."""
    connection.execute(f"DELETE FROM exposure_counts WHERE number IN ({_OLDEST})", (before, limit))  # noqa: S608
    return connection.execute(f"DELETE FROM exposures WHERE number IN ({_OLDEST})", (before, limit)).rowcount  # noqa: S608


def from_audit(entry: AuditEntry) -> tuple[object, ...]:
    """An entry as values of INSERT_AUDIT."""
    details = to_json(dict(entry.details), "details") if entry.details else None
    return (entry.at, entry.actor, entry.action, entry.subject, entry.outcome, details, entry.request_id)


def to_audit(row: Any) -> AuditEntry:
    """A row of SELECT_AUDIT as an entry."""
    entry_id, at, actor, action, subject, outcome, details, request_id = row
    decoded = msgspec.json.decode(details) if details else {}
    return AuditEntry(at, actor, action, subject, outcome, decoded, request_id, entry_id)
