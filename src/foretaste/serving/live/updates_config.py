"""How the live models learn between two trainings."""

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt


class UpdatesConfig(BaseModel):
    """The ``[updates]`` part of a pipeline; see ``docs/serving/live-events.md``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    every_s: PositiveFloat | None = None
    """Seconds between two updates; without it there are none, as each one makes all lists in the caches old."""
    most_events: PositiveInt = 200_000
    """Events after which a version takes in no more: then it is time to train."""
