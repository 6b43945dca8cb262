"""Single parameters, and commands."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from foretaste.api.bodies import read_body
from foretaste.api.documents import body, errors
from foretaste.api.errors import InvalidRequestError, json_response
from foretaste.api.routes.shared import engine_of
from foretaste.schemas import CommandDone, CommandRequest, SettingRequest, SettingsBody, SettingSet
from foretaste.serving.engine import Engine

router = APIRouter(prefix="/api/v1", tags=["admin"])


@router.get("/settings", response_model=SettingsBody, responses=errors(500, 503), operation_id="list_settings")
async def list_settings(request: Request) -> Response:
    """Every parameter of the live pipeline that can be set while the service runs, and those that were."""
    return json_response(await engine_of(request).commands.parameters())


@router.put(
    "/settings",
    response_model=SettingSet,
    responses=errors(400, 404, 409, 413, 422, 500, 503, 507),
    openapi_extra=body(SettingRequest),
    operation_id="put_setting",
)
async def put_setting(request: Request) -> Response:
    """Set one parameter, or take it back (`null`). The next list of every worker follows.

    **422**: there is no such parameter, or its value is wrong; nothing changes. **404**: it was not set. **409**:
    somebody else set one in the same moment.
    """
    asked = await read_body(request, SettingRequest)
    commands = engine_of(request).commands
    request.scope["audit"] = {"parameter_name": asked.parameter_name, "value": asked.value}
    version = await commands.set_parameters({asked.parameter_name: asked.value})
    value = (await commands.parameters())["parameters"].get(asked.parameter_name)
    return json_response({"parameter_name": asked.parameter_name, "value": value, "version": version})


@router.get("/commands", response_model=CommandDone, responses=errors(500, 503), operation_id="command_status")
async def status(request: Request) -> Response:
    """What serves, and whether somebody trains."""
    engine = engine_of(request)
    return json_response(await _state(engine, "status"))


@router.post(
    "/commands",
    response_model=CommandDone,
    responses=errors(400, 409, 413, 422, 500, 503, 507),
    openapi_extra=body(CommandRequest),
    operation_id="command",
)
async def command(request: Request) -> Response:
    """Have something done: `reload`, `retrain` or `set_weights`.

    A training begins within two seconds, in a process of its own, and goes live as one of the schedule does; `GET` says
    when it has ended. **409**: no process of this service trains.
    """
    asked = await read_body(request, CommandRequest)
    engine = engine_of(request)
    request.scope["audit"] = asked.model_dump(exclude_defaults=True)
    if (asked.command == "set_weights") != bool(asked.weights):
        raise InvalidRequestError(
            f"command {asked.command!r} with weights {dict(asked.weights)}",
            hint="weights belong to set_weights, which needs at least one",
        )
    if asked.command == "reload":
        await engine.commands.reload()
    elif asked.command == "retrain":
        await engine.commands.retrain()
    else:
        await engine.commands.set_parameters({f"sources.{name}.weight": w for name, w in asked.weights.items()})
    return json_response(await _state(engine, asked.command))


async def _state(engine: Engine, done: str) -> dict[str, Any]:
    version = (await engine.status()).model_version
    return {"command": done, "model_version": version, "training": await engine.commands.training()}
