import asyncio
import sqlite3
import threading

import pytest

from foretaste.errors import StorageError, StorageUnavailableError
from foretaste.storage.records.sqlite_connection import connect, while_busy
from foretaste.storage.records.sqlite_writer import MAX_GROUP, GroupWriter


class Counted(sqlite3.Connection):
    """Counts its commits; can be told to fail one statement."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.commits = 0
        self.fail_on = None

    def execute(self, sql, *parameters):
        if sql == self.fail_on:
            self.fail_on = None
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"
            raise error
        self.commits += sql == "COMMIT"
        return super().execute(sql, *parameters)


@pytest.fixture
def writer(tmp_path):
    made = []

    def connection():
        new = sqlite3.connect(tmp_path / "w.db", isolation_level=None, check_same_thread=False, factory=Counted)
        new.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)")
        made.append(new)
        return new

    writer = GroupWriter(connection, "w.db", timeout_s=1)
    writer.made = made
    writer.start()
    yield writer
    writer.stop()


def insert(n):
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", (n,)).rowcount


def rows(tmp_path):
    connection = sqlite3.connect(tmp_path / "w.db")
    found = {row[0] for row in connection.execute("SELECT n FROM t")}
    connection.close()
    return found


async def held_back(writer, works):
    """Hand in works while the writer is busy with another, so that they become one group."""
    go = threading.Event()
    blocking = asyncio.create_task(writer.run(lambda _: go.wait(5)))
    await asyncio.sleep(0.05)
    tasks = [asyncio.create_task(writer.run(work)) for work in works]
    await asyncio.sleep(0.05)
    go.set()
    await blocking
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_waits_shares_one_commit(writer, tmp_path):
    assert await held_back(writer, [insert(n) for n in range(100)]) == [1] * 100
    assert writer.made[0].commits == 2  # the one that blocked, then all others
    assert rows(tmp_path) == set(range(100))


async def test_a_group_has_an_upper_size(writer, tmp_path):
    assert await held_back(writer, [insert(n) for n in range(MAX_GROUP + 1)]) == [1] * (MAX_GROUP + 1)
    assert writer.made[0].commits == 3


async def test_one_that_fails_is_undone_alone(writer, tmp_path):
    def half_done(connection):
        connection.execute("INSERT INTO t VALUES (50)")
        raise ValueError("changed my mind")

    first, failed, last = await held_back(writer, [insert(1), half_done, insert(2)])
    assert (first, last) == (1, 1)
    assert isinstance(failed, ValueError)
    assert rows(tmp_path) == {1, 2}


async def test_a_commit_that_fails_is_tried_for_each_alone(writer, tmp_path):
    def sabotage(connection):
        connection.fail_on = "COMMIT"  # only once
        return "ran"

    results = await held_back(writer, [insert(1), sabotage, insert(2)])
    # alone, the sabotage fails its own commit, the others are stored
    assert results[0] == results[2] == 1
    assert isinstance(results[1], StorageUnavailableError)
    assert isinstance(results[1].__cause__, sqlite3.OperationalError)
    assert rows(tmp_path) == {1, 2}


async def test_a_connection_that_cannot_even_undo_is_replaced(writer, tmp_path):
    def sabotage(connection):
        connection.execute("INSERT INTO t VALUES (9)")
        connection.fail_on = "COMMIT"

    real = Counted.execute
    with pytest.MonkeyPatch.context() as patch:

        def broken(self, sql, *parameters):
            if sql == "ROLLBACK":
                raise sqlite3.OperationalError("disk gone")
            return real(self, sql, *parameters)

        patch.setattr(Counted, "execute", broken)
        with pytest.raises(StorageUnavailableError):
            await writer.run(sabotage)
    assert await writer.run(insert(1)) == 1
    assert len(writer.made) == 2
    assert rows(tmp_path) == {1}


async def test_a_writer_outlives_an_error_of_its_own(writer, monkeypatch):
    monkeypatch.setattr(GroupWriter, "_in_one_go", lambda *_: 1 / 0)
    with pytest.raises(StorageError, match="ZeroDivisionError"):
        await writer.run(insert(1))
    monkeypatch.undo()
    assert await writer.run(insert(1)) == 1


async def test_an_event_loop_that_is_gone_harms_nobody(writer, tmp_path):
    go = threading.Event()

    async def leave():
        asyncio.get_running_loop().create_task(writer.run(lambda _: go.wait(5)))
        left = asyncio.get_running_loop().create_task(writer.run(insert(7)))
        await asyncio.sleep(0.01)
        left.cancel()

    await asyncio.to_thread(asyncio.run, leave())
    go.set()
    assert await writer.run(insert(8)) == 1
    assert rows(tmp_path) == {7, 8}


async def test_a_connection_that_cannot_be_made_is_told_at_the_start(tmp_path):
    def fails():
        raise OSError("no such place")

    with pytest.raises(OSError, match="no such place"):
        GroupWriter(fails, "w.db", timeout_s=1).start()


async def test_a_stopped_writer_refuses_work_and_stops_twice_without_harm(writer):
    writer.stop()
    writer.stop()
    with pytest.raises(StorageUnavailableError, match="not open"):
        await writer.run(insert(1))


def test_waiting_for_a_lock_ends_and_other_errors_end_it_at_once(tmp_path):
    tries = []

    def busy():
        tries.append(1)
        error = sqlite3.OperationalError("locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        while_busy(busy, 0.02)
    assert len(tries) > 2

    def wrong():
        tries.append(2)
        raise sqlite3.OperationalError("syntax")

    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        while_busy(wrong, 10)
    assert tries.count(2) == 1


def test_a_connection_that_cannot_be_set_up_is_closed(tmp_path):
    (tmp_path / "text.db").write_bytes(b"no database at all " * 100)
    with pytest.raises(sqlite3.DatabaseError):
        connect(tmp_path / "text.db", timeout_s=0.1)
