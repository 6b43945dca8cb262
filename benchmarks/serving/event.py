"""From a posted event to an answer that shows it, in the worker that took the event and in another one.

A user views the first item of their list, so it may not be in their next one. The time runs from the first byte of the
post to the last byte of the first answer without the item; answers that still have it are counted. The peer does the
same two requests, and its answer is the one computed beforehand: it never shows the event.
"""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.rows import Row
from benchmarks.serving import serving_row
from benchmarks.serving._load import Load, http, percentiles
from benchmarks.serving._peer import NAME, PACKAGES, peer_server
from benchmarks.serving._servers import Clock, core_plan, pinned_server
from benchmarks.serving._shop import home_of, user_ids
from benchmarks.serving._wire import Wire, wires
from benchmarks.serving.cached import K

WORKERS = 2
MOST_ASKED = 1_000
"""Answers without the event after which it is taken for lost."""


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """A row for the same worker and one for another; needs no data."""
    n_users, n_items, n_events = (500, 500, 50) if quick else (20_000, 20_000, 2_000)
    users, plan = user_ids(n_users), core_plan(WORKERS)
    with peer_server(plan, users, k=K) as peer:
        wire = Wire(peer.url)
        theirs = _pairs(wire, users[:n_events], peer.clock)
        wire.close()
    settings = home_of(n_users, n_items, workers=WORKERS)
    with pinned_server(settings, plan) as server, wires(server.url, server.pid, WORKERS) as (one, other):
        clock = Clock(server.pid)
        for where, reader in (("the same worker", one), ("another worker", other)):
            _shown(one, reader, users[n_events : n_events + 50], clock)  # warm
            load, asked = _shown(one, reader, users[:n_events], clock)
            case = (
                f"event posted, then seen in {where}: {n_users:,} users, {n_items:,} items, one at a time, {plan.note}"
            )
            yield serving_row(
                "event", case, load, answers_without_it=asked - n_events, peer=theirs, peer_name=NAME, packages=PACKAGES
            )


def _shown(writer: Wire, reader: Wire, users: Sequence[str], clock: Clock) -> tuple[Load, int]:
    """What it took until each event was seen, and how many answers it took altogether."""
    taken, asked, used = [], 0, clock()
    for user_id in users:
        ask = http("GET", f"/api/v1/recommendations/user/{user_id}?limit={K}")
        first = json.loads(reader.ask(ask)[1])["items"][0]["item_id"]
        event = http("POST", "/api/v1/interactions", _event(user_id, first))
        begun = time.perf_counter()
        status, body = writer.ask(event)
        if status != 200:
            raise RuntimeError(f"the event was not taken: {body[:200]!r}")
        for _ in range(MOST_ASKED):
            _, body = reader.ask(ask)
            ended, asked = time.perf_counter(), asked + 1
            if first not in {item["item_id"] for item in json.loads(body)["items"]}:
                break
        else:
            raise RuntimeError(f"the event of {user_id} is not seen after {MOST_ASKED} answers")
        taken.append(ended - begun)
    return _load(taken, clock() - used), asked


def _pairs(wire: Wire, users: Sequence[str], clock: Clock) -> Load:
    """The same two requests to the peer."""
    taken, used = [], clock()
    for user_id in users:
        ask = http("GET", f"/recommendations/user/{user_id}?limit={K}")
        first = json.loads(wire.ask(ask)[1])["items"][0]["item_id"]
        event = http("POST", "/interactions", b"[%s]" % _event(user_id, first))
        begun = time.perf_counter()
        if wire.ask(event)[0] != 200 or wire.ask(ask)[0] != 200:
            raise RuntimeError("the peer failed")
        taken.append(time.perf_counter() - begun)
    return _load(taken, clock() - used)


def _event(user_id: str, item_id: str) -> bytes:
    return json.dumps({"user_id": user_id, "item_id": item_id, "type": "view"}).encode()


def _load(taken: Sequence[float], cpu_s: float) -> Load:
    """A «request» is an event with the answer that shows it; the rate is that of one who never pauses."""
    p50, p95, p99 = percentiles(taken)
    return Load(len(taken), sum(taken), p50, p95, p99, server_cpu_s=cpu_s, generator="own, one connection")
