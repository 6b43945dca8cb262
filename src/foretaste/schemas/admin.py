"""Bodies about the service itself."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from foretaste.schemas.common import Body

Stage = Literal["idle", "shadow", "canary", "watch"]


class Health(Body):
    """How the service is."""

    status: Literal["ok", "degraded", "down"]
    """``degraded``: it answers, but a newer model was refused or the store failed lately."""
    ready: bool
    version: str
    """Of the program."""
    model_version: str | None
    models: list[str]
    store: str
    """``ok`` or what is wrong."""
    model: str
    """``ok``, ``none`` or why a newer version was refused."""
    uptime_s: float
    details: dict[str, Any]


class ModelVersionBody(Body):
    """One published version."""

    version: str
    is_live: bool
    created_at: float
    models: list[str]
    metrics: dict[str, Any]
    """Measured on data held out in training; empty when that was left out."""
    data: dict[str, Any]
    """What it learnt from."""
    size_bytes: int


class ModelList(Body):
    """All published versions, newest first."""

    live: str | None
    versions: list[ModelVersionBody]


class PromoteRequest(Body):
    """How a version goes live: at once by default, or step by step."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={"examples": [{"shadow": True, "canary": 0.05, "for_s": 600}, {}]},
    )

    shadow: bool = False
    """First let it answer a share of the requests aside, and compare its lists with those of the live version."""
    canary: float | None = Field(default=None, gt=0, lt=1)
    """Then show it to this share of the users, always the same ones."""
    for_s: float | None = Field(default=None, gt=0, le=30 * 86_400)
    """Shortest time of each of these steps in seconds; by default as the pipeline says."""
    hold: bool = False
    """Do not go live by itself after the last step, but wait to be promoted."""
    guards: dict[str, float] = Field(default_factory=dict)
    """Limits of this rollout that differ from the pipeline's, such as ``max_latency_factor``."""


class RollbackRequest(Body):
    """Where to go back to."""

    model_config = ConfigDict(extra="forbid")

    to: str | None = None
    """A version; by default the candidate is given up, or else the version before becomes live again."""


class Promoted(Body):
    """What serves now, and what is on its way."""

    live: str | None
    candidate: str | None
    stage: Stage


class VersionFigures(Body):
    """What was measured of one version in the step under way, over all workers."""

    lists: int
    p50_ms: float
    """Of the pipeline, not of the whole request."""
    p95_ms: float
    failed_share: float
    """Lists in which a source failed."""
    empty_share: float
    short_share: float
    """Lists of fewer items than asked for."""
    late_share: float
    """Canary lists that were not there in time and came from the other version."""
    compared: int
    """Lists compared in shadow."""
    overlap: float | None
    """Mean share of items that both versions' lists have in common."""
    rank_biased_overlap: float | None
    """The same with the first places counting most."""
    coverage_ratio: float | None
    """Different items shown, for each one that the other version shows."""


class RolloutEntry(Body):
    """Something that happened."""

    at: float
    """Seconds since 1970 UTC."""
    action: str
    """``begun``, ``canary``, ``swapped``, ``kept``, ``rolled_back``, ``refused`` or ``superseded``."""
    version: str | None
    why: str
    actor: str


class RefusedVersion(Body):
    """A version that this worker could not take up."""

    version: str
    why: str


class RolloutBody(Body):
    """Where the rollout stands."""

    live: str | None
    previous: str | None
    """Where a rollback goes to."""
    candidate: str | None
    stage: Stage
    share: float
    """Of the requests (shadow) or users (canary) that meet the candidate."""
    since: float | None
    """When the step began."""
    seconds: float | None
    """Its shortest length; null when it waits for a person or nothing is rolled out."""
    next_stages: list[Stage]
    guards: dict[str, float | str]
    """The limits that hold."""
    new: VersionFigures | None
    old: VersionFigures | None
    history: list[RolloutEntry]
    """Latest first."""
    refused: RefusedVersion | None
