"""Starting the server: in this process, over several worker processes, or as a child for a check or a test."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from foretaste.errors import ConfigurationError, PortInUseError, ServingError
from foretaste.logs import get_logger
from foretaste.settings import Settings, load_settings

_SETTINGS_VARIABLE = "FORETASTE_SERVER_SETTINGS"
STOP_S = 10.0
"""How long a stopped server may take to finish its requests before it is killed."""
log = get_logger(__name__)


def serve(settings: Settings) -> None:
    """Serve until interrupted (SIGINT or SIGTERM).

    Raises:
        PortInUseError: another program listens on the port.
        ConfigurationError: the address does not exist here, would let anybody in, or the pipeline is wrong.
        StorageUnavailableError: a store cannot be opened.
    """
    import asyncio

    from foretaste.serving.bootstrap import check_exposure, pipeline_of, start_logs

    check_port(settings.api_host, settings.api_port)
    pipeline_of(settings)
    asyncio.run(check_exposure(settings))
    start_logs(settings)
    if settings.workers == 1:
        _serve_here(settings)
    else:
        _serve_workers(settings)


def check_port(host: str, port: int) -> None:
    """Raise unless the port can be listened on now.

    Raises:
        PortInUseError: it is taken, or needs more rights.
        ConfigurationError: the address is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as exc:
        raise ConfigurationError(f"API_HOST = {host!r} is no address: {exc}", hint="try 127.0.0.1") from exc
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except PermissionError as exc:
            raise PortInUseError(
                f"port {port} may not be used without more rights", hint="choose one above 1023"
            ) from exc
        except OSError as exc:
            if exc.errno == 99:  # EADDRNOTAVAIL
                raise ConfigurationError(f"API_HOST = {host!r} is no address of this machine") from exc
            raise PortInUseError(
                f"port {port} of {host} is in use by another program",
                hint="stop that program or choose another port with --port (API_PORT)",
                details={"host": host, "port": port},
            ) from exc


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def app_from_environment() -> Any:
    """The application of a worker process, from the settings that its parent left in the environment."""
    from foretaste.api.app import create_app
    from foretaste.api.rsgi import Front
    from foretaste.serving.bootstrap import start_logs

    settings = load_settings(**json.loads(os.environ[_SETTINGS_VARIABLE]))
    start_logs(settings)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), name="foretaste-parent", daemon=True).start()
    return Front(create_app(settings), runs_lifespan=True)


def _end_with_parent(parent: int) -> None:
    """End this worker when its parent is gone (killed), so that none is left behind holding the port."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _serve_here(settings: Settings) -> None:
    """One process: the server runs in this one, on this loop."""
    import asyncio

    from granian.constants import Interfaces
    from granian.server.embed import Server

    from foretaste.api.app import create_app
    from foretaste.api.policy import Policy
    from foretaste.api.rsgi import Front
    from foretaste.serving.bootstrap import open_engine

    async def run() -> None:
        async with open_engine(settings, retrains=True) as engine:
            server = Server(
                Front(create_app(engine, policy=Policy.of(settings)), runs_lifespan=False),
                address=settings.api_host,
                port=settings.api_port,
                interface=Interfaces.RSGI,
                websockets=False,
                log_enabled=False,
                backlog=1024,
            )
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, server.stop)
            log.info("serving", host=settings.api_host, port=settings.api_port, workers=1)
            await server.serve()

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run())


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # no uvloop on this platform
        return None
    return uvloop.new_event_loop


def _serve_workers(settings: Settings) -> None:
    """Several processes behind one port; each opens its own engine."""
    from granian import Granian
    from granian.constants import Interfaces

    os.environ[_SETTINGS_VARIABLE] = json.dumps(_plain_settings(settings))
    log.info("serving", host=settings.api_host, port=settings.api_port, workers=settings.workers)
    Granian(
        "foretaste.api.server:app_from_environment",
        address=settings.api_host,
        port=settings.api_port,
        interface=Interfaces.RSGI,
        websockets=False,
        workers=settings.workers,
        factory=True,
        log_enabled=False,
        respawn_failed_workers=True,
        workers_kill_timeout=int(STOP_S),
    ).serve()


def _plain_settings(settings: Settings) -> dict[str, Any]:
    values = settings.model_dump(mode="json", exclude_none=True)
    for name in ("secret_key", "redis_password"):
        secret = getattr(settings, name)
        if secret is not None:
            values[name] = secret.get_secret_value()
    return values


class ServerProcess:
    """A real server in a child process; :func:`background_server` makes and ends one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = f"http://{settings.api_host}:{settings.api_port}"
        environment = {**os.environ, _SETTINGS_VARIABLE: json.dumps(_plain_settings(settings))}
        self._last_log = ""
        self._log = tempfile.TemporaryFile(prefix="foretaste-server-")  # noqa: SIM115 - lives as long as the server
        self.process = subprocess.Popen(
            [sys.executable, "-m", "foretaste.api.server"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Of the server; with several workers, of their parent."""
        return self.process.pid

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Return when the server says that it is ready.

        Raises:
            ServingError: it ended or did not become ready; with the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServingError(f"the server ended with status {self.process.returncode}: {self.log_tail()}")
            try:
                with urllib.request.urlopen(f"{self.url}/ready", timeout=2) as answer:  # noqa: S310 - our own address
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.03)
        raise ServingError(f"the server was not ready after {timeout_s:.0f} s: {self.log_tail()}")

    def log_tail(self, most: int = 2000) -> str:
        """The end of what the server logged."""
        if self._log.closed:
            return self._last_log
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), most, max(0, size - most)).decode(errors="replace")

    def stop(self) -> int:
        """Ask the server to finish its requests and end; returns its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()
        return int(self.process.wait())

    def close(self) -> None:
        """Stop the server if it still runs, and release its log."""
        self.stop()
        self._last_log = self.log_tail()
        self._log.close()

    def kill(self) -> None:
        """End the server and its workers at once (SIGKILL), as a power cut would."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def background_server(settings: Settings, *, timeout_s: float = 60.0) -> Iterator[ServerProcess]:
    """A real server in a child process, ready for requests; it is stopped at the end of the block.

    A port of 0 chooses a free one; ``.url`` says where it listens.

    Raises:
        PortInUseError: the port is taken.
        ServingError: it did not start; with the end of its log.
    """
    if settings.api_port == 0:
        settings = settings.model_copy(update={"api_port": free_port(settings.api_host)})
    check_port(settings.api_host, settings.api_port)
    server = ServerProcess(settings)
    try:
        server.wait_ready(timeout_s)
        yield server
    finally:
        server.close()


def _main() -> None:
    values = json.loads(os.environ[_SETTINGS_VARIABLE])
    serve(load_settings(**{name: Path(v) if name == "foretaste_home" else v for name, v in values.items()}))


if __name__ == "__main__":
    _main()
