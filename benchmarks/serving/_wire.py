"""One connection that asks and waits, with as little between the clock and the wire as Python allows."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil

from benchmarks.serving._servers import address_of

_TRIES = 200


class Wire:
    """A kept-alive HTTP connection."""

    def __init__(self, url: str, *, timeout_s: float = 20.0) -> None:
        self._socket = socket.create_connection(address_of(url), timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = int(self._socket.getsockname()[1])
        """This end of the connection."""

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to a request made by :func:`benchmarks.serving._load.http`.

        Raises:
            ConnectionError: the server closed the connection.
        """
        self._socket.sendall(request)
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        at = received.lower().find(b"content-length:", 0, end)
        length = int(received[at + 15 : received.find(b"\r\n", at)]) if at >= 0 else 0
        while len(received) < end + 4 + length:
            received += self._more()
        return int(received[9:12]), received[end + 4 : end + 4 + length]

    def _more(self) -> bytes:
        part = self._socket.recv(1 << 16)
        if not part:
            raise ConnectionError("the server closed the connection")
        return part

    def close(self) -> None:
        self._socket.close()


@contextmanager
def wires(url: str, server_pid: int, n_workers: int) -> Iterator[list[Wire]]:
    """A connection to each worker of a server.

    Raises:
        RuntimeError: one could not be reached.
    """
    with ExitStack() as stack:
        found: dict[int, Wire] = {}
        for _ in range(_TRIES):
            wire = Wire(url)
            stack.callback(wire.close)
            wire.ask(b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")  # so that a worker has taken it up
            found.setdefault(_worker_of(wire, server_pid), wire)
            if len(found) == n_workers:
                yield list(found.values())
                return
        raise RuntimeError(f"only {len(found)} of {n_workers} workers took a connection")


def _worker_of(wire: Wire, server_pid: int) -> int:
    """The process at the other end."""
    root = psutil.Process(server_pid)
    for process in [root, *root.children(recursive=True)]:
        if any(other.raddr and other.raddr.port == wire.port for other in process.net_connections("tcp")):
            return int(process.pid)
    raise RuntimeError(f"no process of the server holds the connection from port {wire.port}")
