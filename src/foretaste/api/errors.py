"""Every error as the same body: code, message, hint, details and the request's id."""

import math
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from foretaste.errors import ForetasteError
from foretaste.logs import get_logger

STATUS = {"corrupt_state": 409, "model_training": 409, "model": 409}
"""Statuses that differ from the error's own: a version that cannot be served conflicts with the wish to promote it."""
_MAX_VALUE = 120
_NO_FIELDS = frozenset({"body", "query", "path", "header", "constrained-str", "str", "int", "float"})
"""Parts of a place that are no fields: where a value came from, and the types that it may have."""
log = get_logger(__name__)


class MalformedBodyError(ForetasteError):
    """The body is no JSON."""

    code = "malformed_json"
    http_status = 400


class InvalidRequestError(ForetasteError):
    """A parameter or a field of the body is wrong."""

    code = "invalid_request"
    http_status = 422


class BodyTooLargeError(ForetasteError):
    """The body is larger than the service takes."""

    code = "body_too_large"
    http_status = 413


class HeadersTooLargeError(ForetasteError):
    """The headers are larger than the service takes."""

    code = "headers_too_large"
    http_status = 431


class QueryTooLongError(ForetasteError):
    """The query string is longer than the service takes."""

    code = "query_too_long"
    http_status = 414


class UnauthorizedError(ForetasteError):
    """No credential, or one that is not valid; which part of it is wrong is never said."""

    code = "unauthorized"
    http_status = 401


class ForbiddenError(ForetasteError):
    """Whoever asks is known and may not do this."""

    code = "forbidden"
    http_status = 403


class TooManyRequestsError(ForetasteError):
    """More requests than are allowed; ``wait_s`` says when the next one is."""

    code = "too_many_requests"
    http_status = 429

    def __init__(self, message: str, *, hint: str, wait_s: float) -> None:
        super().__init__(message, hint=hint, details={"retry_after_s": round(wait_s, 3)})
        self.wait_s = wait_s


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; NaN becomes null."""
    content = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=_plain)
    return Response(content, status_code=status, media_type="application/json", headers=headers)


def error_response(error: ForetasteError, request_id: str) -> Response:
    """The answer that says what went wrong."""
    body = error_body(error.code, error.message, error.hint, error.details, request_id)
    return json_response(body, status=STATUS.get(error.code, error.http_status), headers=_headers_of(error))


def _headers_of(error: ForetasteError) -> dict[str, str]:
    """What clients are told beside the body: how to show who they are, when to come again."""
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": 'Bearer realm="foretaste"'}
    if isinstance(error, TooManyRequestsError):
        return {"Retry-After": str(max(1, math.ceil(error.wait_s)))}
    return {"Retry-After": "1"} if error.http_status == 503 else {}


def refusal(error: ForetasteError, request_id: str) -> Response:
    """The answer to a request that failed with an error of ours; one of the service's own is logged."""
    if error.http_status >= 500:
        log.warning("request_failed", code=error.code, error=str(error))
    return error_response(error, request_id)


def unexpected(error: Exception, request_id: str) -> Response:
    """The answer to a request that failed with an error nobody foresaw; call it where the error is handled."""
    log.exception("unexpected_error", error=f"{type(error).__name__}: {error}")
    shown = ForetasteError("an unexpected error happened", hint=f"look for {request_id} in the log")
    return error_response(shown, request_id)


def error_body(code: str, message: str, hint: str, details: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    """The body of an error."""
    detail = {"code": code, "message": _clean(message), "hint": _clean(hint), "details": details}
    return {"error": detail, "request_id": request_id}


def invalid_request(error: ValidationError | RequestValidationError) -> InvalidRequestError:
    """A failed validation as one readable error: the field, its value and what is allowed."""
    found = []
    for part in error.errors():
        place = [str(p) for p in part["loc"] if p not in _NO_FIELDS]
        value = None if part["type"] == "missing" else _shown(part.get("input"))  # the input is all that is around it
        found.append({"field": ".".join(place) or "body", "value": value, "problem": part["msg"]})
    first = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    said = "is missing" if first["value"] is None else f"= {first['value']}: {first['problem']}"
    return InvalidRequestError(
        f"{first['field']} {said}{more}",
        hint="see /docs for what is allowed",
        details={"errors": found[:20]},
    )


def install(app: FastAPI) -> None:
    """Make every failing route answer in our form."""

    def known(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, ForetasteError)
        request.scope["error_code"] = exc.code
        return refusal(exc, request_id(request))

    def invalid(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, RequestValidationError)
        return error_response(invalid_request(exc), request_id(request))

    def http(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        codes = {404: ("no_such_route", "see /docs for the routes"), 405: ("method_not_allowed", "")}
        code, hint = codes.get(exc.status_code, ("http_error", ""))
        message = f"{request.method} {_shown(request.url.path)}: {exc.detail}"
        body = error_body(code, message, hint, {}, request_id(request))
        return json_response(body, status=exc.status_code, headers=exc.headers)

    app.add_exception_handler(ForetasteError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def request_id(request: Request) -> str:
    """The id that the middleware gave the request."""
    return str(request.scope.get("request_id", ""))


def _shown(value: Any) -> str:
    text = repr(value)
    return _clean(text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}…")


def _clean(text: str) -> str:
    return text.encode(errors="replace").decode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return str(value)
