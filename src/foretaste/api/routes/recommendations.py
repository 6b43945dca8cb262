"""Lists: for users, for visits, for items, for everybody."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from foretaste.api.bodies import read_body
from foretaste.api.documents import body, errors
from foretaste.api.errors import json_response, request_id
from foretaste.api.routes.shared import (
    Category,
    Context,
    Exclude,
    Explain,
    Limit,
    Scenario,
    Trace,
    TraceItems,
    answered,
    context_of,
    engine_of,
    need,
    traced,
)
from foretaste.schemas import HistoryRequest, Recommendations, RecommendationsOfUsers, UsersRequest
from foretaste.serving.config import Kind

router = APIRouter(prefix="/api/v1", tags=["recommendations"])


@router.get(
    "/recommendations/user/{user_id:path}",
    response_model=Recommendations,
    responses=errors(404, 422, 500, 503),
    operation_id="recommend_user",
)
async def recommend_user(
    request: Request,
    user_id: Annotated[str, Path(examples=["u-42"])],
    limit: Limit = None,
    explain: Explain = False,
    scenario: Scenario = "default",
    category: Category = None,
    exclude: Exclude = None,
    context: Context = None,
    trace: Trace = False,
    trace_items: TraceItems = None,
) -> Response:
    """The list of one user, from all that is known of them at this moment.

    A user of whom nothing is known gets what is popular, and `fallback` says `cold_user`. With `trace` the list is made
    anew, and `trace` says of the items in `trace_items` why they are where they are, or what left them out.
    """
    known = context_of(context)
    if trace:
        need(request, "admin", "trace")
        made = await engine_of(request).trace(
            user_id,
            limit,
            item_ids=trace_items or (),
            scenario=scenario,
            context=known,
            exclude=exclude or (),
            category=category,
            explain=explain,
        )
        return traced(request, made)
    answer = await engine_of(request).recommend(
        user_id, limit, scenario=scenario, context=known, exclude=exclude or (), category=category, explain=explain
    )
    return answered(request, answer)


@router.post(
    "/recommendations",
    response_model=Recommendations,
    responses=errors(400, 413, 422, 500, 503),
    openapi_extra=body(HistoryRequest),
    operation_id="recommend_history",
)
async def recommend_history(request: Request) -> Response:
    """A list for somebody unknown, or for a visit, from what they did."""
    asked = await read_body(request, HistoryRequest)
    answer = await engine_of(request).recommend_for_history(
        [entry if isinstance(entry, str) else entry.model_dump(exclude_none=True) for entry in asked.history],
        asked.limit,
        scenario=asked.scenario,
        context=asked.context,
        exclude=asked.exclude,
        category=asked.category,
        explain=asked.explain,
    )
    return answered(request, answer)


@router.post(
    "/recommendations/users",
    response_model=RecommendationsOfUsers,
    responses=errors(400, 413, 422, 500, 503),
    openapi_extra=body(UsersRequest),
    operation_id="recommend_users",
)
async def recommend_users(request: Request) -> Response:
    """The lists of many users at once, in the order asked for."""
    asked = await read_body(request, UsersRequest)
    answers = await engine_of(request).recommend_many(
        asked.user_ids, asked.limit, scenario=asked.scenario, exclude=asked.exclude, explain=asked.explain
    )
    identity = request_id(request)
    lists = [{**asdict(answer), "request_id": identity} for answer in answers]
    return json_response({"lists": lists, "request_id": identity})


@router.get(
    "/items/{item_id:path}/similar",
    response_model=Recommendations,
    responses=errors(404, 422, 500, 503),
    operation_id="similar_items",
)
async def similar_items(
    request: Request,
    item_id: Annotated[str, Path(examples=["p-7"])],
    limit: Limit = None,
    explain: Explain = False,
) -> Response:
    """Items that resemble one item, the most similar first."""
    return answered(request, await engine_of(request).similar_items(item_id, limit, explain=explain))


@router.get(
    "/recommendations/{kind}",
    response_model=Recommendations,
    responses=errors(422, 500, 503),
    operation_id="ranked",
)
async def ranked(
    request: Request,
    kind: Kind,
    limit: Limit = None,
    category: Category = None,
    explain: Explain = False,
) -> Response:
    """The list that is the same for everybody: `popular`, `trending` or `new`, in one category where asked."""
    return answered(request, await engine_of(request).ranked(kind, limit, category=category, explain=explain))
