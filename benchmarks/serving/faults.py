"""Faults, each injected while shoppers ask and post: what they saw, how long it took to heal, what was lost.

A row each. ``valid_lists`` counts every list that was asked for; one whose connection is lost is asked for once more
(``asked_again``), and invalid when that fails, too. ``errors_lists`` and ``errors_events`` are what clients saw (a
refused post is an error too, and loses nothing: it was not acknowledged). ``recovery_lists_s`` is from the injection to
the end of the last failed list. ``lost_events`` are acknowledged events that are not in the store afterwards.

The process's own clock is not moved (that needs a library preloaded into it): the clock jump is one of the events'
times, which are what a client's wrong clock changes. The full disk is a small tmpfs where one may be mounted, else the
row is skipped.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.rows import Row, rounded
from benchmarks.serving import serving_row
from benchmarks.serving._servers import core_plan, pinned_server
from benchmarks.serving._shop import home_of, user_ids
from benchmarks.serving._traffic import Account, lost_events, traffic, until
from benchmarks.serving._versions import rollout, slow_model, tell, train_version, with_path
from foretaste.api.server import ServerProcess, free_port
from foretaste.settings import Settings

N_USERS, N_ITEMS = 1_000, 1_000
_HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
connection.execute("BEGIN " + sys.argv[2])
print("held", flush=True)
time.sleep(float(sys.argv[3]))
connection.execute("ROLLBACK")
"""
_POISON = (
    b'{"user_id": "u-000001", "item_id": "p-000001", "value": 1e999}',
    b'{"user_id": "u-000001", "item_id": "p-000001", "timestamp": 1e300}',
    b'{"user_id": "u-000001", "item_id": "p-000001", "context": ' + b'{"a":' * 300 + b"1" + b"}" * 301,
    b'{"user_id": "\\ud800", "item_id": "p-000001"}',
    b'{"user_id": "u-\\u0000", "item_id": "p-000001"}',
    b'{"user_id": ["u-000001"], "item_id": {"a": 1}}',
    b'{"user_id": "u-000001", "item_id": "' + b"x" * 100_000 + b'"}',
    b"[" * 100_000,
    b'[null, 7, "text", [], {}]',
    b"\xff\xfe\x00",
)


@dataclass
class Scene:
    """Where a fault happens."""

    settings: Settings
    server: ServerProcess
    account: Account
    quick: bool

    @property
    def database(self) -> Path:
        return self.settings.foretaste_home / "foretaste.db"


Inject = Callable[[Scene], str | None]
"""Does the harm and ends it; returns what to note, or a complaint that begins with ``!``."""


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """A row for each fault; needs no data."""
    yield _row("a worker killed -9", _kill_a_worker, quick, workers=2)
    if shutil.which("redis-server"):
        with _redis() as redis:
            yield _row("Redis stopped and restarted", redis.inject, quick, redis_url=redis.url)
    else:
        yield {"benchmark": "serving", "name": "faults", "case": "Redis stopped", "skipped": "no redis-server here"}
    yield from _disk_full(quick)
    yield _row("the store locked (BEGIN IMMEDIATE)", lambda scene: _lock(scene, "IMMEDIATE"), quick)
    yield _row("the store locked (BEGIN EXCLUSIVE)", lambda scene: _lock(scene, "EXCLUSIVE"), quick)
    yield _row("a corrupt new model", _corrupt, quick)
    with tempfile.TemporaryDirectory() as folder:
        path = slow_model(Path(folder))
        yield _row("a model that answers slowly", lambda scene: _slow(scene, path), quick, path=path)
    yield _row("poison events", _poison, quick)
    yield _row("a clock jump of ten years, both ways", _clock, quick)


def _row(
    case: str, inject: Inject, quick: bool, *, path: Path | None = None, home: Path | None = None, **changes: object
) -> Row:
    """Start a server on a copy of the shop, let shoppers in, do the harm, wait, and count."""
    with ExitStack() as stack:
        folder = home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="foretaste-fault-")))
        made = home_of(N_USERS, N_ITEMS)
        settings = made.model_copy(update={"foretaste_home": folder / "home", "log_level": "error", **changes})
        shutil.copytree(made.foretaste_home, settings.foretaste_home)
        workers = settings.workers
        stack.enter_context(_environment(path))
        server = stack.enter_context(pinned_server(settings, core_plan(1 if workers == 1 else 2)))
        with traffic(server.url, user_ids(N_USERS), rate=120.0 if quick else 240.0) as account:
            time.sleep(1.0 if quick else 3.0)
            start = time.monotonic()
            note = inject(Scene(server.settings, server, account, quick))
            time.sleep(2.0 if quick else 5.0)
        lost = lost_events(settings.foretaste_home / "foretaste.db", account.acknowledged)
    return {
        name: value.replace(str(folder), "…") if isinstance(value, str) else value
        for name, value in _counted(case, account, start, lost, note).items()
    }


def _counted(case: str, account: Account, start: float, lost: int, note: str | None) -> Row:
    lists, events = account.wrong("list"), account.wrong("events")
    first = next((a.wrong for a in [*lists, *events]), None)
    _, p95, p99 = account.quantiles_ms("list", start)
    row = serving_row(
        "faults",
        case,
        requests=len(account.answers),
        asked_again=account.asked_again(),
        errors_lists=len(lists),
        errors_events=len(events),
        valid_lists=account.valid_share(),
        p95_ms=p95,
        p99_ms=p99,
        longest_ms=max((a.ms for a in account.of("list", start)), default=0.0),
        recovery_lists_s=account.recovery_s("list", start),
        recovery_events_s=account.recovery_s("events", start),
        longest_post_ms=max((a.ms for a in account.of("events", start)), default=0.0),
        acknowledged=len(account.acknowledged),
        lost_events=lost,
        first_error=first[:200] if first else None,
        note=note,
    )
    row["valid_lists"] = rounded(account.valid_share(), 6)
    if lost or (note or "").startswith("!"):
        row["error"] = f"{lost} acknowledged events are lost" if lost else note
    return row


