"""Bodies of the shop's front end and of visits that become users."""

from typing import Annotated

from pydantic import ConfigDict, Field, WithJsonSchema

from foretaste.schemas.common import Body, OutsideId

_Pair = Annotated[
    tuple[str, float],
    WithJsonSchema({"type": "array", "items": {"type": ["string", "number"]}, "minItems": 2, "maxItems": 2}),
]
"""An item's id and its score. Described without ``prefixItems``, which many readers of API documents do not know."""


class ShopRecommendations(Body):
    """A list in the short form that shop front ends read: pairs of item and score, best first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"user_id": "u-42", "recommendations": [["p-7", 0.93], ["p-9", 0.81]]}]},
    )

    user_id: str
    recommendations: list[_Pair]


class MergeRequest(Body):
    """Names the visit that turned out to be this user's."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"session_id": "v-17"}]},
    )

    session_id: OutsideId | int = Field(examples=["v-17"])
    """The session whose events, posted without a user, become the user's."""


class Merged(Body):
    """What became of a merge."""

    user_id: str
    session_id: str
    moved: int
    """Events moved by this call; 0 when they had been moved before, or there were none."""


class SimilarUser(Body):
    """Somebody alike."""

    user_id: str
    score: float
    """Comparable within this list only."""


class SimilarUsersBody(Body):
    """Users like one user, most alike first."""

    user_id: str
    users: list[SimilarUser]
    source: str
    """The model that knows it, or ``shared_items``."""
    model_version: str | None
    request_id: str = ""
