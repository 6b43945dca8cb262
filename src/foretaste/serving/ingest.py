"""Bulk import: tables or a data set into the record store, so that importing the same data again adds nothing."""

import asyncio
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from foretaste.data import Dataset
from foretaste.data.weights import INTERACTION, RATING
from foretaste.errors import DataFormatError, InvalidRecordError
from foretaste.logs import get_logger
from foretaste.serving.collect import checked_record
from foretaste.serving.live.users import UNKNOWN_TIME
from foretaste.storage.records import DeadLetter, Record, RecordKind, Records

CHUNK = 200_000
"""Events stored at once."""
RECORD_CHUNK = 5_000
OnIngest = Callable[[str, int, int], None]
"""Called with (``events``, ``users`` or ``items``; done; total)."""
_EVENT_COLUMNS = ("event_id", "user_id", "item_id", "type", "value", "timestamp", "session_id")
log = get_logger(__name__)


@dataclass(frozen=True)
class IngestReport:
    """What an import did."""

    events_read: int = 0
    events_new: int = 0
    """The others were there already."""
    users: int = 0
    items: int = 0
    rejected: int = 0
    """Users and items that failed their check; they are in the dead letters with the reason."""


async def ingest(
    records: Records,
    source: Dataset | None = None,
    *,
    events: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    items: pl.DataFrame | None = None,
    on_progress: OnIngest | None = None,
) -> IngestReport:
    """Store users, items and events in bulk.

    Give a data set, or frames: ``events`` with ``user_id``, ``item_id`` and, where known, ``type``, ``value``,
    ``timestamp``, ``session_id``, ``event_id``; ``users`` and ``items`` with their id and any attributes.

    An event without an id gets one made of its user, item, type, time, value and how often the same row came before,
    so a second import of the same file adds nothing.

    Raises:
        DataFormatError: a needed column is missing.
        StorageUnavailableError, StorageFullError.
    """
    report = on_progress if on_progress is not None else _quiet
    if source is not None:
        events, users, items = events_of(source), source.user_frame, source.item_frame
        if items is None:
            items = pl.DataFrame({"item_id": source.items.ids})
    n_users, bad_users = await _store_records(records, "user", users, report)
    n_items, bad_items = await _store_records(records, "item", items, report)
    n_read, n_new = 0, 0
    if events is not None and len(events):
        total = len(events)
        prepared = await asyncio.to_thread(with_event_ids, events)
        for part in prepared.iter_slices(CHUNK):
            n_new += await records.load_events(part)
            n_read += len(part)
            report("events", n_read, total)
    result = IngestReport(n_read, n_new, n_users, n_items, bad_users + bad_items)
    log.info("ingested", events=result.events_read, new=result.events_new, users=n_users, items=n_items)
    return result


def events_of(data: Dataset) -> pl.DataFrame:
    """The interactions of a data set as events. Ratings keep their value, weights of unnamed actions too."""
    interactions = data.interactions
    names = np.array(interactions.type_names)
    types = names[interactions.types]
    valued = np.isin(types, [RATING, INTERACTION]) if data.is_explicit else types == INTERACTION
    if data.is_explicit:
        types = np.where(types == INTERACTION, RATING, types)
    times = pl.Series("timestamp", interactions.timestamps).fill_nan(None)
    return pl.DataFrame(
        {
            "user_id": data.users.ids.gather(interactions.user_rows),
            "item_id": data.items.ids.gather(interactions.item_rows),
            "type": pl.Series("type", types.tolist(), dtype=pl.String),
            "value": pl.Series("value", np.where(valued, interactions.weights, np.nan)).fill_nan(None),
            "timestamp": times,
        }
    )


def with_event_ids(events: pl.DataFrame) -> pl.DataFrame:
    """Events with all columns that the store wants: missing ones filled, ids made where there are none.

    Events without a time get 0 (1970), so that the same file always gives the same events.

    Raises:
        DataFormatError: no ``user_id`` or ``item_id`` column, or a value that is no number.
    """
    missing = {"user_id", "item_id"} - set(events.columns)
    if missing:
        raise DataFormatError(f"the events have no column {min(missing)!r}", hint=f"found: {events.columns}")
    absent = [name for name in _EVENT_COLUMNS if name not in events.columns]
    full = events.with_columns(pl.lit(None).alias(name) for name in absent)
    try:
        full = full.select(
            pl.col("event_id").cast(pl.String),
            pl.col("user_id").cast(pl.String),
            pl.col("item_id").cast(pl.String),
            pl.col("type").cast(pl.String).fill_null(INTERACTION),
            pl.col("value").cast(pl.Float64),
            pl.col("timestamp").cast(pl.Float64).fill_null(UNKNOWN_TIME),
            pl.col("session_id").cast(pl.String),
        )
    except pl.exceptions.PolarsError as exc:
        raise DataFormatError(f"the events have a column of the wrong type: {str(exc).splitlines()[0]}") from exc
    if full["event_id"].null_count() == 0:
        return full
    key = ["user_id", "item_id", "type", "value", "timestamp"]
    occurrence = pl.int_range(pl.len()).over(key).cast(pl.String)
    numbers = [_bits(full[name]) for name in ("value", "timestamp")]
    parts = [pl.col(name).fill_null("") for name in ("user_id", "item_id", "type")]
    text = full.select(pl.concat_str([*parts, *numbers, occurrence], separator="\x1f").alias("text"))["text"]
    made = pl.Series("made", [_digest(row) for row in text.to_list()], dtype=pl.String)
    return full.with_columns(pl.col("event_id").fill_null(made))


def _bits(numbers: pl.Series) -> pl.Series:
    """Numbers as text that no version of a library writes otherwise: the bits of their 64-bit form."""
    bits = pl.Series(numbers.name, numbers.fill_null(math.nan).to_numpy().astype("<f8").view("<i8"))
    return bits.cast(pl.String).set(numbers.is_null() | numbers.is_nan(), "")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


async def _store_records(
    records: Records, kind: RecordKind, frame: pl.DataFrame | None, report: OnIngest
) -> tuple[int, int]:
    if frame is None or len(frame) == 0:
        return 0, 0
    id_column = f"{kind}_id"
    if id_column not in frame.columns:
        raise DataFormatError(f"the {kind}s have no column {id_column!r}", hint=f"found: {frame.columns}")
    stored, rejected = 0, 0
    for part in frame.iter_slices(RECORD_CHUNK):
        good: list[Record] = []
        letters: list[DeadLetter] = []
        for row in _plain_rows(part):
            try:
                good.append(checked_record(kind, row, 0.0))
            except InvalidRecordError as exc:
                letters.append(DeadLetter(kind, repr(row)[:64_000], exc.code, exc.message, 0.0))
        await records.upsert(kind, good)
        if letters:
            await records.add_dead_letters(letters)
        stored, rejected = stored + len(good), rejected + len(letters)
        report(f"{kind}s", stored + rejected, len(frame))
    return stored, rejected


def _plain_rows(frame: pl.DataFrame) -> Iterator[Mapping[str, Any]]:
    """Rows as JSON values, empty cells left out; dates as ISO 8601 text."""
    dates = [name for name, dtype in frame.schema.items() if dtype.is_temporal()]
    texts = frame.with_columns(pl.col(name).dt.to_string("iso") for name in dates)
    for row in texts.iter_rows(named=True):
        yield {name: value for name, value in row.items() if not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return True
    return isinstance(value, Sequence) and len(value) == 0


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""
