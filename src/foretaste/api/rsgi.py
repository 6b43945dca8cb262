"""The application as the server speaks to it: RSGI, granian's own interface, with the hot routes first.

RSGI hands over a request without copying its headers into Python and takes an answer in one call, which costs less
than ASGI's messages (figures in ``docs/decisions/0016``). All other routes are ASGI and go through an adapter.
"""

from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from urllib.parse import quote

from fastapi import FastAPI
from starlette.types import Message

from foretaste.api.hot import PASSED, Hot


class RSGIScope(Protocol):
    """What granian says of a request."""

    proto: str
    http_version: str
    server: str
    client: str
    scheme: str
    method: str
    path: str
    query_string: str
    authority: str | None
    headers: Any


class RSGIProtocol(Protocol):
    """How a body is read and an answer given."""

    def __call__(self) -> Awaitable[bytes]: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    def client_disconnect(self) -> Awaitable[None]: ...
    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...
    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> Any: ...


class Front:
    """An application as granian runs it.

    Args:
        app: the whole application.
        runs_lifespan: start and stop it with the server; False when somebody else does.
    """

    def __init__(self, app: FastAPI, *, runs_lifespan: bool) -> None:
        self._app, self._runs_lifespan = app, runs_lifespan
        self._hot: Hot = app.state.hot
        self._lifespan: AbstractAsyncContextManager[Any] | None = None

    def __rsgi_init__(self, loop: Any) -> None:
        """Start the application before the first request."""
        if self._runs_lifespan:
            self._lifespan = self._app.router.lifespan_context(self._app)
            loop.run_until_complete(self._lifespan.__aenter__())

    def __rsgi_del__(self, loop: Any) -> None:
        """Stop it after the last."""
        if self._lifespan is not None:
            loop.run_until_complete(self._lifespan.__aexit__(None, None, None))

    async def __rsgi__(self, scope: RSGIScope, protocol: RSGIProtocol) -> None:
        """Answer one request."""
        reply = None
        if scope.method == "GET":
            reply = await self._hot.get(scope.path, scope.query_string, scope.headers.get, lambda: _peer(scope))
        elif scope.method == "POST" and self._hot.takes(scope.path, scope.headers.get):
            reply = await self._hot.post(protocol, scope.headers.get, lambda: _peer(scope))
        if reply is not None:
            protocol.response_bytes(*reply)
        else:
            await self._app(_asgi_scope(scope), *(adapter := _Adapter(protocol)).ends)
            adapter.finish()


class _Adapter:
    """Receives and sends ASGI messages over RSGI."""

    def __init__(self, protocol: RSGIProtocol) -> None:
        self._protocol = protocol
        self._chunks: AsyncIterator[bytes] | None = None
        self._is_read = False
        self._status, self._headers = 500, list[tuple[str, str]]()
        self._stream: Any = None
        self._is_answered = False

    @property
    def ends(self) -> tuple[Any, Any]:
        """``receive`` and ``send``."""
        return self._receive, self._send

    async def _receive(self) -> Message:
        if self._is_read:
            await self._protocol.client_disconnect()
            return {"type": "http.disconnect"}
        if self._chunks is None:
            self._chunks = aiter(self._protocol)
        try:
            chunk = await self._chunks.__anext__()  # not anext(…, default): with granian's iterator that crashes
        except StopAsyncIteration:
            self._is_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._stream is None and not more:
            self._is_answered = True
            self._protocol.response_bytes(self._status, self._headers, bytes(body))
            return
        if self._stream is None:
            self._is_answered = True
            self._stream = self._protocol.response_stream(self._status, self._headers)
        if body:
            await self._stream.send_bytes(bytes(body))

    def finish(self) -> None:
        """Leave no request without an answer."""
        if not self._is_answered:
            self._protocol.response_bytes(500, [], b"")


def _asgi_scope(scope: RSGIScope) -> dict[str, Any]:
    path = scope.path
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": scope.http_version,
        "method": scope.method,
        "scheme": scope.scheme,
        "path": path,
        "raw_path": quote(path).encode("ascii"),
        "query_string": scope.query_string.encode("latin-1", "replace"),
        "root_path": "",
        "headers": _headers(scope),
        "client": _address(scope.client),
        "server": _address(scope.server),
        "state": {},
        PASSED: True,
    }


def _headers(scope: RSGIScope) -> list[tuple[bytes, bytes]]:
    found = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in scope.headers.items()]
    if scope.authority and not any(name == b"host" for name, _ in found):  # HTTP/2 says it elsewhere
        found.append((b"host", scope.authority.encode("latin-1", "replace")))
    return found


def _peer(scope: RSGIScope) -> str | None:
    address = _address(scope.client)
    return None if address is None else address[0]


def _address(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdigit() else None
