"""What several routes need."""

from dataclasses import asdict
from typing import Annotated, Any, cast

import orjson
from fastapi import Query, Request
from starlette.responses import Response

from foretaste.api.errors import ForbiddenError, InvalidRequestError, error_body, json_response, request_id
from foretaste.serving.access import Principal
from foretaste.serving.answers import Answer, Traced, WriteResult
from foretaste.serving.cache import TAIL, head_of
from foretaste.serving.engine import Engine

Limit = Annotated[int | None, Query(ge=1, le=1000, description="Length of the list.", examples=[10])]
Explain = Annotated[bool, Query(description="Add a readable reason to each item.")]
Scenario = Annotated[str, Query(max_length=100, description="Place of use, as named in the pipeline.")]
Category = Annotated[str | None, Query(max_length=256, description="Only items of this category.")]
Exclude = Annotated[
    list[str] | None, Query(max_length=1000, description="Item ids that may not be in the list; may be repeated.")
]
Context = Annotated[
    str | None,
    Query(
        max_length=4000,
        description="What is known of the moment, as a JSON object: rules, rankings and sources may use it.",
        examples=['{"device": "phone"}'],
    ),
]
Trace = Annotated[
    bool, Query(description="Say how the list came about: times, and each item's way through the stages.")
]
TraceItems = Annotated[
    list[str] | None,
    Query(max_length=100, description="Items to trace, may be repeated; by default the list and the next candidates."),
]

_CONTEXT_HINT = """send an object, URL-encoded, such as context={"device":"phone"}"""


def engine_of(request: Request) -> Engine:
    """The engine that answers."""
    return cast(Engine, request.app.state.engine)


def principal_of(request: Request) -> Principal:
    """Who asks, as the gate found out."""
    return cast(Principal, request.scope["principal"])


def context_of(text: str | None) -> dict[str, Any]:
    """The context that a query string names.

    Raises:
        InvalidRequestError: it is no JSON object.
    """
    if text is None:
        return {}
    try:
        found = orjson.loads(text.encode("utf-8", "surrogatepass"))
    except orjson.JSONDecodeError as exc:
        raise InvalidRequestError(f"context = {text[:80]!r} is no valid JSON: {exc}", hint=_CONTEXT_HINT) from exc
    if not isinstance(found, dict):
        raise InvalidRequestError(f"context = {text[:80]!r} is no JSON object", hint=_CONTEXT_HINT)
    return found


def need(request: Request, scope: str, what: str) -> None:
    """Go on only for somebody who has a scope that this use of the route needs.

    Raises:
        ForbiddenError: they have not.
    """
    if scope not in principal_of(request).grants:
        raise ForbiddenError(
            f"{what} needs the scope {scope!r}", hint="use a key that has it", details={"scope": scope}
        )


def answered(request: Request, answer: Answer) -> Response:
    """A list as an answer."""
    return Response(head_of(answer) + request_id(request).encode() + TAIL, media_type="application/json")


def traced(request: Request, made: Traced) -> Response:
    """A list as an answer, with what was noted while it was made."""
    noted = {"timings_ms": dict(made.timings_ms), "trace": [asdict(item) for item in made.items]}
    return json_response({**asdict(made.answer), "request_id": request_id(request), **noted})


def batch_answer(identity: str, results: list[WriteResult], what: str) -> Response:
    """What became of a batch: 200 when nothing was rejected, 207 when some were, 422 when all were."""
    rows = [_result(result) for result in results]
    rejected = sum(result.status == "rejected" for result in results)
    if rejected == len(results):
        first = results[0]
        message = first.message if rejected == 1 else f"all {rejected} {what} were rejected; the first: {first.message}"
        body = error_body(first.code, message, first.hint, {"results": rows}, identity)
        return json_response(body, status=422)
    counts = {
        "stored": sum(result.status == "stored" for result in results),
        "duplicates": sum(result.status == "duplicate" for result in results),
        "rejected": rejected,
    }
    return json_response({**counts, "results": rows}, status=207 if rejected else 200)


def _result(result: WriteResult) -> dict[str, Any]:
    error = None
    if result.status == "rejected":
        message = result.message.encode(errors="replace").decode()
        error = {"code": result.code, "message": message, "hint": result.hint, "details": {}}
    return {"index": result.index, "status": result.status, "id": result.record_id, "error": error}