@contextmanager
def _environment(path: Path | None) -> Iterator[None]:
    import os

    before = os.environ.get("PYTHONPATH")
    if path is not None:
        os.environ["PYTHONPATH"] = with_path([path])["PYTHONPATH"]
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("PYTHONPATH", None)
        else:
            os.environ["PYTHONPATH"] = before


def _kill_a_worker(scene: Scene) -> str:
    workers = psutil.Process(scene.server.pid).children(recursive=True)
    workers = [worker for worker in workers if "resource_tracker" not in " ".join(worker.cmdline())]
    busiest = max(workers, key=lambda worker: len(worker.net_connections()))
    open_connections = len(busiest.net_connections())
    busiest.send_signal(signal.SIGKILL)
    back = until(lambda: len(psutil.Process(scene.server.pid).children(recursive=True)) >= len(workers), 20.0)
    return (
        f"the one with {open_connections} sockets of {len(workers)}"
        if back
        else "! the killed worker did not come back"
    )


class _Redis:
    """A Redis of our own on a private port and in a private folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [
            "redis-server",
            "--port",
            str(self._port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self._folder),
            "--save",
            "",
        ]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def inject(self, scene: Scene) -> str:
        self.stop()
        time.sleep(1.0 if scene.quick else 4.0)
        self.process = self._start()
        return "away for 1 s" if scene.quick else "away for 4 s"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def _redis() -> Iterator[_Redis]:
    with tempfile.TemporaryDirectory() as folder:
        redis = _Redis(Path(folder))
        try:
            time.sleep(0.5)
            yield redis
        finally:
            redis.stop()


def _disk_full(quick: bool) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="foretaste-disk-") as folder:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder], capture_output=True, check=False
        )
        if done.returncode:
            yield {"benchmark": "serving", "name": "faults", "case": "disk full", "skipped": "no tmpfs may be mounted"}
            return
        try:
            yield _row("disk full (tmpfs)", _fill, quick, home=Path(folder))
        finally:
            subprocess.run(["umount", folder], check=False)


def _fill(scene: Scene) -> str:
    filler = scene.settings.foretaste_home / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            for size in (1 << 20, 1 << 12):
                while True:
                    file.write(b"\0" * size)
        except OSError:
            pass
        try:
            while True:
                file.write(b"\0" * (1 << 10))
        except OSError:
            pass
    held = 1.5 if scene.quick else 5.0
    time.sleep(held)
    filler.unlink()
    return f"full for {held} s"


def _lock(scene: Scene, how: str) -> str:
    held = 1.5 if scene.quick else 5.0
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(scene.database), how, str(held)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.wait()
    return f"held for {held} s"


def _corrupt(scene: Scene) -> str:
    old = rollout(scene.server.url)["live"]
    new = train_version(scene.settings, "corrupt")
    arrays = scene.settings.foretaste_home / "models" / "versions" / new / "models" / "corrupt" / "arrays.safetensors"
    content = bytearray(arrays.read_bytes())
    content[-1] ^= 0xFF
    arrays.write_bytes(bytes(content))
    (scene.settings.foretaste_home / "models" / "live").write_text(new, encoding="utf-8")  # as another program would
    healed = until(lambda: rollout(scene.server.url)["live"] == old, 20.0)
    action = rollout(scene.server.url)["history"][0]
    return f"{action['action']}: {action['why'][-110:]}" if healed else "! the corrupt version stayed"


def _slow(scene: Scene, path: Path) -> str:
    old = rollout(scene.server.url)["live"]
    new = train_version(scene.settings, "slow", "bench_slow", path=[path])
    guards = {"min_samples": 20}
    tell(scene.server.url, f"/api/v1/models/{new}/promote", {"canary": 0.2, "for_s": 120, "guards": guards})
    healed = until(lambda: rollout(scene.server.url)["stage"] == "idle", 90.0)
    found = rollout(scene.server.url)
    action = found["history"][0]
    return (
        f"{action['action']}: {action['why'][-110:]}"
        if healed and found["live"] == old
        else "! the slow version stayed"
    )


def _post(url: str, body: bytes) -> int:
    request = urllib.request.Request(f"{url}/api/v1/interactions", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        return exc.code


def _poison(scene: Scene) -> str:
    rounds = 2 if scene.quick else 20
    statuses = [_post(scene.server.url, body) for _ in range(rounds) for body in _POISON]
    wrong = sorted({status for status in statuses if status >= 500})
    return f"! answered {wrong}" if wrong else f"{len(statuses)} posts, answered {sorted(set(statuses))}"


def _clock(scene: Scene) -> str:
    years = 10 * 365 * 86_400.0
    statuses = set()
    for number in range(20 if scene.quick else 200):
        moment = time.time() + (years if number % 2 else -years)
        body = f'{{"user_id": "u-{number:06}", "item_id": "p-{number:06}", "type": "view", "timestamp": {moment}}}'
        statuses.add(_post(scene.server.url, body.encode()))
    wrong = [status for status in statuses if status >= 500]
    return f"! answered {wrong}" if wrong else f"events of ten years ago and ahead, answered {sorted(statuses)}"
