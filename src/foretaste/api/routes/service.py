"""The service itself: health, figures, and the page that shows it at work."""

from dataclasses import asdict
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from foretaste.api.documents import errors
from foretaste.api.errors import json_response
from foretaste.api.routes.shared import engine_of
from foretaste.schemas import Health
from foretaste.serving.answers import Status

service = APIRouter(tags=["service"])
_DOWN: dict[int | str, dict[str, Any]] = {503: {"model": Health, "description": "It cannot answer now."}, **errors(500)}


@service.get("/health", response_model=Health, responses=_DOWN, operation_id="health")
@service.get("/api/v1/health", response_model=Health, responses=_DOWN, operation_id="health_v1")
async def health(request: Request) -> Response:
    """How the service is; 503 when it cannot store or answer."""
    status = await engine_of(request).status()
    return json_response(await _health(request, status), status=503 if status.state == "down" else 200)


@service.get("/ready", response_model=Health, responses=_DOWN, operation_id="ready")
async def ready(request: Request) -> Response:
    """Whether requests may be sent here; 503 when not."""
    status = await engine_of(request).status()
    return json_response(await _health(request, status), status=200 if status.ready else 503)


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
    return HTMLResponse((files("foretaste.api") / "page.html").read_text(encoding="utf-8"))


async def _health(request: Request, status: Status) -> dict[str, Any]:
    """How the service is; to strangers, where a key is needed, only what a load balancer must know."""
    values = asdict(status)
    values["status"] = values.pop("state")
    if not await request.app.state.gate.knows(request.scope):
        working = {part: "ok" if values[part] == "ok" else "failing" for part in ("store", "model")}
        values |= {"model_version": None, "models": [], "details": {}, **working}
    return values
