"""Around every request: its id, its time, its size, who sends it, and an answer even to what nobody foresaw."""

import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foretaste.api.auth import Gate
from foretaste.api.cors import Cors
from foretaste.api.errors import (
    BodyTooLargeError,
    HeadersTooLargeError,
    QueryTooLongError,
    error_response,
    unexpected,
)
from foretaste.api.headers import SecurityHeaders
from foretaste.api.policy import Policy
from foretaste.errors import ForetasteError
from foretaste.logs import get_logger

Observe = Callable[[str, str, int, float], None]
"""Called with method, route pattern, status and seconds."""
_REQUEST_ID = re.compile(r"[0-9A-Za-z._-]{1,64}")
_METHODS = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"}
log = get_logger(__name__)


class RequestMiddleware:
    """Gives each request an id (a sensible ``X-Request-ID`` of the caller is kept), limits its size, lets it through
    the gate, counts it, and puts protecting headers on the answer.

    Plain ASGI, so that it costs a few microseconds and leaves context variables alone.
    """

    def __init__(self, app: ASGIApp, *, observe: Observe, gate: Callable[[], Gate], policy: Policy) -> None:
        self.app, self._observe, self._gate, self._policy = app, observe, gate, policy
        self._cors = Cors(policy.cors_origins)
        self._headers = SecurityHeaders(policy.hsts_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = scope["request_id"] = _request_id(scope)
        start = time.perf_counter()
        status = 500
        has_started = False

        async def answer(message: Message) -> None:
            nonlocal status, has_started
            if message["type"] == "http.response.start":
                status, has_started = message["status"], True
                message["headers"] = self._answer_headers(scope, message["headers"])
                await self._gate().note(scope, status)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._let_through(scope, receive, answer)
            except ForetasteError as exc:
                if has_started:
                    raise
                scope["error_code"] = exc.code
                await error_response(exc, request_id)(scope, receive, answer)
            except Exception as exc:  # the last place where an answer can be given
                response = unexpected(exc, request_id)
                if has_started:
                    raise
                scope["error_code"] = ForetasteError.code
                await response(scope, receive, answer)
            finally:
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._observe(method, _route(scope), status, time.perf_counter() - start)

    async def _let_through(self, scope: Scope, receive: Receive, send: Send) -> None:
        _check_sizes(scope, self._policy)
        if _is_preflight(scope):
            await Response(status_code=204)(scope, receive, send)
            return
        await self._gate().admit(scope)
        await self.app(scope, self._limited(receive), send)

    def _answer_headers(self, scope: Scope, present: Any) -> list[tuple[bytes, bytes]]:
        origin = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), None)
        added = (
            ("x-request-id", scope["request_id"]),
            *self._headers.of(scope["path"], present),
            *(self._cors.preflight(origin) if _is_preflight(scope) else self._cors.headers(origin)),
            *scope.get("rate_headers", ()),
        )
        return [*present, *((name.encode("latin-1"), value.encode("latin-1")) for name, value in added)]

    def _limited(self, receive: Receive) -> Receive:
        """``receive`` that refuses to hand on more than the limit."""
        received = 0
        most = self._policy.max_body_bytes

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise _too_large(most)
            return message

        return limited


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return sensible_request_id(value.decode("latin-1")) or uuid.uuid4().hex[:16]
    return uuid.uuid4().hex[:16]


def _is_preflight(scope: Scope) -> bool:
    """Whether a browser asks beforehand if a page of another site may send its request."""
    return scope["method"] == "OPTIONS" and any(
        name == b"access-control-request-method" for name, _ in scope["headers"]
    )


def sensible_request_id(text: str | None) -> str | None:
    """The id that a caller gave its request, when it is one that may stand in logs."""
    return text if text is not None and _REQUEST_ID.fullmatch(text) else None


def _check_sizes(scope: Scope, policy: Policy) -> None:
    if len(scope.get("query_string", b"")) > policy.max_query_bytes:
        raise QueryTooLongError(
            f"the query string has more than {policy.max_query_bytes} bytes", hint="send less, or a POST with a body"
        )
    size = 0
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name == b"content-length" and value.isdigit() and int(value[:20]) > policy.max_body_bytes:
            raise _too_large(policy.max_body_bytes)
    if size > policy.max_header_bytes:
        raise HeadersTooLargeError(f"the headers have more than {policy.max_header_bytes} bytes", hint="send fewer")


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(
        f"the body has more than {limit} bytes", hint="send smaller batches", details={"max_body_bytes": limit}
    )


def _route(scope: Scope) -> str:
    """The pattern of the route, never the path: ids may not become labels."""
    route = scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", None) or "unmatched")
