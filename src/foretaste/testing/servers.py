"""Real servers for tests and measurements, each on a private port and folder."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from foretaste.errors import ServingError


class RedisServer:
    """A ``redis-server`` that keeps nothing on disk; it can be stopped and started again on the same port."""

    def __init__(self, folder: str, *, password: str = "", max_memory_mb: int = 256) -> None:
        self.port = _free_port()
        self.password = password
        self._folder, self._max_memory_mb = folder, max_memory_mb
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    def start(self, *, timeout_s: float = 20.0) -> None:
        """Start it, and return when it answers.

        Raises:
            ServingError: it did not come up.
        """
        secret = ["--requirepass", self.password] if self.password else []
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self._folder]
        command += ["--save", "", "--appendonly", "no", *secret]
        command += ["--maxmemory", f"{self._max_memory_mb}mb", "--maxmemory-policy", "allkeys-lru"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1.0) as probe:
                    probe.sendall(b"PING\r\n")
                    if probe.recv(16):
                        return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise ServingError(f"redis-server did not start on port {self.port}")

    def stop(self) -> None:
        """End it at once, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def has_redis_server() -> bool:
    """Whether a ``redis-server`` is installed.

    Raises:
        ServingError: none is, where ``CI`` is set: there the tests that need it must run.
    """
    if shutil.which("redis-server"):
        return True
    if os.environ.get("CI"):
        raise ServingError("redis-server is not installed", hint="apt-get install redis-server")
    return False


@contextmanager
def redis_server(*, password: str = "", max_memory_mb: int = 256) -> Iterator[RedisServer]:
    """A running Redis, ended with the block.

    Raises:
        ServingError: it did not come up.
    """
    with tempfile.TemporaryDirectory(prefix="foretaste-redis-") as folder:
        server = RedisServer(folder, password=password, max_memory_mb=max_memory_mb)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
