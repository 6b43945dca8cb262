"""Several processes on one store: they start together, write together, run out of room, die while they load."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from foretaste.storage.records.sqlite import SQLiteRecords
from foretaste.testing.records import frame_of

pytestmark = pytest.mark.integration

START = """
import asyncio, sys, time
from pathlib import Path
from foretaste.events import Event
from foretaste.storage.records.sqlite import SQLiteRecords

async def main(path, name, n):
    store = SQLiteRecords(Path(path))
    while time.time() < float(sys.argv[4]):  # all at the same moment
        pass
    await store.open()
    for k in range(n):
        batch = [Event(event_id=f"{name}.{k}.{m}", user_id="u", item_id="i", timestamp=1.0) for m in range(3)]
        assert await store.append_events(batch) == [True] * 3
    await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""

NO_ROOM = """
import asyncio, resource, sys
from pathlib import Path
from foretaste.errors import StorageError
from foretaste.events import Event
from foretaste.storage.records.sqlite import SQLiteRecords

def batch(name, n, filler=""):
    more = {"context": {"filler": filler}} if filler else {}
    return [Event(event_id=f"{name}{k}", user_id="u", item_id="i", timestamp=1.0, **more) for k in range(n)]

async def main():
    store = SQLiteRecords(Path(sys.argv[1]))
    await store.open()
    await store.append_events(batch("before", 5))
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    try:
        await store.append_events(batch("big", 500, "x" * 3000))
    except StorageError as exc:
        print(type(exc).__name__, exc)
    print(await store.count("event"))
    print(await store.append_events(batch("small", 1)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print(sum(await store.append_events(batch("big", 500, "x" * 3000))))
    print(await store.count("event"))
    await store.close()

asyncio.run(main())
"""

LOAD = """
import asyncio, sys
from pathlib import Path
from foretaste.storage.records.sqlite import SQLiteRecords
from foretaste.testing.records import frame_of

async def main():
    frame = frame_of(300_000)
    store = SQLiteRecords(Path(sys.argv[1]))
    await store.open()
    print("loading", flush=True)
    await store.load_events(frame)
    print("loaded", flush=True)

asyncio.run(main())
"""


def whole(path):
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_processes_that_start_at_once_on_a_new_store_all_write_to_it(tmp_path):
    path = tmp_path / "records.db"
    moment = str(time.time() + 1.5)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", START, str(path), name, "40", moment], stderr=subprocess.PIPE, text=True
        )
        for name in "abcd"
    ]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors

    async def counted():
        async with SQLiteRecords(path) as store:
            return await store.count("event")

    assert asyncio.run(counted()) == 4 * 40 * 3
    whole(path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of file sizes")
def test_a_file_that_may_not_grow_refuses_the_whole_batch_and_the_store_goes_on(tmp_path):
    path = tmp_path / "records.db"
    done = subprocess.run([sys.executable, "-c", NO_ROOM, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(("StorageFullError", "StorageUnavailableError"))
    assert "nothing of this write was kept" in lines[0]
    assert lines[1:] == ["5", "[True]", "500", "506"]
    whole(path)


@pytest.mark.parametrize("wait_s", [0.05, 0.4])
def test_a_bulk_load_that_is_killed_leaves_nothing_or_all_and_can_be_repeated(tmp_path, wait_s):
    path = tmp_path / "records.db"
    process = subprocess.Popen(
        [sys.executable, "-c", LOAD, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "loading\n"
    time.sleep(wait_s)
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate()

    async def repeat():
        async with SQLiteRecords(path) as store:
            found = await store.count("event")
            assert found in ({300_000} if "loaded" in out else {0, 300_000})
            assert await store.load_events(frame_of(300_000)) == 300_000 - found
            assert await store.load_events(frame_of(5)) == 0

    asyncio.run(repeat())
    whole(path)
