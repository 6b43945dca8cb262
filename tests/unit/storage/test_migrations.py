import sqlite3
import subprocess
import sys

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from foretaste.errors import StorageError
from foretaste.storage.records import AuditEntry, Exposure, Record, migrate
from foretaste.storage.records.schema import metadata
from foretaste.storage.records.sqlite import SQLiteRecords
from foretaste.testing.records import event


def tables(path):
    connection = sqlite3.connect(path)
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    return names


async def test_the_migrations_make_exactly_the_tables_of_the_schema(tmp_path):
    async with SQLiteRecords(tmp_path / "r.db"):
        pass
    engine = create_engine(f"sqlite:///{tmp_path / 'r.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": migrate.VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_head_that_is_checked_without_alembic_is_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(migrate._FOLDER))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.HEAD]


async def test_opening_an_up_to_date_store_imports_no_migration_tool(tmp_path):
    async with SQLiteRecords(tmp_path / "r.db") as store:
        await store.append_events([event("e")])
    code = f"""
import asyncio, sys
from foretaste.storage.records import open_records
async def main():
    async with open_records("sqlite:///{tmp_path / "r.db"}") as store:
        print(await store.count("event"), "sqlalchemy" in sys.modules, "alembic" in sys.modules)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False", "False"]


async def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "r.db"
    async with SQLiteRecords(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE {migrate.VERSION_TABLE} SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(StorageError, match="'9999'") as caught:
        await SQLiteRecords(path).open()
    assert "upgrade Foretaste" in caught.value.hint
    assert "events" in tables(path)


async def test_a_database_of_another_program_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE users (name TEXT); CREATE TABLE alembic_version (version_num TEXT)")
    connection.close()
    with pytest.raises(StorageError, match=r"already has tables \['users'\]") as caught:
        await SQLiteRecords(path).open()
    assert "DATABASE_URL" in caught.value.hint
    assert tables(path) == {"users", "alembic_version"}


async def test_a_migration_that_is_cut_off_leaves_nothing_and_the_next_one_succeeds(tmp_path, monkeypatch):
    from alembic.operations import Operations

    path = tmp_path / "r.db"
    real = Operations.create_index

    def cut(self, name, *args, **more):
        if name == "ix_events_user":
            raise RuntimeError("power cut")
        return real(self, name, *args, **more)

    monkeypatch.setattr(Operations, "create_index", cut)
    monkeypatch.setattr(
        "alembic.op.create_index", lambda name, *a, **m: (_ for _ in ()).throw(RuntimeError("power cut"))
    )
    with pytest.raises(RuntimeError, match="power cut"):
        await SQLiteRecords(path).open()
    assert tables(path) == set()
    monkeypatch.undo()
    async with SQLiteRecords(path) as store:
        assert await store.append_events([event("e")]) == [True]


async def test_a_lock_held_while_tables_are_made_is_an_unavailable_store(tmp_path):
    from foretaste.errors import StorageUnavailableError

    path = tmp_path / "r.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailableError, match="locked"):
        await SQLiteRecords(path, busy_timeout_s=0.05).open()
    other.execute("ROLLBACK")
    other.close()
    async with SQLiteRecords(path) as store:
        await store.ping()


def make_first_store(path):
    """A file as the first version of the tables left it, with a user, an item, an event and a shared value."""
    config = Config()
    config.set_main_option("script_location", str(migrate._FOLDER))
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        INSERT INTO users VALUES ('u', '{"age": 7}', 1, 0, 1.0, 2.0, 3);
        INSERT INTO items VALUES ('i', '{"title": "Tea"}', 1, 0, 1.0, 2.0, 4);
        INSERT INTO events VALUES (9, 'e', 'u', 'i', 'view', NULL, 5.0, NULL, '{"device": "tv"}', 'r', 2);
        INSERT INTO shared_values VALUES ('rules', '[1]', 6);
        INSERT INTO changes VALUES ('records', 4);
        """
    )
    connection.close()


async def test_a_store_of_the_first_version_is_upgraded_with_all_it_holds(tmp_path):
    path = tmp_path / "r.db"
    make_first_store(path)
    assert "exposures" not in tables(path)
    async with SQLiteRecords(path) as store:
        state = await store.user_state("u")
        assert (state.events[0].event_id, state.attributes) == ("e", {"age": 7})
        assert (state.stamp.user, state.stamp.items) == ((9, 3), 4)
        assert await store.get_value("rules") == ([1], 6)
        [(sequence, followed)] = await store.new_events(0)
        assert (sequence, followed.context, followed.recommendation_id) == (9, {"device": "tv"}, "r")
        assert await store.append_events([event("e"), event("f")]) == [False, True]
        await store.upsert("user", [Record("u")])
        await store.put_value("rules", [2])
        later = await store.stamp("u")
        assert later.user > state.stamp.user
        assert later.shared > state.stamp.shared
        await store.log_exposures([Exposure("r", ("i",))])
        await store.add_audit([AuditEntry(1.0, "ops", "x", "y", "ok")])
        assert (await store.count("exposure"), await store.count("audit")) == (1, 1)
