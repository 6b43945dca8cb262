"""The service itself: models, health, figures, and the page that shows it at work."""

from dataclasses import asdict
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse, Response

from foretaste.api.documents import errors
from foretaste.api.errors import json_response
from foretaste.api.routes.shared import engine_of
from foretaste.schemas import Health, ModelList, Promoted
from foretaste.serving.answers import Status

models = APIRouter(prefix="/api/v1/models", tags=["models"])
service = APIRouter(tags=["service"])
_DOWN: dict[int | str, dict[str, Any]] = {503: {"model": Health, "description": "It cannot answer now."}, **errors(500)}
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


@models.get("", response_model=ModelList, responses=errors(500, 503), operation_id="list_models")
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


@models.post(
    "/{version}/promote",
    response_model=Promoted,
    responses=errors(404, 409, 422, 500, 503, 507),
    operation_id="promote_model",
)
async def promote(request: Request, version: Annotated[str, Path(examples=["20260102T030405-a1b2c3"])]) -> Response:
    """Make a version live, after it was loaded and tried. **409**: it cannot be served; the live one stays."""
    described = await engine_of(request).promote(version)
    return json_response({"live": described.version})


@service.get("/health", response_model=Health, responses=_DOWN, operation_id="health")
@service.get("/api/v1/health", response_model=Health, responses=_DOWN, operation_id="health_v1")
async def health(request: Request) -> Response:
    """How the service is; 503 when it cannot store or answer."""
    status = await engine_of(request).status()
    return json_response(_health(status), status=503 if status.state == "down" else 200)


@service.get("/ready", response_model=Health, responses=_DOWN, operation_id="ready")
async def ready(request: Request) -> Response:
    """Whether requests may be sent here; 503 when not."""
    status = await engine_of(request).status()
    return json_response(_health(status), status=200 if status.ready else 503)


@service.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text."}},
)
async def metrics(request: Request) -> Response:
    """All figures of this process in Prometheus' text form."""
    figures = engine_of(request).metrics
    return Response(figures.text(), media_type=figures.content_type)


@service.get("/", include_in_schema=False)
async def page() -> Response:
    """The page that shows the service at work."""
    return HTMLResponse((files("foretaste.api") / "page.html").read_text(encoding="utf-8"), headers=_PAGE_HEADERS)


def _health(status: Status) -> dict[str, Any]:
    values = asdict(status)
    values["status"] = values.pop("state")
    return values
