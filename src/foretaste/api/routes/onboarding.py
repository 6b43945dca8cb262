"""The questionnaire for newcomers."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from foretaste.api.bodies import read_body
from foretaste.api.documents import body, errors
from foretaste.api.errors import InvalidRequestError, json_response, request_id
from foretaste.api.routes.shared import engine_of
from foretaste.schemas import OnboardingAnswers, OnboardingBody, OnboardingStored

router = APIRouter(prefix="/api/v1", tags=["onboarding"])


@router.get("/onboarding", response_model=OnboardingBody, responses=errors(422, 500, 503), operation_id="onboarding")
async def questions(
    request: Request,
    user_id: Annotated[str, Query(min_length=1, max_length=256, examples=["u-42"])],
    limit: Annotated[int, Query(ge=1, le=50, description="How many items to ask about.")] = 5,
) -> Response:
    """The items to ask a newcomer about next: those whose answers would tell most of their taste.

    They follow from everything known of the person: each answer, and each thing done elsewhere, changes the next ones.
    """
    return json_response(await _next(request, user_id, limit))


@router.post(
    "/onboarding",
    response_model=OnboardingStored,
    responses=errors(400, 404, 413, 422, 500, 503, 507),
    openapi_extra=body(OnboardingAnswers),
    operation_id="answer_onboarding",
)
async def answers(request: Request) -> Response:
    """Store answers and declared interests; gives the next questions, and the list that follows from the answers.

    They are durable when this is answered, and sending them again changes nothing. **404**: an item does not exist;
    nothing is stored.
    """
    asked = await read_body(request, OnboardingAnswers)
    if not asked.answers and not asked.interests:
        raise InvalidRequestError("there are neither answers nor interests", hint="send at least one of them")
    user_id, opinions = str(asked.user_id), {str(one.item_id): one.answer for one in asked.answers}
    if len(opinions) < len(asked.answers):
        item_ids = [str(one.item_id) for one in asked.answers]
        twice = max(item_ids, key=item_ids.count)
        raise InvalidRequestError(f"item {twice!r} is answered twice", hint="send one answer an item")
    engine = engine_of(request)
    stored = await engine.onboarding.answer(user_id, opinions, asked.interests)
    found: dict[str, Any] | None = None
    if asked.recommendations:
        answer = await engine.recommend(user_id, asked.recommendations, explain=True)
        found = {**asdict(answer), "request_id": request_id(request)}
    following = await _next(request, user_id, asked.limit)
    return json_response({**following, "stored": stored, "recommendations": found})


async def _next(request: Request, user_id: str, limit: int) -> dict[str, Any]:
    found = await engine_of(request).onboarding.questionnaire(user_id, limit)
    return {**asdict(found), "request_id": request_id(request)}
