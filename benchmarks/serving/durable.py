"""Events accepted durably, in batches of a hundred; then the server is killed while more come.

An answer means that the events are flushed to the disk. The peer appends them to a Redis stream with an append-only
file that is flushed before each answer. After the measurement the server gets SIGKILL under the same load:
``lost_events`` are acknowledged ones that the store does not have.
"""

import json
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.rows import Row
from benchmarks.serving import serving_row
from benchmarks.serving._load import Load, drive, http
from benchmarks.serving._peer import NAME, PACKAGES, Peer, peer_server
from benchmarks.serving._servers import Clock, address_of, core_plan, pinned_server
from benchmarks.serving._shop import home_of, user_ids

BATCH = 100
CONNECTIONS = 16
N_USERS, N_ITEMS = 20_000, 20_000
_TEMPLATES = 64
_NUMBER = b"@@@@@@@@"
_ID_LENGTH = 24
"""Characters of an event's id before the number of its batch."""
_MARK = b'"id":"'


class Batches:
    """Posts of new events without end, and the numbers of those that were acknowledged.

    Each event has an id as clients make them: random to an index. Those of one batch end with its number.
    """

    def __init__(self, path: str, *, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._path, self._count = path, 0
        self._templates = [self._template(rng) for _ in range(_TEMPLATES)]
        self.acknowledged: set[bytes] = set()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            template = self._templates[self._count % _TEMPLATES]
            yield template.replace(_NUMBER, b"%08d" % self._count)
            self._count += 1

    def check(self, status: int, body: bytes) -> str | None:
        """Note a batch that was stored."""
        if not body.startswith(b'{"stored":%d' % BATCH):
            return f"{status}: {body[:200]!r}"
        at = body.find(_MARK)
        if at >= 0:  # the peer tells no ids
            at += len(_MARK) + _ID_LENGTH
            self.acknowledged.add(body[at : at + len(_NUMBER)])
        return None

    def _template(self, rng: np.random.Generator) -> bytes:
        events = [
            {
                "event_id": rng.bytes(_ID_LENGTH // 2).hex() + _NUMBER.decode(),
                "user_id": f"u-{rng.integers(N_USERS):06}",
                "item_id": f"p-{rng.integers(N_ITEMS):06}",
                "type": "view",
                "session_id": f"s-{rng.integers(10**9):09}",
            }
            for _ in range(BATCH)
        ]
        return http("POST", self._path, json.dumps(events, separators=(",", ":")).encode())


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """A row for one worker and one for two; needs no data."""
    seconds = 2.0 if quick else 10.0
    theirs = _of_peer(seconds)
    for workers in (1, 2):
        yield _row(workers, seconds, theirs)


def _row(workers: int, seconds: float, theirs: Load) -> Row:
    plan = core_plan(workers)
    with tempfile.TemporaryDirectory(prefix="foretaste-bench-") as folder:
        made = home_of(2_000, 2_000)
        home = shutil.copytree(made.foretaste_home, Path(folder, "home"))
        settings = made.model_copy(update={"foretaste_home": home, "workers": workers})
        batches = Batches("/api/v1/interactions")
        with pinned_server(settings, plan) as server:
            load = _measure(server.url, batches, Clock(server.pid), seconds)
            threading.Timer(1.0, server.kill).start()
            drive(
                address_of(server.url),
                iter(batches),
                seconds=1.5,
                connections=CONNECTIONS,
                check=batches.check,
                check_every=1,
            )
        lost = lost_events(home / "foretaste.db", batches.acknowledged)
    return serving_row(
        "durable",
        f"batches of {BATCH}, {workers} worker{'s'[: workers - 1]}, {CONNECTIONS} connections, {plan.note}",
        load,
        events_per_s=BATCH * load.requests_per_s,
        acknowledged=BATCH * len(batches.acknowledged),
        lost_events=lost,
        peer=BATCH * theirs.requests_per_s,
        peer_p99_ms=theirs.p99_ms,
        peer_server_cpu_s_per_1000=theirs.server_cpu_s_per_1000,
        peer_name=f"{NAME}, appendfsync always",
        packages=PACKAGES,
    )


def _measure(url: str, batches: Batches, clock: Clock, seconds: float) -> Load:
    requests = iter(batches)
    for length in (seconds / 5, seconds):  # the first to warm up
        load = drive(
            address_of(url),
            requests,
            seconds=length,
            connections=CONNECTIONS,
            check=batches.check,
            check_every=1,
            cpu=clock,
        )
    return load


def _of_peer(seconds: float) -> Load:
    with peer_server(core_plan(1), user_ids(100)) as peer:
        _keep_on_disk(peer)
        return _measure(peer.url, Batches("/interactions"), peer.clock, seconds)


def _keep_on_disk(peer: Peer) -> None:
    from redis import Redis

    with Redis.from_url(peer.redis.url) as client:
        client.config_set("appendonly", "yes")
        client.config_set("appendfsync", "always")


def lost_events(database: Path, acknowledged: set[bytes]) -> int:
    """Events of acknowledged batches that are not in the store."""
    connection = sqlite3.connect(database)
    try:
        found = connection.execute(
            "SELECT substr(event_id, ?), count(*) FROM events WHERE length(event_id) = ? GROUP BY 1",
            (_ID_LENGTH + 1, _ID_LENGTH + len(_NUMBER)),
        )
        stored = {number.encode(): count for number, count in found}
    finally:
        connection.close()
    return sum(BATCH - stored.get(number, 0) for number in acknowledged)
