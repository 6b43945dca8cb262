import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from foretaste.errors import StorageError, StorageFullError, StorageUnavailableError, UnknownNameError
from foretaste.storage.records import Records, open_records
from foretaste.storage.records.schema import metadata
from foretaste.storage.records.sqlite import SQLiteRecords
from foretaste.testing.records import RecordsContract, event


class TestSQLiteRecords(RecordsContract):
    async def make(self, place: Path) -> Records:
        return open_records(f"sqlite:///{place / 'store' / 'records.db'}")


async def test_the_migrated_tables_are_those_of_the_schema(tmp_path):
    store = SQLiteRecords(tmp_path / "r.db")
    await store.open()
    await store.close()
    engine = create_engine(f"sqlite:///{tmp_path / 'r.db'}")
    found = inspect(engine)
    for table in metadata.sorted_tables:
        assert {c["name"] for c in found.get_columns(table.name)} == {c.name for c in table.columns}
        assert {i["name"] for i in found.get_indexes(table.name)} >= {i.name for i in table.indexes}
    engine.dispose()


async def test_a_private_store_is_gone_after_closing():
    store = open_records("sqlite://")
    await store.open()
    path = store.path
    assert await store.append_events([event("e")]) == [True]
    await store.close()
    assert not path.exists()


async def test_a_full_disk_refuses_the_whole_batch_and_work_goes_on_when_there_is_room(tmp_path):
    store = SQLiteRecords(tmp_path / "r.db")
    await store.open()
    await store.append_events([event("before")])

    def limit(pages: int):
        return store._write(lambda connection: connection.execute(f"PRAGMA max_page_count={pages}").fetchone())

    used = (await store._write(lambda connection: connection.execute("PRAGMA page_count").fetchone()))[0]
    await limit(used + 2)
    batch = [event(f"e{n}", context={"filler": "x" * 2000}) for n in range(100)]
    with pytest.raises(StorageFullError, match="no room is left") as caught:
        await store.append_events(batch)
    assert "make room" in caught.value.hint
    assert await store.count("event") == 1
    await limit(used + 10_000)
    assert all(await store.append_events(batch))
    assert await store.count("event") == 101
    await store.close()


async def test_a_store_locked_by_another_says_so_and_keeps_nothing(tmp_path):
    store = SQLiteRecords(tmp_path / "r.db", busy_timeout_s=0.05)
    await store.open()
    other = sqlite3.connect(tmp_path / "r.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailableError, match="locked"):
        await store.append_events([event("e")])
    other.execute("ROLLBACK")
    other.close()
    assert await store.append_events([event("e")]) == [True]
    await store.close()


async def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "r.db"
    path.write_bytes(b"this is text, not a database" * 100)
    with pytest.raises(StorageError, match=r"r\.db is damaged or no SQLite database"):
        await SQLiteRecords(path).open()


async def test_a_store_of_a_newer_version_is_refused(tmp_path):
    store = SQLiteRecords(tmp_path / "r.db")
    await store.open()
    await store.close()
    connection = sqlite3.connect(tmp_path / "r.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(StorageError, match="'9999'") as caught:
        await SQLiteRecords(tmp_path / "r.db").open()
    assert "upgrade Foretaste" in caught.value.hint


async def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailableError, match="cannot be made"):
        await SQLiteRecords(tmp_path / "file" / "r.db").open()


def test_an_unknown_scheme_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="oracle") as caught:
        open_records("oracle://host/db")
    assert "sqlite" in caught.value.hint


def test_naming_a_store_imports_no_database_library():
    code = "import sys, foretaste.storage.records as r; r.open_records('sqlite:///x.db')"
    code += "; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
