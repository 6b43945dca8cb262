import sqlite3

import pytest

from foretaste.errors import InvalidRecordError, StorageError, StorageFullError, StorageUnavailableError
from foretaste.storage.records.sqlite import SQLiteRecords
from foretaste.storage.records.sqlite_connection import Readers, connect
from foretaste.storage.records.sqlite_errors import translated
from foretaste.testing.records import event, frame_of


async def limit_pages(store, spare):
    """Leave room for ``spare`` pages more, as a full disk would."""

    def limit(connection):
        used = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={used + spare}").fetchone()

    await store._write(limit)


BIG = [event(f"big{n}", context={"filler": "x" * 2000}) for n in range(100)]


@pytest.mark.parametrize("how", ["append", "load"])
async def test_a_full_disk_refuses_the_whole_batch_and_work_goes_on_when_there_is_room(tmp_path, how):
    async with SQLiteRecords(tmp_path / "r.db") as store:
        await store.append_events([event("before")])
        await limit_pages(store, 2)

        def write():
            return store.append_events(BIG) if how == "append" else store.load_events(frame_of(3000))

        with pytest.raises(StorageFullError, match="no room is left") as caught:
            await write()
        assert "make room" in caught.value.hint
        assert isinstance(caught.value.__cause__, sqlite3.Error)
        assert await store.count("event") == 1
        await limit_pages(store, 10_000)
        await write()
        assert await store.count("event") == (101 if how == "append" else 3001)
        assert store._read("PRAGMA integrity_check") == [("ok",)]


async def test_what_still_fits_on_a_nearly_full_disk_is_stored_though_its_neighbour_is_refused(tmp_path):
    import asyncio

    async with SQLiteRecords(tmp_path / "r.db") as store:
        await store.append_events([event("before")])
        await limit_pages(store, 3)
        # all three wait together, so they are one group
        results = await asyncio.gather(
            store.append_events([event("small1")]),
            store.append_events(BIG),
            store.append_events([event("small2")]),
            return_exceptions=True,
        )
        assert results[0] == results[2] == [True]
        assert isinstance(results[1], StorageFullError)
        assert await store.count("event") == 3


async def test_a_store_locked_by_another_says_so_and_keeps_nothing(tmp_path):
    async with SQLiteRecords(tmp_path / "r.db", busy_timeout_s=0.05) as store:
        other = sqlite3.connect(tmp_path / "r.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailableError, match="locked by another process"):
            await store.append_events([event("e")])
        assert await store.count("event") == 0  # reading goes on meanwhile
        other.execute("ROLLBACK")
        other.close()
        assert await store.append_events([event("e")]) == [True]


async def test_a_lock_that_is_released_in_time_is_waited_for(tmp_path):
    import asyncio

    async with SQLiteRecords(tmp_path / "r.db", busy_timeout_s=5) as store:
        other = sqlite3.connect(tmp_path / "r.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(store.append_events([event("e")]))
        await asyncio.sleep(0.05)
        assert not writing.done()
        other.execute("ROLLBACK")
        other.close()
        assert await writing == [True]


def test_a_reader_locked_out_gives_up_after_its_time(tmp_path):
    path = tmp_path / "r.db"
    connect(path, timeout_s=1).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    readers = Readers(path, timeout_s=0.02)
    readers.open()
    with pytest.raises(sqlite3.OperationalError, match="locked") as caught:
        readers.fetch("SELECT 1 FROM sqlite_master", ())
    assert isinstance(translated(caught.value, "r.db"), StorageUnavailableError)
    other.close()
    assert readers.fetch("SELECT COUNT(*) FROM sqlite_master", ()) == [(0,)]
    readers.close()


async def test_reads_in_the_path_of_requests_wait_a_fiftieth_of_a_second_for_a_lock(tmp_path):
    async with SQLiteRecords(tmp_path / "r.db") as store:
        assert store._read("PRAGMA busy_timeout") == [(20,)]
        assert await store._read_aside("PRAGMA busy_timeout") == [(10_000,)]


async def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "r.db"
    path.write_bytes(b"this is text, not a database" * 100)
    with pytest.raises(StorageError, match=r"r\.db is damaged or no SQLite database"):
        await SQLiteRecords(path).open()
    assert path.read_bytes().startswith(b"this is text")


async def test_a_store_with_overwritten_pages_is_called_damaged(tmp_path):
    path = tmp_path / "r.db"
    async with SQLiteRecords(path) as store:
        await store.load_events(frame_of(5_000))
    content = bytearray(path.read_bytes())
    content[40_960:] = b"\xa5" * (len(content) - 40_960)
    path.write_bytes(content)
    async with SQLiteRecords(path) as store:
        with pytest.raises(StorageError, match="is damaged"):
            async for _ in store.scan_events():
                pass


async def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailableError, match="cannot be made") as caught:
        await SQLiteRecords(tmp_path / "file" / "r.db").open()
    assert "DATABASE_URL" in caught.value.hint


async def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    with pytest.raises(StorageUnavailableError, match="cannot be opened"):
        await SQLiteRecords(tmp_path).open()


async def test_a_read_only_store_says_so_when_written(tmp_path):
    async with SQLiteRecords(tmp_path / "r.db") as store:
        await store._write(lambda connection: connection.execute("PRAGMA query_only=1").fetchall())
        with pytest.raises(StorageUnavailableError, match="read-only"):
            await store.append_events([event("e")])
        with pytest.raises(StorageUnavailableError, match="read-only"):
            await store.ping()
        assert (await store.stamp("u")).user[0] == 0


def sqlite_error(name):
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorcode = getattr(sqlite3, name)
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("SQLITE_FULL", StorageFullError, "no room"),
        ("SQLITE_BUSY", StorageUnavailableError, "locked"),
        ("SQLITE_BUSY_SNAPSHOT", StorageUnavailableError, "locked"),
        ("SQLITE_LOCKED", StorageUnavailableError, "locked"),
        ("SQLITE_READONLY_DBMOVED", StorageUnavailableError, "read-only"),
        ("SQLITE_CANTOPEN", StorageUnavailableError, "cannot be opened"),
        ("SQLITE_CORRUPT_INDEX", StorageError, "damaged"),
        ("SQLITE_NOTADB", StorageError, "damaged"),
        ("SQLITE_IOERR_FSYNC", StorageUnavailableError, "SQLITE_IOERR_FSYNC"),
        ("SQLITE_CONSTRAINT_NOTNULL", InvalidRecordError, "cannot be stored"),
        ("SQLITE_TOOBIG", InvalidRecordError, "cannot be stored"),
        ("SQLITE_ERROR", StorageError, "refused"),
    ],
)
def test_each_error_of_sqlite_becomes_one_of_ours(name, kind, says):
    error = translated(sqlite_error(name), "shop.db")
    assert type(error) is kind
    assert says in str(error)
    if kind is not InvalidRecordError:
        assert "shop.db" in error.message
