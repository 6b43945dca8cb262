import subprocess
import sys
from pathlib import Path

import pytest

from foretaste.errors import ConfigurationError, StorageUnavailableError
from foretaste.storage.records import Records, open_records
from foretaste.storage.records.sqlite import SQLiteRecords, from_url
from foretaste.testing.records import RecordsContract, event, frame_of


class TestSQLiteRecords(RecordsContract):
    async def make(self, place: Path) -> Records:
        return open_records(f"sqlite:///{place / 'store' / 'records.db'}")


async def test_a_private_store_is_gone_after_closing():
    store = open_records("sqlite://")
    await store.open()
    path = store.path
    assert await store.append_events([event("e")]) == [True]
    await store.close()
    assert not path.exists()


async def test_private_stores_are_apart():
    async with open_records("sqlite://") as one, open_records("sqlite:///:memory:") as other:
        await one.append_events([event("e")])
        assert await other.count("event") == 0


async def test_an_answer_means_that_the_disk_has_it(tmp_path):
    async with SQLiteRecords(tmp_path / "r.db") as store:
        settings = await store._write(
            lambda connection: [
                connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
            ]
        )
    assert settings == ["wal", 2]  # 2 is FULL: the log is flushed with every commit


async def test_an_id_with_a_zero_byte_is_kept(tmp_path):
    async with SQLiteRecords(tmp_path / "r.db") as store:
        assert await store.append_events([event("a\x00b", user_id="u\x00"), event("a\x00c", user_id="u\x00")]) == [
            True,
            True,
        ]
        assert [e.event_id for e in (await store.user_state("u\x00")).events] == ["a\x00b", "a\x00c"]
        assert (await store.stamp("u")).user[0] == 0


@pytest.mark.parametrize("n_before", [0, 50])
async def test_loading_leaves_the_indexes_that_look_ups_need(tmp_path, n_before):
    async with SQLiteRecords(tmp_path / "r.db") as store:
        await store.append_events([event(f"before{n}") for n in range(n_before)])
        await store.load_events(frame_of(250))
        plans = {
            sql: store._read(f"EXPLAIN QUERY PLAN {sql}", ("x",))[0][3]
            for sql in ("SELECT MAX(sequence) FROM events WHERE user_id = ?", "SELECT 1 FROM events WHERE event_id = ?")
        }
    assert all("USING COVERING INDEX" in plan for plan in plans.values()), plans


async def test_a_load_that_fails_half_way_keeps_the_indexes(tmp_path, monkeypatch):
    from foretaste.storage.records import sqlite_bulk

    async with SQLiteRecords(tmp_path / "r.db") as store:

        def broken(*_args, **_more):
            raise RuntimeError("power cut")

        monkeypatch.setattr(sqlite_bulk, "_insert", broken)
        with pytest.raises(RuntimeError, match="power cut"):
            await store.load_events(frame_of(10))
        monkeypatch.undo()
        assert await store.append_events([event("e"), event("e")]) == [True, False]


async def test_a_closed_store_can_be_opened_again(tmp_path):
    store = SQLiteRecords(tmp_path / "r.db")
    for n in range(2):
        await store.open()
        await store.append_events([event(f"e{n}")])
        await store.close()
    async with store:
        assert await store.count("event") == 2


async def test_a_store_that_is_not_open_says_what_to_do(tmp_path):
    store = SQLiteRecords(tmp_path / "r.db")
    for ask in (
        store.ping,
        lambda: store.get("user", "u"),
        lambda: store.page("user"),
        lambda: anext(store.scan_events()),
    ):
        with pytest.raises(StorageUnavailableError, match=r"is not open; call open\(\) first"):
            await ask()


async def test_reads_in_many_threads_get_connections_of_their_own(tmp_path):
    import asyncio

    async with SQLiteRecords(tmp_path / "r.db") as store:
        await store.append_events([event(f"e{n}", user_id=f"u{n % 20}") for n in range(200)])
        work = [
            asyncio.to_thread(store._read, "SELECT COUNT(*) FROM events WHERE user_id = ?", (f"u{n % 20}",))
            for n in range(200)
        ]
        assert {rows[0][0] for rows in await asyncio.gather(*work)} == {10}


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/a b%20#?.db", "var/a b%20#?.db"),
        ("sqlite:////srv/x.db", "/srv/x.db"),
        ("SQLite:///x.db", "x.db"),
    ],
)
def test_an_url_names_a_relative_or_an_absolute_file(url, path):
    assert from_url(url).path == Path(path)


def test_an_url_with_two_slashes_is_refused_with_the_right_one():
    with pytest.raises(ConfigurationError, match="no address") as caught:
        open_records("sqlite://var/x.db")
    assert "sqlite:///var/x.db" in caught.value.hint


def test_naming_a_store_imports_no_database_library():
    code = "import sys, foretaste.storage.records as r; r.open_records('sqlite:///x.db')"
    code += "; print('sqlalchemy' in sys.modules, 'alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
