"""Around every request: its id, its time, its size, and an answer even to what nobody foresaw."""

import re
import time
import uuid
from collections.abc import Callable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foretaste.api.errors import BodyTooLargeError, error_response, unexpected
from foretaste.errors import ForetasteError
from foretaste.logs import get_logger

Observe = Callable[[str, str, int, float], None]
"""Called with method, route pattern, status and seconds."""
_REQUEST_ID = re.compile(r"[0-9A-Za-z._-]{1,64}")
_METHODS = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"}
log = get_logger(__name__)


class RequestMiddleware:
    """Gives each request an id (a sensible ``X-Request-ID`` of the caller is kept), limits its body and counts it.

    Plain ASGI, so that it costs a few microseconds and leaves context variables alone.
    """

    def __init__(self, app: ASGIApp, *, observe: Observe, max_body_bytes: int) -> None:
        self.app, self._observe, self._max_body_bytes = app, observe, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["request_id"] = request_id
        start = time.perf_counter()
        status = 500
        has_started = False

        async def answer(message: Message) -> None:
            nonlocal status, has_started
            if message["type"] == "http.response.start":
                status, has_started = message["status"], True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                _check_length(scope, self._max_body_bytes)
                await self.app(scope, self._limited(receive), answer)
            except ForetasteError as exc:
                if has_started:
                    raise
                await error_response(exc, request_id)(scope, receive, answer)
            except Exception as exc:  # the last place where an answer can be given
                response = unexpected(exc, request_id)
                if has_started:
                    raise
                await response(scope, receive, answer)
            finally:
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._observe(method, _route(scope), status, time.perf_counter() - start)

    def _limited(self, receive: Receive) -> Receive:
        """``receive`` that refuses to hand on more than the limit."""
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise _too_large(self._max_body_bytes)
            return message

        return limited


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return sensible_request_id(value.decode("latin-1")) or uuid.uuid4().hex[:16]
    return uuid.uuid4().hex[:16]


def sensible_request_id(text: str | None) -> str | None:
    """The id that a caller gave its request, when it is one that may stand in logs."""
    return text if text is not None and _REQUEST_ID.fullmatch(text) else None


def _check_length(scope: Scope, limit: int) -> None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value[:20]) > limit:
            raise _too_large(limit)


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(
        f"the body has more than {limit} bytes", hint="send smaller batches", details={"max_body_bytes": limit}
    )


def _route(scope: Scope) -> str:
    """The pattern of the route, never the path: ids may not become labels."""
    route = scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", None) or "unmatched")
