"""Rules and scenarios: what a shop sets while the service runs."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from foretaste.api.bodies import read_body
from foretaste.api.documents import body, errors
from foretaste.api.errors import json_response
from foretaste.api.routes.shared import engine_of
from foretaste.schemas import RulesBody, RulesRequest, RulesSet, ScenarioRequest, ScenariosBody, ScenarioSet

router = APIRouter(prefix="/api/v1", tags=["rules"])
Name = Annotated[str, Path(max_length=100, examples=["home"])]


@router.get("/rules", response_model=RulesBody, responses=errors(500, 503), operation_id="list_rules")
async def list_rules(request: Request) -> Response:
    """The shop's rules, and those of the live pipeline that hold beside them."""
    return json_response(await engine_of(request).rules.rules())


@router.put(
    "/rules",
    response_model=RulesSet,
    responses=errors(400, 409, 413, 422, 500, 503, 507),
    openapi_extra=body(RulesRequest),
    operation_id="put_rules",
)
async def put_rules(request: Request) -> Response:
    """Replace all of the shop's rules. The next list of every worker keeps to them.

    **422** names the rule, the field and the place in an expression; nothing changes. **409**: `version` is not the
    one that is there.
    """
    asked = await read_body(request, RulesRequest)
    version, effects = await engine_of(request).rules.put_rules(asked.rules, expected_version=asked.version)
    return json_response({"version": version, "effects": [asdict(one) for one in effects]})


@router.post(
    "/rules/check",
    response_model=RulesSet,
    responses=errors(400, 413, 422, 500, 503),
    openapi_extra=body(RulesRequest),
    operation_id="check_rules",
)
async def check_rules(request: Request) -> Response:
    """What rules would do, without setting them: how many items each hides, boosts or pins."""
    asked = await read_body(request, RulesRequest)
    effects = engine_of(request).rules.check(asked.rules)
    return json_response({"version": None, "effects": [asdict(one) for one in effects]})


@router.get("/scenarios", response_model=ScenariosBody, responses=errors(500, 503), operation_id="list_scenarios")
async def list_scenarios(request: Request) -> Response:
    """The scenarios that the shop has set, and those of the live pipeline."""
    return json_response(await engine_of(request).rules.scenarios())


@router.put(
    "/scenarios/{name}",
    response_model=ScenarioSet,
    responses=errors(400, 404, 409, 413, 422, 500, 503, 507),
    openapi_extra=body(ScenarioRequest),
    operation_id="put_scenario",
)
async def put_scenario(request: Request, name: Name) -> Response:
    """Set a scenario: its sources, rules and rerankers in the place of the pipeline's. The next list follows it."""
    asked = await read_body(request, ScenarioRequest)
    version = await engine_of(request).rules.put_scenario(name, asked.model_extra or {})
    return json_response({"version": version})


@router.delete(
    "/scenarios/{name}",
    response_model=ScenarioSet,
    responses=errors(404, 409, 422, 500, 503, 507),
    operation_id="delete_scenario",
)
async def delete_scenario(request: Request, name: Name) -> Response:
    """Take back what was set for a scenario; the pipeline's own holds again."""
    return json_response({"version": await engine_of(request).rules.delete_scenario(name)})
