"""From raw records to durable ones: each is checked by itself, refused ones go to the dead letters with the reason."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from foretaste.errors import ForetasteError, InvalidRecordError, NotFoundError, UnknownItemError, UnknownUserError
from foretaste.events import Event, check_event, check_id, check_user_id, new_event_ids
from foretaste.logs import get_logger
from foretaste.monitoring import Metrics
from foretaste.serving.answers import WriteResult
from foretaste.storage.records import DeadLetter, Record, RecordKind, Records

MAX_RAW_BYTES = 64_000
MAX_ATTRIBUTES_BYTES = 256_000
"""Size of one user's or item's attributes as JSON."""
MAX_CONTEXT_BYTES = 16_000
"""Size of one event's context as JSON."""
_RESERVED = ("user_id", "item_id", "product_id", "id", "attributes", "is_available", "available")
log = get_logger(__name__)


async def record_events(records: Records, raw: Sequence[Any], metrics: Metrics) -> list[WriteResult]:
    """Check and store events; returns after they are durable, with one result a record.

    Raises:
        StorageUnavailableError, StorageFullError: nothing of this call was stored.
    """
    now = time.time()
    ids = new_event_ids(now, len(raw))
    events: list[Event] = []
    places: list[int] = []
    results: list[WriteResult] = []
    letters: list[DeadLetter] = []
    for index, record in enumerate(raw):
        try:
            event = _checked_event(record, now, ids)
        except InvalidRecordError as exc:
            results.append(_rejected(index, exc))
            letters.append(_letter("event", record, exc, now))
            continue
        events.append(event)
        places.append(index)
        results.append(WriteResult(index, "stored", event.event_id))
    try:
        stored = await records.append_events(events) if events else []
    except ForetasteError:
        metrics.count_records("event", "failed", len(events))
        raise
    for index, is_new in zip(places, stored, strict=True):
        if not is_new:
            results[index] = msgspec.structs.replace(results[index], status="duplicate")
    await _bury(records, letters, metrics)
    metrics.count_records("event", "stored", sum(stored))
    metrics.count_records("event", "duplicate", len(stored) - sum(stored))
    metrics.count_records("event", "rejected", len(letters))
    return results


async def upsert_records(records: Records, kind: RecordKind, raw: Sequence[Any], metrics: Metrics) -> list[WriteResult]:
    """Check and store users or items; returns after they are durable, with one result a record.

    Raises:
        StorageUnavailableError, StorageFullError: nothing of this call was stored.
    """
    now = time.time()
    good: list[Record] = []
    results: list[WriteResult] = []
    letters: list[DeadLetter] = []
    for index, fields in enumerate(raw):
        try:
            record = checked_record(kind, fields, now)
        except InvalidRecordError as exc:
            results.append(_rejected(index, exc))
            letters.append(_letter(kind, fields, exc, now))
            continue
        good.append(record)
        results.append(WriteResult(index, "stored", record.record_id))
    try:
        if good:
            await records.upsert(kind, good)
    except ForetasteError:
        metrics.count_records(kind, "failed", len(good))
        raise
    await _bury(records, letters, metrics)
    metrics.count_records(kind, "stored", len(good))
    metrics.count_records(kind, "rejected", len(letters))
    return results


def checked_record(kind: RecordKind, fields: Any, now: float) -> Record:
    """A user or item from a flat object: the id, ``is_available``, and everything else as attributes.

    Attributes may also stand in an object ``attributes``; both are joined.

    Raises:
        InvalidRecordError: names the field and the value.
    """
    if not isinstance(fields, Mapping):
        raise InvalidRecordError(f"{kind} must be an object, not {type(fields).__name__}")
    names = ("user_id", "id") if kind == "user" else ("item_id", "product_id", "id")
    raw_id = next((fields[name] for name in names if fields.get(name) is not None), None)
    record_id = check_user_id(raw_id) if kind == "user" else check_id(raw_id, names[0])
    nested = fields.get("attributes")
    if nested is not None and not isinstance(nested, Mapping):
        raise InvalidRecordError(f"attributes must be an object, not {type(nested).__name__}")
    is_available = fields.get("is_available", fields.get("available"))
    if is_available is not None and not isinstance(is_available, bool):
        raise InvalidRecordError(f"is_available must be true or false, not {str(is_available)[:40]!r}")
    attributes = {str(name): value for name, value in fields.items() if name not in _RESERVED} | dict(nested or {})
    if "_deleted" in attributes:
        raise InvalidRecordError("the attribute _deleted is reserved", hint="use DELETE to remove a record")
    size = len(_encoded(attributes, "attributes"))
    if size > MAX_ATTRIBUTES_BYTES:
        raise InvalidRecordError(f"the attributes take {size} bytes, at most {MAX_ATTRIBUTES_BYTES} are allowed")
    return Record(record_id, attributes, True if is_available is None else is_available, now, now)


def unknown_record(kind: RecordKind, record_id: str) -> NotFoundError:
    """The error that says that there is no such user or item."""
    if kind == "user":
        return UnknownUserError(f"user {record_id!r} is unknown", hint="add it with PUT /api/v1/users/{user_id}")
    return UnknownItemError(f"item {record_id!r} is unknown", hint="add it with PUT /api/v1/items/{item_id}")


def _checked_event(record: Any, now: float, ids: Iterator[str]) -> Event:
    if not isinstance(record, Mapping):
        raise InvalidRecordError(
            f"an event must be an object, not {type(record).__name__}",
            hint='send e.g. {"user_id": "u1", "item_id": "i1", "type": "view"}',
        )
    try:
        event = check_event(record, now=now, ids=ids)
    except (OverflowError, ValueError) as exc:
        raise InvalidRecordError(f"the event has a value that cannot be used: {exc}") from exc
    size = len(_encoded(event.context, "context")) if event.context else 0
    if size > MAX_CONTEXT_BYTES:
        raise InvalidRecordError(f"the context takes {size} bytes, at most {MAX_CONTEXT_BYTES} are allowed")
    return event


def _encoded(value: Any, name: str) -> bytes:
    try:
        return orjson.dumps(value)
    except (TypeError, ValueError) as exc:
        raise InvalidRecordError(f"{name} cannot be written as JSON: {exc}") from exc


def _rejected(index: int, exc: InvalidRecordError) -> WriteResult:
    return WriteResult(index, "rejected", None, exc.code, exc.message, exc.hint)


def _letter(kind: str, raw: Any, exc: InvalidRecordError, now: float) -> DeadLetter:
    try:
        text = orjson.dumps(raw)[:MAX_RAW_BYTES].decode(errors="replace")
    except (TypeError, ValueError):
        text = repr(raw)[:MAX_RAW_BYTES].encode(errors="replace").decode()
    return DeadLetter(kind, text, exc.code, exc.message.encode(errors="replace").decode(), now)


async def _bury(records: Records, letters: list[DeadLetter], metrics: Metrics) -> None:
    """Keep refused records; when that fails the sender still learns of the refusal, so it is only logged."""
    if not letters:
        return
    try:
        await records.add_dead_letters(letters)
    except ForetasteError as exc:
        metrics.count_store_error("dead_letters")
        log.warning("dead_letters_lost", count=len(letters), error=str(exc))
