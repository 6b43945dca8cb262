"""Events into SQLite: a million from a Parquet file, and small durable batches from many callers.

The peer of the first row is what a user would write: sqlite3's ``executemany`` over the rows of the same file, in one
transaction, into a table with the same columns, keys and durability. The peer of the second commits every batch.
"""

import asyncio
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.rows import Row, speed_row
from benchmarks.timing import timed
from foretaste.storage.records.sqlite import SQLiteRecords
from foretaste.testing.records import event

BATCH = 100
CALLERS = 16
_COLUMNS = ("event_id", "user_id", "item_id", "type", "value", "timestamp", "session_id")
_TABLE = (
    "CREATE TABLE events (sequence INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE,"
    " user_id TEXT NOT NULL, item_id TEXT NOT NULL, type TEXT NOT NULL, value REAL, timestamp REAL NOT NULL,"
    " session_id TEXT); CREATE INDEX by_user ON events (user_id, sequence)"
)
_INSERT = f"INSERT OR IGNORE INTO events ({', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?)"


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """Two rows; needs no data."""
    n_events = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_parquet(folder / "events.parquet", n_events)
        ours_s = timed(lambda: asyncio.run(_load(folder)))[0]
        peer_s = timed(lambda: _peer_load(folder))[0]
        yield speed_row(
            "ingest",
            ours=n_events / ours_s,
            peer=n_events / peer_s,
            peer_name="sqlite3 executemany",
            unit="events/s",
            case=f"{n_events:,} events from Parquet",
            threads=1,
        )
        n_batches = 50 if quick else 200
        ours_s = timed(lambda: asyncio.run(_append(folder, n_batches)))[0]
        peer_s = timed(lambda: _peer_append(folder, n_batches * CALLERS))[0]
        total = n_batches * CALLERS * BATCH
        yield speed_row(
            "ingest",
            ours=total / ours_s,
            peer=total / peer_s,
            peer_name="sqlite3, a commit a batch",
            unit="events/s",
            case=f"durable batches of {BATCH} from {CALLERS} callers",
            threads=1,
        )


def _write_parquet(path: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    numbers = pl.Series(np.arange(n)).cast(pl.String).str.zfill(9)
    pl.select(
        event_id="e-" + numbers,
        user_id="u-" + pl.Series(rng.integers(0, 100_000, n)).cast(pl.String),
        item_id="p-" + pl.Series(rng.zipf(1.3, n) % 20_000).cast(pl.String),
        type=pl.Series(rng.choice(["view", "click", "purchase"], n)),
        value=pl.lit(None, dtype=pl.Float64),
        timestamp=pl.Series(1.7e9 + np.sort(rng.random(n)) * 3e7),
        session_id=pl.lit(None, dtype=pl.String),
    ).write_parquet(path)


async def _load(folder: Path) -> None:
    store = SQLiteRecords(folder / "ours.db")
    await store.open()
    for frame in pl.read_parquet(folder / "events.parquet").iter_slices(200_000):
        await store.load_events(frame)
    await store.close()


def _peer(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.executescript(_TABLE)
    return connection


def _peer_load(folder: Path) -> None:
    connection = _peer(folder / "peer.db")
    connection.execute("BEGIN")
    connection.executemany(_INSERT, pl.read_parquet(folder / "events.parquet").iter_rows())
    connection.execute("COMMIT")
    connection.close()


async def _append(folder: Path, n_batches: int) -> None:
    store = SQLiteRecords(folder / "ours-small.db")
    await store.open()

    async def write(caller: int) -> None:
        for n in range(n_batches):
            await store.append_events([event(f"{caller}-{n}-{m}", user_id=f"u{m}") for m in range(BATCH)])

    await asyncio.gather(*(write(caller) for caller in range(CALLERS)))
    await store.close()


def _peer_append(folder: Path, n_batches: int) -> None:
    connection = _peer(folder / "peer-small.db")
    for n in range(n_batches):
        connection.execute("BEGIN IMMEDIATE")
        rows = [(f"{n}-{m}", f"u{m}", "i", "view", None, 1.0, None) for m in range(BATCH)]
        connection.executemany(_INSERT, rows)
        connection.execute("COMMIT")
    connection.close()
