"""Shoppers who ask for lists and post events while something goes wrong, and a strict account of what they saw.

Unlike :mod:`benchmarks.serving._load`, which measures how much a server can do, this asks at a modest pace from a few
threads, connects again after every failure, checks every list against ``schemas.Recommendations`` (the model that the
OpenAPI document is made from), and remembers every event that was acknowledged. A list whose connection was lost is
asked for once more, as HTTP clients do (RFC 9110, 9.2.2); a post is not sent again.
"""

import http.client
import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.serving._load import percentiles
from benchmarks.serving._servers import address_of
from foretaste.schemas import Recommendations

K = 10
BATCH = 3
TIMEOUT_S = 15.0
LOST = 0
"""In place of a status: the connection was lost."""
Kind = Literal["list", "events"]


@dataclass(frozen=True)
class Answered:
    """One request, as the shopper saw it."""

    at: float
    """When it was sent, by the monotonic clock."""
    ms: float
    kind: Kind
    wrong: str | None
    """What was wrong; None when the answer was right."""
    version: str | None = None
    """Of the models that made the list."""
    sources: frozenset[str] = frozenset()
    tries: int = 1
    """Connections that it took."""


@dataclass
class Account:
    """What all shoppers saw."""

    answers: list[Answered] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, kind: Kind, after: float = 0.0, before: float = float("inf")) -> list[Answered]:
        """Requests of one kind sent within a time."""
        return [a for a in self.answers if a.kind == kind and after <= a.at < before]

    def wrong(self, kind: Kind) -> list[Answered]:
        """Those that failed."""
        return [a for a in self.of(kind) if a.wrong is not None]

    def asked_again(self) -> int:
        """Lists that came over a second connection, because the first was lost."""
        return sum(a.tries > 1 for a in self.of("list"))

    def valid_share(self) -> float:
        """Lists that came and were valid, of all that were asked for."""
        lists = self.of("list")
        return 1.0 - len(self.wrong("list")) / max(1, len(lists))

    def recovery_s(self, kind: Kind, since: float) -> float:
        """From the fault to the end of the last failed request; 0 when none failed."""
        return max((a.at + a.ms / 1e3 - since for a in self.wrong(kind) if a.at + a.ms / 1e3 >= since), default=0.0)

    def quantiles_ms(self, kind: Kind, after: float = 0.0, before: float = float("inf")) -> tuple[float, float, float]:
        """p50, p95 and p99 of the requests of a time."""
        return percentiles([a.ms / 1e3 for a in self.of(kind, after, before)])


class _Shopper(threading.Thread):
    """Asks, posts, and connects again after a failure."""

    def __init__(
        self, url: str, users: Sequence[str], account: Account, stop: threading.Event, number: int, rate: float
    ):
        super().__init__(name=f"shopper-{number}", daemon=True)
        self._address, self._users, self._account, self._stop_sign = address_of(url), users, account, stop
        self._random, self._name, self._count, self._pause = random.Random(number), f"s{number}", 0, 1.0 / rate
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        due = time.monotonic()
        while not self._stop_sign.is_set():
            answered = self._list() if self._random.random() < 0.8 else self._events()
            with self._account.lock:
                self._account.answers.append(answered)
            due = max(due + self._pause, time.monotonic() - 1.0)
            self._stop_sign.wait(max(0.0, due - time.monotonic()))
        self._forget()

    def _list(self) -> Answered:
        at, tries = time.monotonic(), 1
        path = f"/api/v1/recommendations/user/{self._random.choice(self._users)}?limit={K}"
        status, body = self._send("GET", path)
        if status == LOST:
            status, body = self._send("GET", path)
            tries = 2
        ms = 1e3 * (time.monotonic() - at)
        if status != 200:
            return Answered(at, ms, "list", f"{status}: {body[:120]!r}", tries=tries)
        try:
            found = Recommendations.model_validate_json(body, strict=True)
        except ValueError as exc:
            return Answered(at, ms, "list", f"not valid: {exc}", tries=tries)
        whole = len({item.item_id for item in found.items}) == len(found.items) == K - found.short_by
        sources = frozenset(item.source for item in found.items)
        wrong = None if whole else f"not {K} items"
        return Answered(at, ms, "list", wrong, found.model_version, sources, tries)

    def _events(self) -> Answered:
        self._count += 1
        user = self._random.choice(self._users)
        events = [
            {"event_id": f"{self._name}-{self._count}-{n}", "user_id": user, "item_id": self._item(), "type": "view"}
            for n in range(BATCH)
        ]
        at = time.monotonic()
        status, body = self._send("POST", "/api/v1/interactions", json.dumps(events).encode())
        ms = 1e3 * (time.monotonic() - at)
        if status != 200:
            return Answered(at, ms, "events", f"{status}: {body[:120]!r}")
        with self._account.lock:
            self._account.acknowledged.update(row["id"] for row in json.loads(body)["results"])
        return Answered(at, ms, "events", None)

    def _item(self) -> str:
        return f"p-{self._random.randrange(500):06}"

    def _send(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(*self._address, timeout=TIMEOUT_S)
            headers = {"Content-Type": "application/json"} if body is not None else {}
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as exc:
            self._forget()
            return LOST, f"{type(exc).__name__}: {exc}".encode()

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


@contextmanager
def traffic(url: str, users: Sequence[str], *, rate: float = 200.0, shoppers: int = 6) -> Iterator[Account]:
    """Shoppers for as long as the block lasts: ``rate`` requests per second, a fifth of them posts of three events."""
    account, stop = Account(), threading.Event()
    threads = [_Shopper(url, users, account, stop, number, rate / shoppers) for number in range(shoppers)]
    for thread in threads:
        thread.start()
    try:
        yield account
    finally:
        stop.set()
        for thread in threads:
            thread.join(TIMEOUT_S + 5.0)


def lost_events(database: Path, acknowledged: set[str]) -> int:
    """Acknowledged events that are not in the store."""
    connection = sqlite3.connect(database)
    try:
        stored = {row[0] for row in connection.execute("SELECT event_id FROM events")}
    finally:
        connection.close()
    return len(acknowledged - stored)


def until(check: Callable[[], bool], timeout_s: float) -> bool:
    """Wait until ``check`` is true; whether it became so."""
    end = time.monotonic() + timeout_s
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
