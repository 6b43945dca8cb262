"""Bodies of what administrators set and have done."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from foretaste.schemas.common import Body


class SettingRequest(Body):
    """One parameter of the live pipeline."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"parameter_name": "sources.item_knn.weight", "value": 0.8}]},
    )

    parameter_name: str = Field(min_length=1, max_length=300)
    """One of those that `GET` lists, such as ``merge.damping`` or ``sources.item_knn.weight``."""
    value: Any = Field(json_schema_extra={"examples": [0.8]})
    """Null takes back what was set, so that the pipeline's own value holds again."""


class SettingSet(Body):
    """What became of a parameter."""

    parameter_name: str
    value: Any
    """What serves now; null where that pipeline has none."""
    version: int
    """Grows with every parameter that is set."""


class SettingsBody(Body):
    """Every parameter that can be set while the service runs."""

    parameters: dict[str, Any]
    """Name → the value that serves now."""
    set: dict[str, Any]
    """Those that were set, over the pipeline's own."""
    version: int
    """Grows with every parameter that is set; 0 when none ever was."""


class CommandRequest(Body):
    """What is to be done."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"command": "reload"},
                {"command": "retrain"},
                {"command": "set_weights", "weights": {"item_knn": 0.8}},
            ]
        },
    )

    command: Literal["reload", "retrain", "set_weights"]
    """``reload``: look for another live version, changed items and settings now. ``retrain``: train as soon as nobody
    trains. ``set_weights``: say how much sources count.
    """
    weights: dict[str, float] = Field(default={}, max_length=50)
    """Source → weight, above 0; for ``set_weights`` alone."""


class TrainingBody(Body):
    """Training on schedule and by command."""

    is_running: bool
    is_wanted: bool
    """A command waits to be met."""
    ended_at: float | None
    """When the last one ended, or counting began; seconds since 1970 UTC."""
    error: str | None
    """Why the last one failed."""


class CommandDone(Body):
    """What a command came to."""

    command: str
    model_version: str | None
    """The version that serves; null before the first training."""
    training: TrainingBody
