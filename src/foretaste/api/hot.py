"""The hot routes, answered before FastAPI sees them: a user's list, what resembles an item, interactions.

Only the common forms are handled here. Whatever is unusual (an unknown or repeated parameter, a number that is none, a
body without a length) goes on to FastAPI, so that both give the same answers and FastAPI's document describes both.
Handlers know neither ASGI nor RSGI; :mod:`foretaste.api.rsgi` and :class:`HotMiddleware` bring them their requests.
"""

import itertools
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl

import structlog
from starlette.datastructures import State
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from foretaste.api.auth import Gate
from foretaste.api.bodies import decoded, records_of
from foretaste.api.clients import Header
from foretaste.api.errors import refusal, unexpected
from foretaste.api.headers import Pairs, security_headers
from foretaste.api.middleware import sensible_request_id
from foretaste.api.policy import Policy
from foretaste.api.routes.shared import batch_answer
from foretaste.errors import ForetasteError
from foretaste.serving.cache import TAIL, Asked, Asking
from foretaste.serving.engine import Engine

_USER = "/api/v1/recommendations/user/"
_ITEM, _SIMILAR = "/api/v1/items/", "/similar"
_INTERACTIONS = "/api/v1/interactions"
_ROUTES = {
    "user": "/api/v1/recommendations/user/{user_id}",
    "similar": "/api/v1/items/{item_id}/similar",
    "interactions": _INTERACTIONS,
}
"""Patterns as FastAPI has them, for the metrics."""
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_MAX_QUERY = 2_000
"""Characters of a query string that is looked at here."""
_MAX_KNOWN = 10_000
Client = Callable[[], str | None]
"""The address that a request comes from."""
Headers = list[tuple[str, str]]


class Reply(NamedTuple):
    """An answer, for whatever the server speaks."""

    status: int
    headers: Headers
    body: bytes


