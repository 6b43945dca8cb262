"""Kinds of sources for those of whom models know little, and their settings."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt, ValidationError

from foretaste.validation import first_fault

FRIENDS = "friends_popular"


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ArrivalsConfig(_Settings):
    """Settings of the source ``arrivals``."""

    half_life: PositiveFloat = 10.0
    """Events back at which an event of the history counts half of the newest."""
    most_events: PositiveInt = 50
    """Newest events that make the profile."""
    least: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Cosine of profile and item that an item must exceed."""
    most: PositiveInt = 20_000
    """Arrivals that are looked at, the latest first."""


class InterestsConfig(_Settings):
    """Settings of the source ``interests``."""

    attribute: str = Field(default="interests", min_length=1, max_length=256)
    """The user's attribute that holds declared interests."""
    popularity_share: NonNegativeFloat = 0.5
    """How much popularity counts among items that match alike; 0: not at all."""


class FriendsConfig(_Settings):
    """Settings of the source ``friends_popular``."""

    attribute: str = Field(default="friends", min_length=1, max_length=256)
    """The user's attribute that holds the ids of friends, or of those whom they follow."""
    half_life_days: PositiveFloat = 7.0
    """An action counts half as much after this time."""


COLD_KINDS: Mapping[str, type[BaseModel]] = {
    "arrivals": ArrivalsConfig,
    "interests": InterestsConfig,
    FRIENDS: FriendsConfig,
}
"""Kind → its settings."""


def check_settings(kind: str, values: Mapping[str, Any]) -> None:
    """Check the settings of a source of one of these kinds.

    Raises:
        ValueError: names the setting, its value and what is wrong.
    """
    settings = COLD_KINDS[kind]
    try:
        settings(**values)
    except ValidationError as exc:
        fault, valid = first_fault(exc), ", ".join(settings.model_fields)
        raise ValueError(f"{fault.place} = {fault.value!r} of kind {kind!r}: {fault.message} (it has {valid})") from exc
