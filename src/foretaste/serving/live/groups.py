"""Whose actions are counted together: by the situation of a request and by what is known of its user."""

import math
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from foretaste.validation import first_fault

LIVE_KINDS = ("live_popular", "live_trending", "context_popular", "segment_popular")
"""Kinds of sources that live counters feed."""
MAX_VALUE = 64
"""Longest value, in characters, that makes a group."""
BAND = 10
"""Width of the bands in which numbers (such as ages) are counted."""
_HOURS = ("night", "morning", "afternoon", "evening")


class CountersConfig(BaseModel):
    """What live counters count, and how fast they forget. They run only where a source of the pipeline uses them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    half_life_hours: PositiveFloat = 24.0
    """After this time an event counts half for popularity."""
    trend_half_life_hours: PositiveFloat = 2.0
    """The same for what is taken of late; shorter than ``half_life_hours``."""
    context: tuple[str, ...] = ("device", "location", "hour")
    """Keys of the context of events and requests by whose values counts are kept; ``hour`` means four bands of the day
    (UTC) and needs not be sent."""
    attributes: tuple[str, ...] = ()
    """Attributes of users by whose values counts are kept: texts, true and false, and numbers in bands of ten."""
    window_events: PositiveInt = Field(default=100_000, le=5_000_000)
    """Newest events of the store from which a worker that starts counts."""
    most_counts: PositiveInt = Field(default=500_000, ge=1000)
    """Pairs of group and item that are kept (24 bytes each and ids); beyond it the smallest counts are dropped."""
    most_values: PositiveInt = 1000
    """Different values of one key that are told apart; further ones are not counted by themselves."""
    keep_s: PositiveFloat = 10.0
    """Longest time for which a list that rests on counters is served from a cache."""

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if self.trend_half_life_hours >= self.half_life_hours:
            raise ValueError(
                f"trend_half_life_hours = {self.trend_half_life_hours} must be less than half_life_hours = "
                f"{self.half_life_hours}"
            )
        if len(set(self.keys)) < len(self.keys):
            raise ValueError(f"{max(self.keys, key=self.keys.count)!r} is named twice among context and attributes")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys by which counts are kept."""
        return (*self.context, *self.attributes)


class LiveSourceConfig(BaseModel):
    """Parameters of a source that live counters feed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    keys: tuple[str, ...] | None = None
    """Keys of ``[counters]`` whose values, as the request and its user have them, say whose actions count; by default
    none for ``live_popular`` and ``live_trending`` (everybody's), all keys of the context for ``context_popular``, all
    attributes for ``segment_popular``."""
    smoothing: PositiveFloat = 20.0
    """Weight of what everybody takes that is mixed into each group, so that a group of a few is no oracle; for trends
    the weight that it takes for an item to count as one."""

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "LiveSourceConfig":
        """From the keys of a ``[[sources]]`` table.

        Raises:
            ValueError: names the parameter, the value and what is wrong.
        """
        try:
            return cls(**parameters)
        except ValidationError as exc:
            fault = first_fault(exc)
            raise ValueError(f"{fault.place} = {fault.value!r}: {fault.message}") from exc

    def wanted(self, kind: str, config: CountersConfig) -> tuple[str, ...]:
        """The keys by which a source of this kind counts."""
        if self.keys is not None:
            return self.keys
        return {"context_popular": config.context, "segment_popular": config.attributes}.get(kind, ())

    def check(self, name: str, kind: str, config: CountersConfig) -> None:
        """See that what the source asks for is counted.

        Raises:
            ValueError: names the source, the key and the keys that there are.
        """
        wanted = self.wanted(kind, config)
        missing = [key for key in wanted if key not in config.keys]
        if missing:
            raise ValueError(
                f"source {name!r} asks for the key {missing[0]!r}, which [counters] does not count: "
                f"{', '.join(config.keys)}"
            )
        if not wanted and kind in {"context_popular", "segment_popular"}:
            place = "context" if kind == "context_popular" else "attributes"
            raise ValueError(f"source {name!r} counts by no key: name some under {place} in [counters]")


def groups_of(
    config: CountersConfig, context: Mapping[str, Any], attributes: Mapping[str, Any], moment: float
) -> dict[str, str]:
    """The value of each key that is known in one situation; ``moment`` is in seconds since 1970 UTC.

    >>> groups_of(CountersConfig(attributes=("age",)), {"device": "phone"}, {"age": 34}, 50_000.0)
    {'device': 'phone', 'hour': 'afternoon', 'age': '30'}
    """
    found = {}
    for key in config.context:
        value = hour_of(context.get(key), moment) if key == "hour" else text_of(context.get(key))
        if value is not None:
            found[key] = value
    for key in config.attributes:
        value = text_of(attributes.get(key))
        if value is not None:
            found[key] = value
    return found


def text_of(value: Any) -> str | None:
    """A value as the name of a group; None for one that makes none (missing, a list, an object, a long text)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(math.floor(value / BAND) * BAND) if math.isfinite(value) and abs(value) < 1e15 else None
    if isinstance(value, str):
        text = value.strip().lower()
        return text if 0 < len(text) <= MAX_VALUE else None
    return None


def hour_of(value: Any, moment: float) -> str:
    """The part of the day: as sent (a number is an hour from 0 to 23), else that of ``moment`` in UTC."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 24:
        return _HOURS[int(value) // 6]
    said = text_of(value) if isinstance(value, str) else None
    return _HOURS[int(moment // 3600 % 24) // 6] if said is None else said