class Hot:
    """Parses, asks the engine's caches and counts, in a few microseconds where a list is kept.

    Args:
        state: the application's; its ``engine`` answers those whom its ``gate`` lets through.
        policy: what is larger than it allows is left to FastAPI, which refuses it.
    """

    def __init__(self, state: State, *, policy: Policy) -> None:
        self._state, self._max_body_bytes = state, policy.max_body_bytes
        self._protection = security_headers(policy.hsts_seconds)
        self._asking = Asking()
        self._questions: dict[str, Asked | None] = {}
        self._similar: dict[str, Asked | None] = {}
        self._observers: dict[tuple[str, int], Callable[[float], None]] = {}
        self._prefix, self._numbers = secrets.token_hex(4), itertools.count()

    async def get(self, path: str, query: str, header: Header, client: Client) -> Reply | None:
        """The answer to a GET; None when FastAPI must give it."""
        if path.startswith(_USER):
            route, subject, asked = "user", path[len(_USER) :], self._question(query)
        elif path.startswith(_ITEM) and path.endswith(_SIMILAR):
            route, subject, asked = "similar", path[len(_ITEM) : -len(_SIMILAR)], self._similarity(query)
        else:
            return None
        if asked is None or not subject:
            return None
        gate: Gate = self._state.gate
        if not (gate.is_fresh or await gate.catch_up()) or (extra := gate.quick("read", header, client)) is None:
            return None
        start = time.perf_counter()
        request_id = self._request_id(header)
        try:
            head = await self._engine.lists.get(subject, asked)
        except Exception as exc:  # noqa: BLE001 - answered and logged like anywhere else
            return self._failed("GET", route, exc, request_id, start, extra)
        self._observe("GET", route, 200, start)
        headers = [("content-type", "application/json"), ("x-request-id", request_id), *self._protection, *extra]
        return Reply(200, headers, head + request_id.encode() + TAIL)

    def takes(self, path: str, header: Header) -> bool:
        """Whether :meth:`post` may answer this POST."""
        length = header("content-length")
        return path == _INTERACTIONS and length is not None and _small_number(length, self._max_body_bytes) is not None

    async def post(self, read: Callable[[], Awaitable[bytes]], header: Header, client: Client) -> Reply | None:
        """The answer to posted interactions, after they are durable; None, before they are read, when FastAPI must
        give it.
        """
        gate: Gate = self._state.gate
        if not (gate.is_fresh or await gate.catch_up()) or (extra := gate.quick("events", header, client)) is None:
            return None
        start = time.perf_counter()
        request_id = self._request_id(header)
        content = await read()  # fails only when the client is gone
        try:
            raw = records_of(decoded(content), "interactions")
            results = await self._engine.record_events(raw)
            answer = batch_answer(request_id, results, "interactions")
        except Exception as exc:  # noqa: BLE001 - answered and logged like anywhere else
            return self._failed("POST", "interactions", exc, request_id, start, extra)
        self._observe("POST", "interactions", answer.status_code, start)
        return self._reply(answer, request_id, extra)

    @property
    def _engine(self) -> Engine:
        return cast(Engine, self._state.engine)

    def _question(self, query: str) -> Asked | None:
        """What a query string asks for; None when it is not of the common form."""
        try:
            return self._questions[query]
        except KeyError:
            return _remember(self._questions, query, self._parsed(query, "user"))

    def _similarity(self, query: str) -> Asked | None:
        try:
            return self._similar[query]
        except KeyError:
            return _remember(self._similar, query, self._parsed(query, "similar"))

    def _parsed(self, query: str, kind: str) -> Asked | None:
        if len(query) > _MAX_QUERY:
            return None
        k: int | None = self._engine.default_k
        explain: bool | None = False
        scenario, category, exclude = "default", None, []
        seen = set()
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name == "exclude" and kind == "user":
                exclude.append(value)
                continue
            if name in seen:
                return None
            seen.add(name)
            if name == "limit":
                k = _small_number(value, 1000) or None
            elif name == "explain":
                explain = _BOOLEANS.get(value)
            elif name == "scenario" and kind == "user":
                scenario = value
            elif name == "category" and kind == "user":
                category = value
            else:
                return None
        if k is None or explain is None or len(scenario) > 100 or len(category or "") > 256:
            return None
        return self._asking(kind, k, scenario=scenario, category=category, explain=explain, exclude=exclude)

    def _request_id(self, header: Header) -> str:
        return sensible_request_id(header("x-request-id")) or f"{self._prefix}{next(self._numbers) & 0xFFFFFFFF:08x}"

    def _failed(self, method: str, route: str, exc: Exception, request_id: str, start: float, extra: Pairs) -> Reply:
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            answer = refusal(exc, request_id) if isinstance(exc, ForetasteError) else unexpected(exc, request_id)
        self._observe(method, route, answer.status_code, start)
        return self._reply(answer, request_id, extra)

    def _reply(self, answer: Response, request_id: str, extra: Pairs) -> Reply:
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in answer.raw_headers
            if name != b"content-length"
        ]
        headers += [("x-request-id", request_id), *self._protection, *extra]
        return Reply(answer.status_code, headers, bytes(answer.body))

    def _observe(self, method: str, route: str, status: int, start: float) -> None:
        observe = self._observers.get((route, status))
        if observe is None:
            observe = self._engine.metrics.request_observer(method, _ROUTES[route], status)
            self._observers[route, status] = observe
        observe(time.perf_counter() - start)


class HotMiddleware:
    """Brings ASGI requests to :class:`Hot` first."""

    def __init__(self, app: ASGIApp, *, hot: Hot) -> None:
        self.app, self._hot = app, hot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = None
        if scope["type"] == "http" and PASSED not in scope:
            method = scope["method"]
            if method == "GET":
                query = scope["query_string"].decode("latin-1")
                reply = await self._hot.get(
                    scope["path"], query, lambda name: _header(scope, name), lambda: _address(scope)
                )
            elif method == "POST" and self._hot.takes(scope["path"], lambda name: _header(scope, name)):
                reply = await self._hot.post(
                    lambda: _body(receive), lambda name: _header(scope, name), lambda: _address(scope)
                )
        if reply is None:
            await self.app(scope, receive, send)
            return
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
        headers.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})


PASSED = "foretaste.passed"
"""Key in an ASGI scope that says: the hot routes have seen this request and left it."""


def _header(scope: Scope, name: str) -> str | None:
    wanted = name.encode()
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == wanted), None)


def _address(scope: Scope) -> str | None:
    client = scope.get("client")
    return str(client[0]) if client else None


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _small_number(text: str, most: int) -> int | None:
    """A whole number from 0 to ``most`` in plain digits; None for anything else."""
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        return None
    number = int(text)
    return number if number <= most else None


def _remember(known: dict[str, Any], query: str, asked: Asked | None) -> Asked | None:
    if len(known) >= _MAX_KNOWN:
        known.clear()
    known[query] = asked
    return asked
