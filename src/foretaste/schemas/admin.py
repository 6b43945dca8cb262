"""Bodies about the service itself."""

from typing import Any, Literal

from foretaste.schemas.common import Body


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


class Promoted(Body):
    """The version that is live now."""

    live: str
