"""Visits of people who are not signed in."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from foretaste.api.bodies import read_body
from foretaste.api.documents import body, errors
from foretaste.api.errors import json_response
from foretaste.api.routes.shared import Category, Exclude, Explain, Limit, Scenario, answered, engine_of
from foretaste.schemas import Merged, MergeRequest, Recommendations

router = APIRouter(prefix="/api/v1", tags=["sessions"])


@router.get(
    "/recommendations/session/{session_id:path}",
    response_model=Recommendations,
    responses=errors(404, 422, 500, 503),
    operation_id="recommend_session",
)
async def recommend_session(
    request: Request,
    session_id: Annotated[str, Path(examples=["v-17"])],
    limit: Limit = None,
    explain: Explain = False,
    scenario: Scenario = "default",
    category: Category = None,
    exclude: Exclude = None,
) -> Response:
    """The list of an anonymous session, from the events that were posted with its `session_id` and no `user_id`.

    The newest events count most. A session without events gets what is popular, and `fallback` says `cold_user`.
    """
    answer = await engine_of(request).recommend_session(
        session_id, limit, scenario=scenario, exclude=exclude or (), category=category, explain=explain
    )
    return answered(request, answer)


@router.post(
    "/users/{user_id:path}/merge",
    response_model=Merged,
    responses=errors(400, 404, 413, 422, 500, 503, 507),
    openapi_extra=body(MergeRequest),
    operation_id="merge_session",
)
async def merge_session(request: Request, user_id: Annotated[str, Path(examples=["u-42"])]) -> Response:
    """Give the events of an anonymous session to the user who has signed in; both lists follow at once, in all workers.

    Doing it again moves only what was posted to the session meanwhile.
    """
    asked = await read_body(request, MergeRequest)
    session_id = str(asked.session_id)
    moved = await engine_of(request).merge_session(user_id, session_id)
    return json_response({"user_id": user_id, "session_id": session_id, "moved": moved})
