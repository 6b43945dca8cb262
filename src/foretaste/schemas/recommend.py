"""Bodies of recommendations."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from foretaste.schemas.common import Body, OutsideId

Limit = Annotated[int, Field(ge=1, le=1000, examples=[10])]


class RecommendedItem(Body):
    """One place of a list."""

    item_id: str
    score: float
    """Comparable within this list only."""
    rank: int
    """From 1."""
    title: str | None = None
    """Readable name, where the catalogue has one."""
    source: str = ""
    """Model (or ``catalogue``) that gave it; ``pinned`` where a rule put it there, ``rare`` where exploration took it
    because few people did."""
    reason: str | None = None
    """Why, in a sentence; null unless ``explain`` was asked for."""
    explored: bool = False
    """Exploration put it there, to learn from what is done with it; absent for all others."""
    propensity: float | None = None
    """Of an explored item, the chance that it was taken for its place; absent for all others."""


class SkippedSource(Body):
    """A source that gave nothing, or a stage (`ranking`, `rerank`, `explore`) that was passed over."""

    source: str
    why: Literal["error", "late", "paused", "empty", "missing"]
    """It raised; it was not there in time; it is left alone for a while after trouble; it had nothing; it is not there.
    """


class TracedPlace(Body):
    """Where an item stood after a source or a stage."""

    name: str
    """The source; or `merged`, `ranking`, `rules` (boosts), `rerank KIND`, `pins and caps`, `explore`."""
    rank: int
    """From 1."""
    score: float | None


class TracedItem(Body):
    """How one item came to its place, or what left it out."""

    item_id: str
    rank: int | None
    """From 1; null when it is not in the list."""
    source: str | None
    """What gave it to the list."""
    found_by: list[TracedPlace]
    """Its place among the candidates of each source that gave it."""
    stages: list[TracedPlace]
    """Its place after each stage that ordered the candidates."""
    left_out: list[str]
    """Why it is not in the list: `unknown item`, `unavailable`, `seen`, `excluded by the request`, `filter of the
    request`, `no source gave it`, `below the pool`, `below the list: candidate N`, `rule 'NAME'` or `cap 'NAME'`.
    """
    features: dict[str, float]
    """What each feature of the ranking added to its score, where the ranking weighs features."""


class Recommendations(Body):
    """One list, with everything that made it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "item_id": "p-7",
                            "score": 0.93,
                            "rank": 1,
                            "title": "Trail shoe",
                            "source": "item_knn",
                            "reason": "Because of Running socks",
                        }
                    ],
                    "user_id": "u-42",
                    "item_id": None,
                    "session_id": None,
                    "scenario": "home",
                    "model_version": "20260102T030405-a1b2c3",
                    "sources": ["item_knn"],
                    "fallback": "none",
                    "fallbacks": [],
                    "degraded": False,
                    "short_by": 0,
                    "recommendation_id": "0d9f2c1b7e6a4b3c8d5e4f3a2b1c0d9e",
                    "experiment": None,
                    "request_id": "5f1c7d0e9b3a4d52",
                }
            ]
        },
    )

    items: list[RecommendedItem]
    user_id: str | None = None
    item_id: str | None = None
    """The item asked for, in a list of similar items."""
    session_id: str | None = None
    """The anonymous session that the list is for."""
    scenario: str
    model_version: str | None
    """Null before the first training."""
    sources: list[str]
    """Sources of the items shown."""
    fallback: Literal["none", "cold_user", "new_item", "no_model", "model_error", "store_error", "too_few"]
    """Why the fallback chain was used: nothing known of the user; no model ranks the item yet; nothing is trained; a
    model failed; the store failed; the sources gave too few.
    """
    fallbacks: list[SkippedSource]
    """Sources that were asked and gave nothing."""
    degraded: bool
    """Something failed on the way; the list is valid all the same."""
    short_by: int
    """Items fewer than asked for, because no more may be shown."""
    recommendation_id: str
    """Send it back with events on these items."""
    experiment: str | None = None
    """What chose the version for this user, such as ``canary:VERSION``; null when nothing did."""
    request_id: str = ""
    timings_ms: dict[str, float] | None = None
    """Stage → milliseconds; only with `trace`."""
    trace: list[TracedItem] | None = None
    """The items asked about; only with `trace`."""


class HistoryEntry(Body):
    """One thing that somebody did."""

    model_config = ConfigDict(extra="allow")

    item_id: OutsideId
    type: str | None = None
    value: float | None = None
    timestamp: float | str | None = None


class HistoryRequest(Body):
    """Asks for a list for somebody unknown, or for a visit, from what they did."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {"history": ["p-7", "p-9"], "limit": 10, "explain": True},
                {"history": [{"item_id": "p-7", "type": "purchase"}], "exclude": ["p-1"]},
            ]
        },
    )

    history: list[OutsideId | HistoryEntry] = Field(max_length=1000)
    """Item ids, or objects like interactions, oldest first; may be empty."""
    limit: Limit | None = None
    """Length of the list."""
    scenario: str = Field(default="default", max_length=100)
    exclude: list[OutsideId] = Field(default_factory=list, max_length=10_000)
    """Item ids that may not be in the list."""
    category: str | None = Field(default=None, max_length=256)
    """Only items of this category."""
    explain: bool = False
    context: dict[str, Any] = Field(default_factory=dict)


class UsersRequest(Body):
    """Asks for the lists of many users at once."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"user_ids": ["u-42", "u-43"], "limit": 10}]},
    )

    user_ids: list[OutsideId] = Field(min_length=1, max_length=1000)
    limit: Limit | None = None
    scenario: str = Field(default="default", max_length=100)
    exclude: list[OutsideId] = Field(default_factory=list, max_length=10_000)
    explain: bool = False


class RecommendationsOfUsers(Body):
    """Lists in the order of the users asked for."""

    lists: list[Recommendations]
    request_id: str = ""
