"""Events into SQLite: a million from a Parquet file, and small durable batches from many callers.

The peers of the first work are what a user would write: the rows of the same file through sqlite3's ``executemany`` and
through SQLAlchemy Core, in one transaction, into a table with the same columns, keys, index and durability. The peer of
the second commits every batch by itself. All are idempotent by event id, and all have the data on the disk at the end.
"""

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.rows import Row, speed_row
from benchmarks.timing import in_turns
from foretaste.events import Event
from foretaste.storage.records.sqlite import SQLiteRecords

BATCH = 100
CALLERS = 16
_COLUMNS = ("event_id", "user_id", "item_id", "type", "value", "timestamp", "session_id")
_TABLE = (
    "CREATE TABLE events (sequence INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE,"
    " user_id TEXT NOT NULL, item_id TEXT NOT NULL, type TEXT NOT NULL, value REAL, timestamp REAL NOT NULL,"
    " session_id TEXT); CREATE INDEX by_user ON events (user_id, sequence)"
)
_INSERT = f"INSERT INTO events ({', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING"


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """Three rows; needs no data."""
    n_events, n_batches, rounds = (100_000, 30, 1) if quick else (1_000_000, 200, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_parquet(folder / "events.parquet", n_events)
        number = count()
        yield from _load_rows(folder, n_events, rounds, number)
        yield _append_row(folder, n_batches, rounds, number)


def _load_rows(folder: Path, n_events: int, rounds: int, number: Iterator[int]) -> Iterator[Row]:
    file = folder / "events.parquet"

    def on_new(load: Callable[[Path, Path], int]) -> Callable[[], None]:
        def work() -> None:
            path = folder / f"{next(number)}.db"
            assert load(file, path) == n_events
            _remove(path)

        return work

    seconds = in_turns(
        {
            "ours": on_new(lambda file, path: asyncio.run(_load(file, path))),
            "sqlite3 executemany": on_new(_load_with_sqlite3),
            "sqlalchemy core executemany": on_new(_load_with_sqlalchemy),
        },
        rounds=rounds,
    )
    for peer in ("sqlite3 executemany", "sqlalchemy core executemany"):
        yield speed_row(
            "ingest",
            ours=n_events / seconds["ours"],
            peer=n_events / seconds[peer],
            peer_name=peer,
            packages=("polars", "sqlalchemy"),
            unit="events/s",
            case=f"{n_events:,} events from Parquet, {peer.split()[0]}",
            threads=1,
        )


def _append_row(folder: Path, n_batches: int, rounds: int, number: Iterator[int]) -> Row:
    seconds = in_turns(
        {
            "ours": lambda: asyncio.run(_append(folder / f"{next(number)}.db", n_batches)),
            "peer": lambda: _append_one_by_one(folder / f"{next(number)}.db", n_batches * CALLERS),
        },
        rounds=rounds,
    )
    total = n_batches * CALLERS * BATCH
    return speed_row(
        "ingest",
        ours=total / seconds["ours"],
        peer=total / seconds["peer"],
        peer_name="sqlite3, a commit a batch",
        unit="events/s",
        case=f"durable batches of {BATCH} from {CALLERS} callers",
        threads=1,
    )


def _write_parquet(path: Path, n: int) -> None:
    """``n`` events in order of time, their ids in none, as random ids are."""
    rng = np.random.default_rng(0)
    pl.select(
        event_id="e-" + pl.Series(rng.permutation(n)).cast(pl.String).str.zfill(20),
        user_id="u-" + pl.Series(rng.integers(0, 100_000, n)).cast(pl.String),
        item_id="p-" + pl.Series(rng.zipf(1.3, n) % 20_000).cast(pl.String),
        type=pl.Series(rng.choice(["view", "click", "purchase"], n)),
        value=pl.lit(None, dtype=pl.Float64),
        timestamp=pl.Series(1.7e9 + np.sort(rng.random(n)) * 3e7),
        session_id=pl.lit(None, dtype=pl.String),
    ).write_parquet(path)


async def _load(file: Path, path: Path) -> int:
    async with SQLiteRecords(path) as store:
        return await store.load_events(pl.read_parquet(file))


def _peer(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.executescript(_TABLE)
    return connection


def _load_with_sqlite3(file: Path, path: Path) -> int:
    connection = _peer(path)
    connection.execute("BEGIN")
    connection.executemany(_INSERT, pl.read_parquet(file).iter_rows())
    connection.execute("COMMIT")
    stored: int = connection.execute("SELECT COUNT(*) FROM events").fetchone()[0]
    connection.close()
    return stored


def _load_with_sqlalchemy(file: Path, path: Path) -> int:
    from sqlalchemy import MetaData, Table, create_engine, func, select
    from sqlalchemy.dialects.sqlite import insert

    _peer(path).close()
    engine = create_engine(f"sqlite:///{path}")
    events = Table("events", MetaData(), autoload_with=engine)
    with engine.begin() as connection:
        statement = insert(events).on_conflict_do_nothing(index_elements=["event_id"])
        for part in pl.read_parquet(file).iter_slices(100_000):
            connection.execute(statement, part.to_dicts())
        stored = connection.execute(select(func.count()).select_from(events)).scalar_one()
    engine.dispose()
    return int(stored)


async def _append(path: Path, n_batches: int) -> None:
    async with SQLiteRecords(path) as store:

        async def write(caller: int) -> None:
            for n in range(n_batches):
                batch = [
                    Event(event_id=f"{caller}-{n}-{m}", user_id=f"u{m}", item_id="i", timestamp=1.0)
                    for m in range(BATCH)
                ]
                assert all(await store.append_events(batch))

        await asyncio.gather(*(write(caller) for caller in range(CALLERS)))
    _remove(path)


def _append_one_by_one(path: Path, n_batches: int) -> None:
    connection = _peer(path)
    for n in range(n_batches):
        connection.execute("BEGIN IMMEDIATE")
        rows = [(f"{n}-{m}", f"u{m}", "i", "view", None, 1.0, None) for m in range(BATCH)]
        connection.executemany(_INSERT, rows)
        connection.execute("COMMIT")
    connection.close()
    _remove(path)


def _remove(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
