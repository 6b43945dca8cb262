"""A shop's traffic: few users ask often, most seldom, and every twentieth request is something that one of them did.

How often each user comes falls with their rank (Zipf, exponent 1). Two workers share a Redis. An event makes its user's
lists old, so each has to be made anew before it is sent again; the peer's lists stay as they were computed. Two rows:
from a cold start, and after everybody's list was asked for once (as far as there was time). ``hit_rate`` is the share
of lists that were served before under the same ``recommendation_id``: it is seen by the client, whatever tier or worker
kept them.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np

from benchmarks.rows import Row
from benchmarks.serving import serving_row
from benchmarks.serving._load import Load, drive, http
from benchmarks.serving._peer import NAME, PACKAGES, peer_server
from benchmarks.serving._servers import Clock, CorePlan, address_of, core_plan, pinned_server
from benchmarks.serving._shop import home_of, user_ids
from benchmarks.serving.cached import K, is_a_list
from foretaste.testing.servers import redis_server

N_USERS, N_ITEMS, PER_USER = 100_000, 20_000, 8
EVENT_SHARE = 0.05
CONNECTIONS = 32
WORKERS = 2
TTL_S = 600.0
WARM_S = 75.0
"""Longest time for asking for everybody's list beforehand; ``made_before`` says how many of them that was."""
CHECK_EVERY = 200
_BLOCK = 20_000


class Seen:
    """Counts lists and those that came before; looks at some of them closely."""

    _MARK = b'"recommendation_id":"'

    def __init__(self) -> None:
        self.lists = self.hits = 0
        self._known: set[bytes] = set()

    def __call__(self, status: int, body: bytes) -> str | None:
        at = body.find(self._MARK)
        if at < 0:
            return None if body.startswith(b'{"stored":1,') else f"no event was stored: {body[:200]!r}"
        made = body[at + len(self._MARK) : at + len(self._MARK) + 32]
        self.lists += 1
        if made in self._known:
            self.hits += 1
        else:
            self._known.add(made)
        return is_a_list(status, body) if self.lists % CHECK_EVERY == 0 else None

    def start_again(self) -> None:
        """Count from nought; what was seen stays known."""
        self.lists = self.hits = 0

    @property
    def hit_rate(self) -> float:
        """Share of the lists."""
        return self.hits / max(1, self.lists)


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """A row from a cold start, one with lists made before; needs no data."""
    n_users, n_items, seconds = (2_000, 1_000, 2.0) if quick else (N_USERS, N_ITEMS, 15.0)
    users, plan = user_ids(n_users), core_plan(WORKERS)
    with peer_server(plan, users, k=K, workers=WORKERS) as peer:
        lists = [http("GET", f"/recommendations/user/{user_id}?limit={K}") for user_id in users]
        requests = traffic(lists, "/interactions", b"[%s]", n_items=n_items, seed=1)
        theirs = _measure(peer.url, requests, peer.clock, seconds)
    settings = home_of(n_users, n_items, per_user=PER_USER, workers=WORKERS, cache_ttl_s=TTL_S)
    lists = [http("GET", f"/api/v1/recommendations/user/{user_id}?limit={K}") for user_id in users]
    with redis_server(max_memory_mb=1_000) as redis:
        assert redis.process is not None
        with pinned_server(settings.model_copy(update={"redis_url": redis.url}), plan) as server:
            clock, seen = Clock(server.pid, redis.process.pid), Seen()
            requests = traffic(lists, "/api/v1/interactions", b"%s", n_items=n_items, seed=2)
            yield _row("cold start", n_users, plan, _measure(server.url, requests, clock, seconds, seen), seen)
            everybody, made, end = cycle(lists), 0, time.monotonic() + WARM_S
            while made < n_users and time.monotonic() < end:
                made += _measure(server.url, everybody, clock, 2.0, seen).requests
            seen.start_again()
            load = _measure(server.url, requests, clock, seconds, seen)
            yield _row("lists made before", n_users, plan, load, seen, theirs, made_before=min(1.0, made / n_users))


def _row(
    when: str, n_users: int, plan: CorePlan, load: Load, seen: Seen, peer: Load | None = None, **extra: float
) -> Row:
    case = (
        f"{when}: k = {K}, {n_users:,} users, {EVENT_SHARE:.0%} events, {WORKERS} workers and Redis, "
        f"{CONNECTIONS} connections, {plan.note}"
    )
    if peer is None:
        return serving_row("zipf", case, load, hit_rate=seen.hit_rate, **extra)
    named = {"peer_name": NAME, "packages": PACKAGES}
    return serving_row("zipf", case, load, peer=peer, hit_rate=seen.hit_rate, **named, **extra)  # type: ignore[arg-type]


def _measure(url: str, requests: Iterator[bytes], clock: Clock, seconds: float, seen: Seen | None = None) -> Load:
    return drive(
        address_of(url), requests, seconds=seconds, connections=CONNECTIONS, check=seen, check_every=1, cpu=clock
    )


def traffic(
    lists: Sequence[bytes], post_to: str, form: bytes, *, n_items: int, seed: int, share: float = EVENT_SHARE
) -> Iterator[bytes]:
    """Requests without end: lists of users as often as their rank says, and their events.

    Args:
        lists: the request for each user's list.
        post_to: the path to which events are posted, ``form`` the body with the event in it.
    """
    rng = np.random.default_rng(seed)
    weights = 1.0 / np.arange(1, len(lists) + 1)
    until = np.cumsum(weights / weights.sum())
    users = rng.permutation(len(lists))  # who comes often has nothing to do with their number
    while True:
        ranks = np.minimum(np.searchsorted(until, rng.random(_BLOCK)), len(lists) - 1)
        rows, acts = users[ranks], rng.random(_BLOCK) < share
        items = (n_items * rng.random(_BLOCK) ** 2.5).astype(np.int64)
        for row, item, is_event in zip(rows.tolist(), items.tolist(), acts.tolist(), strict=True):
            if is_event:
                event = b'{"user_id":"u-%06d","item_id":"p-%06d","type":"view"}' % (row, item)
                yield http("POST", post_to, form % event)
            else:
                yield lists[row]
