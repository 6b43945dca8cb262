"""What a shop's pages ask for: lists in the short form, and people alike."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from foretaste.api.documents import errors
from foretaste.api.errors import json_response, request_id
from foretaste.api.routes.shared import Limit, Scenario, engine_of
from foretaste.schemas import ShopRecommendations, SimilarUsersBody

router = APIRouter(tags=["shop"])


@router.get(
    "/recommend/{user_id:path}",
    response_model=ShopRecommendations,
    responses=errors(404, 422, 500, 503),
    operation_id="shop_recommend",
)
async def shop_recommend(
    request: Request,
    user_id: Annotated[str, Path(examples=["u-42"])],
    limit: Limit = None,
    scenario: Scenario = "default",
) -> Response:
    """The list of one user as pairs of item and score; the same list as `/api/v1/recommendations/user/{user_id}`."""
    answer = await engine_of(request).recommend(user_id, limit, scenario=scenario)
    pairs = [[item.item_id, item.score] for item in answer.items]
    return json_response({"user_id": answer.user_id, "recommendations": pairs})


@router.get(
    "/api/v1/users/{user_id:path}/similar",
    response_model=SimilarUsersBody,
    responses=errors(404, 422, 500, 503),
    operation_id="similar_users",
    tags=["users"],
)
async def similar_users(
    request: Request, user_id: Annotated[str, Path(examples=["u-42"])], limit: Limit = None
) -> Response:
    """Users who resemble one user, the most alike first: by a model of users' tastes, else by the items they share.

    **404**: neither the store nor the models know the user.
    """
    found = await engine_of(request).similar_users(user_id, limit)
    return json_response(
        {
            "user_id": user_id,
            "users": [{"user_id": i, "score": s} for i, s in zip(found.user_ids, found.scores, strict=True)],
            "source": found.source,
            "model_version": found.model_version,
            "request_id": request_id(request),
        }
    )
