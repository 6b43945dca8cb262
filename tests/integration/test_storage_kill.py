"""A process that stores events is killed: every acknowledged event is there, and no batch is half there."""

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from foretaste.storage.records.sqlite import SQLiteRecords

pytestmark = pytest.mark.integration
BATCH = 7
WRITER = f"""
import asyncio, sys
from pathlib import Path
from foretaste.storage.records.sqlite import SQLiteRecords
from foretaste.testing.records import event

async def write(store, name):
    for n in range(100_000):
        batch = [event(f"{{name}}.{{n}}.{{m}}", user_id=name) for m in range({BATCH})]
        if all(await store.append_events(batch)):
            sys.stdout.write(f"{{name}}.{{n}}\\n")
            sys.stdout.flush()

async def main():
    store = SQLiteRecords(Path(sys.argv[1]))
    await store.open()
    await asyncio.gather(*(write(store, f"{{sys.argv[2]}}-{{w}}") for w in range(4)))

asyncio.run(main())
"""


def start(path: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_was_acknowledged_before_a_kill_is_there_once_and_whole(tmp_path, seed):
    path = tmp_path / "records.db"
    writers = [start(path, name) for name in ("a", "b")]  # two processes share the store
    acknowledged: set[str] = {writer.stdout.readline().strip() for writer in writers}  # both have begun
    time.sleep(random.Random(seed).uniform(0.05, 0.4))
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
    for writer in writers:
        out, _ = writer.communicate()
        lines = out.split("\n")
        acknowledged |= set(lines[:-1])  # the last one may be cut short
    acknowledged.discard("")

    async def reopen() -> None:
        store = SQLiteRecords(path)
        await store.open()
        await store.ping()
        await store.close()

    asyncio.run(reopen())
    connection = sqlite3.connect(path)
    ids = [row[0] for row in connection.execute("SELECT event_id FROM events")]
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert len(ids) == len(set(ids))
    batches = Counter(event_id.rpartition(".")[0] for event_id in ids)
    assert set(batches.values()) == {BATCH}
    assert len(acknowledged) >= 2
    assert acknowledged <= set(batches)
