"""Load: many connections that ask and wait, and what they saw.

``drive`` is our own generator (raw sockets on one core, every status checked, a sample of bodies checked against the
schema); ``wrk`` drives the program of that name, which needs less of its core. With ``rate`` requests start at fixed
times whether or not earlier ones are answered, and a latency counts from the time at which the request should have
started, so a server that stalls cannot hide it.
"""

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

Check = Callable[[int, bytes], str | None]
"""What is wrong with an answer (status, body); None when it is right."""
_GENERATOR = "own"


@dataclass(frozen=True)
class Load:
    """What a generator saw."""

    requests: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int = 0
    server_cpu_s: float = float("nan")
    generator: str = _GENERATOR
    generator_busy: float = float("nan")
    """Share of its core that the generator used: near 1 means that it, not the server, is the limit."""
    complaints: tuple[str, ...] = ()
    """The first things that were wrong."""
    latencies_ms: tuple[float, ...] = field(default=(), repr=False)
    """Of every request in order of its end; our own generator only."""

    @property
    def requests_per_s(self) -> float:
        return self.requests / self.seconds

    @property
    def server_cpu_s_per_1000(self) -> float:
        """Processor seconds of the server for a thousand requests."""
        return 1000.0 * self.server_cpu_s / max(1, self.requests)


def http(method: str, path: str, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers)]
    if body or method in {"POST", "PUT"}:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class _Connection(asyncio.Protocol):
    """One connection with one request under way."""

    def __init__(self, run: "_Run") -> None:
        self._run = run
        self._buffer = bytearray()
        self._need = -1
        self._body_at = 0
        self.started = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self._run.ready(self)

    def ask(self, request: bytes, started: float) -> None:
        self.started = started
        assert self.transport is not None
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._need < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            at = self._buffer.lower().find(b"content-length:", 0, end)
            length = int(self._buffer[at + 15 : self._buffer.find(b"\r\n", at)]) if at >= 0 else 0
            self._body_at, self._need = end + 4, end + 4 + length
        if len(self._buffer) >= self._need:
            status, body = int(self._buffer[9:12]), bytes(self._buffer[self._body_at : self._need])
            self._buffer.clear()
            self._need = -1
            self._run.answered(self, status, body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.lost(self, exc)


class _Run:
    """The state of one load: what to send next, what came back."""

    def __init__(self, requests: Iterator[bytes], check: Check | None, check_every: int, rate: float | None) -> None:
        self._requests, self._check, self._every, self._rate = requests, check, check_every, rate
        self._idle: list[_Connection] = []
        self._due: list[float] = []
        self.stops_at = float("inf")
        self.latencies: list[float] = []
        self.errors = 0
        self.complaints: list[str] = []
        self.is_over = False

    def ready(self, connection: _Connection) -> None:
        """The connection may take the next request."""
        now = time.perf_counter()
        if now >= self.stops_at:
            self._idle.append(connection)
        elif self._rate is None:
            connection.ask(next(self._requests), now)
        elif self._due:
            connection.ask(next(self._requests), self._due.pop(0))
        else:
            self._idle.append(connection)

    def answered(self, connection: _Connection, status: int, body: bytes) -> None:
        self.latencies.append(time.perf_counter() - connection.started)
        if not 200 <= status < 300:
            self._complain(f"{status}: {body[:200].decode(errors='replace')}")
        elif self._check is not None and len(self.latencies) % self._every == 0:
            wrong = self._check(status, body)
            if wrong:
                self._complain(wrong)
        self.ready(connection)

    def lost(self, connection: _Connection, exc: Exception | None) -> None:
        if not self.is_over:
            self._complain(f"connection lost: {exc}")

    def _complain(self, what: str) -> None:
        self.errors += 1
        if len(self.complaints) < 5:
            self.complaints.append(what)

    async def keep_pace(self) -> None:
        """Hand out requests at the times at which they are due."""
        assert self._rate is not None
        start, sent = time.perf_counter(), 0
        while (now := time.perf_counter()) < self.stops_at:
            while sent / self._rate <= now - start:
                due = start + sent / self._rate
                sent += 1
                if self._idle:
                    self._idle.pop().ask(next(self._requests), due)
                else:
                    self._due.append(due)
            await asyncio.sleep(max(0.0002, start + sent / self._rate - time.perf_counter()))


def drive(
    address: tuple[str, int],
    requests: Iterator[bytes],
    *,
    seconds: float,
    connections: int = 16,
    rate: float | None = None,
    check: Check | None = None,
    check_every: int = 50,
    cpu: Callable[[], float] | None = None,
) -> Load:
    """Send ``requests`` (endless; made by :func:`http`) for ``seconds``.

    Args:
        rate: requests per second; None: each connection asks again as soon as it is answered.
        check: looks at every ``check_every``-th answer.
        cpu: processor seconds of the server so far.
    """

    async def work() -> Load:
        run = _Run(requests, check, check_every, rate)
        loop = asyncio.get_running_loop()
        made = [await loop.create_connection(lambda: _Connection(run), *address) for _ in range(connections)]
        used, own = cpu() if cpu else 0.0, time.process_time()
        first, start = len(run.latencies), time.perf_counter()
        run.stops_at = start + seconds
        await (asyncio.sleep(seconds) if rate is None else run.keep_pace())
        taken, busy = time.perf_counter() - start, time.process_time() - own
        spent = cpu() - used if cpu else float("nan")
        found = run.latencies[first:]
        await asyncio.sleep(0.05)
        run.is_over = True
        for transport, _ in made:
            transport.close()
        p50, p95, p99 = percentiles(found)
        return Load(
            len(found), taken, p50, p95, p99, run.errors, spent, _GENERATOR, busy / taken, tuple(run.complaints),
            tuple(1000.0 * value for value in found),
        )  # fmt: skip

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work())


def percentiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    """p50, p95 and p99 in milliseconds."""
    ordered = sorted(seconds) or [float("nan")]
    p50, p95, p99 = (1000.0 * ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.95, 0.99))
    return p50, p95, p99


def has_wrk() -> bool:
    """Whether ``wrk`` is installed."""
    return shutil.which("wrk") is not None


def wrk(
    url: str,
    paths: Sequence[str],
    *,
    seconds: int,
    connections: int = 16,
    core: int | None = None,
    cpu: Callable[[], float] | None = None,
) -> Load:
    """Ask for ``paths`` in turns with ``wrk`` on one core; counts statuses other than 2xx, does not look at bodies."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "load.lua")
        script.write_text(_LUA % ",\n".join(json.dumps(path) for path in paths), encoding="utf-8")
        pin = ["taskset", "-c", str(core)] if core is not None and shutil.which("taskset") else []
        command = [*pin, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
        used, own = cpu() if cpu else 0.0, _children_s()
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30)
        spent, busy = cpu() - used if cpu else float("nan"), _children_s() - own
    values = json.loads(done.stdout.rpartition("RESULT ")[2].splitlines()[0])
    taken = values["duration_us"] / 1e6
    p50, p95, p99 = (values[name] / 1000.0 for name in ("p50_us", "p95_us", "p99_us"))
    return Load(values["requests"], taken, p50, p95, p99, values["errors"], spent, "wrk", busy / taken)


def _children_s() -> float:
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop  # type: ignore[no-any-return]


_LUA = """
local paths = {
%s
}
local requests, at = {}, 0
function init(args)
  for i, path in ipairs(paths) do requests[i] = wrk.format("GET", path) end
end
function request()
  at = at %% #requests + 1
  return requests[at]
end
function done(summary, latency, all)
  local e = summary.errors
  io.write(string.format('RESULT {"requests": %%d, "duration_us": %%d, "errors": %%d, "p50_us": %%d, "p95_us": %%d, '
    .. '"p99_us": %%d}\\n', summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
"""
