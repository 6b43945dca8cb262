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
from collections.abc import Iterator, Sequence
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
_MARK = b'"id":"'


class Batches:
    """Posts of new events without end, and which of them were acknowledged.

    Few users do much, most little (Zipf, exponent 1). Ids of events are random, as clients make them, and those of one
    batch end with its number; or they have none, and the service makes them.
    """

    def __init__(self, path: str, *, has_ids: bool = True, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        weights = 1.0 / np.arange(1, N_USERS + 1)
        self._path, self._count, self._has_ids = path, 0, has_ids
        users = rng.choice(N_USERS, size=(_TEMPLATES, BATCH), p=weights / weights.sum())
        self._templates = [self._template(rng, row) for row in users.tolist()]
        self.acknowledged: list[tuple[str, str]] = []
        """The ids of the first and the last event of each acknowledged batch."""

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self._count += 1
            yield self._templates[self._count % _TEMPLATES].replace(_NUMBER, b"%08d" % self._count)

    def check(self, status: int, body: bytes) -> str | None:
        """Note a batch that was stored."""
        if not body.startswith(b'{"stored":%d' % BATCH):
            return f"{status}: {body[:200]!r}"
        if _MARK in body:  # the peer names no ids
            first, last = (body[at + len(_MARK) :] for at in (body.find(_MARK), body.rfind(_MARK)))
            self.acknowledged.append((first.partition(b'"')[0].decode(), last.partition(b'"')[0].decode()))
        return None

    def _template(self, rng: np.random.Generator, users: Sequence[int]) -> bytes:
        events = [
            {
                "user_id": f"u-{user:06}",
                "item_id": f"p-{rng.integers(N_ITEMS):06}",
                "type": "view",
                "session_id": f"s-{rng.integers(10**9):09}",
            }
            for user in users
        ]
        if self._has_ids:
            events = [{"event_id": rng.bytes(12).hex() + _NUMBER.decode(), **event} for event in events]
        return http("POST", self._path, json.dumps(events, separators=(",", ":")).encode())


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """Rows for one worker and two, with ids from the client and from the service; needs no data."""
    seconds = 2.0 if quick else 10.0
    theirs = _of_peer(seconds)
    for workers, has_ids in ((1, False), (1, True), (2, False)):
        yield _row(workers, has_ids, seconds, theirs)


def _row(workers: int, has_ids: bool, seconds: float, theirs: Load) -> Row:
    plan = core_plan(workers)
    with tempfile.TemporaryDirectory(prefix="foretaste-bench-") as folder:
        made = home_of(2_000, 2_000)
        home = shutil.copytree(made.foretaste_home, Path(folder, "home"))
        settings = made.model_copy(update={"foretaste_home": home, "workers": workers})
        batches = Batches("/api/v1/interactions", has_ids=has_ids)
        with pinned_server(settings, plan) as server:
            load = _measure(server.url, batches, Clock(server.pid), seconds)
            threading.Timer(1.0, server.kill).start()
            _drive(server.url, batches, 1.5)
        lost = lost_events(home / "foretaste.db", batches.acknowledged)
    ids = "ids from the client" if has_ids else "ids from the service"
    return serving_row(
        "durable",
        f"batches of {BATCH}, {ids}, {workers} worker{'s'[: workers - 1]}, {CONNECTIONS} connections, {plan.note}",
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


def _drive(url: str, batches: Batches, seconds: float, clock: Clock | None = None) -> Load:
    requests, check = iter(batches), batches.check
    return drive(
        address_of(url), requests, seconds=seconds, connections=CONNECTIONS, check=check, check_every=1, cpu=clock
    )


def _measure(url: str, batches: Batches, clock: Clock, seconds: float) -> Load:
    _drive(url, batches, seconds / 5)  # to warm up
    return _drive(url, batches, seconds, clock)


def _of_peer(seconds: float) -> Load:
    with peer_server(core_plan(1), user_ids(100)) as peer:
        _keep_on_disk(peer)
        return _measure(peer.url, Batches("/interactions"), peer.clock, seconds)


def _keep_on_disk(peer: Peer) -> None:
    from redis import Redis

    with Redis.from_url(peer.redis.url) as client:
        client.config_set("appendonly", "yes")
        client.config_set("appendfsync", "always")


def lost_events(database: Path, acknowledged: Sequence[tuple[str, str]]) -> int:
    """Events of acknowledged batches that are not in the store; a batch is kept whole or not at all."""
    connection = sqlite3.connect(database)
    try:
        stored = {event_id for (event_id,) in connection.execute("SELECT event_id FROM events")}
    finally:
        connection.close()
    return BATCH * sum(not (first in stored and last in stored) for first, last in acknowledged)
