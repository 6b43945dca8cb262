"""API keys and the audit log."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from foretaste.api.bodies import read_body
from foretaste.api.documents import body, errors
from foretaste.api.errors import ForbiddenError, json_response
from foretaste.api.routes.shared import engine_of, principal_of
from foretaste.schemas import AuditPage, KeyList, KeyRequest, NewKey
from foretaste.serving.access import ANYONE, ApiKey

router = APIRouter(prefix="/api/v1", tags=["access"])
MOST = 1000
"""Entries of the audit log in one answer."""


@router.post(
    "/keys",
    response_model=NewKey,
    status_code=201,
    responses=errors(400, 409, 413, 422, 500, 503, 507),
    openapi_extra=body(KeyRequest),
    operation_id="create_key",
)
async def create_key(request: Request) -> Response:
    """Make a key. The answer holds it this once; only a hash of it is kept.

    The first key closes a service that was open: from then on every request needs a key or a token. So it is made on
    the command line (`foretaste keys create`), and here **403** says so.
    """
    asked = await read_body(request, KeyRequest)
    if principal_of(request) is ANYONE:
        raise ForbiddenError(
            "the first key is not made over HTTP, where nobody is known yet",
            hint="make it on this machine: foretaste keys create NAME --scope admin",
        )
    keys = engine_of(request).access.keys
    key, whole = await keys.create(asked.name, asked.scopes, now=time.time(), ttl_s=asked.ttl_s)
    request.scope["audit"] = {"key_id": key.key_id, "name": key.name, "scopes": list(key.scopes)}
    return json_response({**_shown(key, None), "key": whole}, status=201)


@router.get("/keys", response_model=KeyList, responses=errors(500, 503), operation_id="list_keys")
async def list_keys(request: Request) -> Response:
    """All keys with their names, scopes and times; never the keys themselves."""
    keys = engine_of(request).access.keys
    by_id, _ = await keys.load()
    used = await keys.last_used()
    ordered = sorted(by_id.values(), key=lambda key: (key.created_at, key.key_id))
    return json_response({"keys": [_shown(key, used.get(key.key_id)) for key in ordered]})


@router.delete("/keys/{key_id}", status_code=204, responses=errors(404, 422, 500, 503, 507), operation_id="revoke_key")
async def revoke_key(request: Request, key_id: Annotated[str, Path(examples=["a1b2c3d4e5f6"])]) -> Response:
    """End a key: here at once, in other workers within 50 ms."""
    await engine_of(request).access.keys.revoke(key_id, now=time.time())
    return Response(status_code=204)


@router.get("/audit", response_model=AuditPage, responses=errors(422, 500, 503), operation_id="audit")
async def audit(
    request: Request,
    after: Annotated[int, Query(ge=0, le=2**62, description="`next_after` of the part before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Entries in one part.")] = 100,
) -> Response:
    """What was done to keys, models, rules and settings, and which attempts were refused, oldest first."""
    entries = await engine_of(request).audit.entries(after=after, limit=limit)
    rows: list[dict[str, Any]] = [
        {
            "number": entry.entry_id,
            "at": entry.at,
            "actor": entry.actor,
            "action": entry.action,
            "subject": entry.subject,
            "outcome": entry.outcome,
            "details": entry.details,
            "request_id": entry.request_id,
        }
        for entry in entries
    ]
    return json_response({"entries": rows, "next_after": rows[-1]["number"] if len(rows) == limit else None})


def _shown(key: ApiKey, last_used: float | None) -> dict[str, Any]:
    return {
        "id": key.key_id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used": last_used,
    }
