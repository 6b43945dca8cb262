"""Anonymous sessions: in a visit, what was done last says most of what is wanted now."""

from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from foretaste.serving.live.users import History


class SessionConfig(BaseModel):
    """How much each event of an anonymous session counts, by its place from the newest (0)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    half_life: PositiveFloat = 6.0
    """Events back at which the part above ``least`` has halved."""
    least: float = Field(default=0.2, gt=0.0, le=1.0)
    """What even the oldest event counts, the newest being 1; 1 weighs all alike."""


def in_session(history: History, config: SessionConfig) -> History:
    """The history of a session with the newest events counting most.

    The event at place p from the newest counts ``least + (1 - least) · 2^(-p / half_life)``: a decay over position, as
    in session neighbourhoods (Ludewig, Jannach 2018, doi:10.1007/s11257-018-9209-6), not over time, so that a visit
    that is taken up again after lunch goes on where it was.

    >>> history = History(("a", "b"), (1.0, 1.0), (0.0, 1.0))
    >>> in_session(history, SessionConfig(half_life=1.0, least=0.5)).importance
    (0.75, 1.0)
    """
    n = len(history.item_ids)
    shares = (2.0 ** -((n - 1 - place) / config.half_life) for place in range(n))
    return replace(history, importance=tuple(config.least + (1.0 - config.least) * share for share in shares))
