"""The published versions of the models: which there are, which serves, and how the next one comes in."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from foretaste.api.bodies import read_optional_body
from foretaste.api.documents import body, errors
from foretaste.api.errors import json_response
from foretaste.api.routes.shared import engine_of, principal_of
from foretaste.schemas import ModelList, Promoted, PromoteRequest, RollbackRequest, RolloutBody
from foretaste.serving.engine import Engine

router = APIRouter(prefix="/api/v1/models", tags=["models"])


@router.get("", response_model=ModelList, responses=errors(500, 503), operation_id="list_models")
async def list_models(request: Request) -> Response:
    """All published versions, newest first, with what was measured when they were trained."""
    versions, live = await engine_of(request).models()
    rows = [
        {
            "version": version.version,
            "is_live": version.version == live,
            "created_at": version.created_at,
            "models": list(version.models),
            "metrics": version.metrics,
            "data": version.data,
            "size_bytes": version.size_bytes,
        }
        for version in versions
    ]
    return json_response({"live": live, "versions": rows})


@router.get("/status", response_model=RolloutBody, responses=errors(500, 503), operation_id="rollout_status")
async def status(request: Request) -> Response:
    """Where the rollout stands: versions, step, limits, figures of both versions, and what happened before."""
    return json_response(await engine_of(request).rollout())


@router.post(
    "/rollback",
    response_model=Promoted,
    responses=errors(400, 404, 409, 413, 422, 500, 503, 507),
    openapi_extra=body(RollbackRequest, required=False),
    operation_id="roll_back_model",
)
async def roll_back(request: Request) -> Response:
    """Give up the candidate; without one, make the version before (or `to`) live again.

    **409**: there is nothing to go back to, or it cannot be served; nothing changes.
    """
    asked = await read_optional_body(request, RollbackRequest)
    engine = engine_of(request)
    await engine.roll_back(asked.to, actor=principal_of(request).actor)
    return json_response(await _where(engine))


@router.post(
    "/{version}/promote",
    response_model=Promoted,
    responses=errors(400, 404, 409, 413, 422, 500, 503, 507),
    openapi_extra=body(PromoteRequest, required=False),
    operation_id="promote_model",
)
async def promote(request: Request, version: Annotated[str, Path(examples=["20260102T030405-a1b2c3"])]) -> Response:
    """Make a version live after it was loaded and tried: at once, or (with a body) step by step and by itself.

    **409**: it cannot be served, or is live already; the live one stays.
    """
    asked = await read_optional_body(request, PromoteRequest)
    engine = engine_of(request)
    steps = engine.steps(shadow=asked.shadow, canary=asked.canary, seconds=asked.for_s, hold=asked.hold)
    await engine.promote(version, steps, guards=asked.guards, actor=principal_of(request).actor)
    return json_response(await _where(engine))


async def _where(engine: Engine) -> dict[str, Any]:
    found = await engine.rollout()
    return {name: found[name] for name in ("live", "candidate", "stage")}
