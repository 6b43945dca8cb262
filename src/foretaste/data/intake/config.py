"""The settings of a data set's making: what counts, how much, and what is left out."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from foretaste.data.dataset import FeatureType
from foretaste.data.weights import ActionWeights, default_weights
from foretaste.errors import ConfigurationError

Finite = Annotated[float, Field(allow_inf_nan=False)]
ValueKind = Literal["rating", "weight"]


class BuildConfig(BaseModel):
    """How interactions become a data set; every rule that drops rows counts them in the report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action_weights: ActionWeights = Field(default_factory=default_weights)
    """Weight of each kind of action."""
    unknown_actions: Literal["error", "weight_1"] = "weight_1"
    """An action without a weight: refuse the data, or count it as 1 with a warning."""
    multiply_by_value: frozenset[str] = frozenset()
    """Actions whose weight is multiplied by log₂(1 + value), such as ``purchase`` with its quantity."""
    value_kind: Literal["auto", "rating", "weight"] = "auto"
    """What a value without an action is: a rating, or a weight such as a play count; ``auto`` goes by the column's
    name.
    """
    duplicates: Literal["auto", "sum", "max", "last"] = "auto"
    """How repeated user-item pairs become one matrix entry; ``auto`` is ``last`` for ratings, else ``sum``."""
    exact_duplicates: Literal["drop", "keep"] = "drop"
    """Rows equal in user, item, action, value and time, where they have a time and no event id."""
    min_user_interactions: int = Field(default=1, ge=0)
    """Users with fewer lose their interactions; repeated with the items' rule until nothing changes (k-core)."""
    min_item_interactions: int = Field(default=1, ge=0)
    time_decay_half_life_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """A weight halves with every such span before the newest interaction; None leaves weights as they are."""
    positive_rating: Finite | None = None
    """Ratings below it get weight 0, «seen, but not liked»."""
    rating_scale: tuple[Finite, Finite] | None = None
    """Lowest and highest possible rating; ratings outside are dropped. None takes all, and the highest as the top."""
    timestamp_range: tuple[Finite | None, Finite | None] = (None, None)
    """First and last second (since 1970 UTC) to keep, both included; None is open."""
    future_timestamps: Literal["drop", "keep"] = "drop"
    """What to do with times more than a day after now."""
    unknown_ids: Literal["keep", "drop"] = "keep"
    """Interactions with users or items that the given user or item frames lack."""
    keep_cold: bool = True
    """Keep users and items of the frames that have no interactions."""
    user_features: Mapping[str, FeatureType] = {}
    """Declared feature types; the others are inferred."""
    item_features: Mapping[str, FeatureType] = {}

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.timestamp_range
        if low is not None and high is not None and low > high:
            raise ValueError(f"timestamp_range starts at {low} after its end {high}")
        if self.rating_scale is not None and self.rating_scale[0] >= self.rating_scale[1]:
            raise ValueError(f"rating_scale {self.rating_scale} must go from the lowest to a higher rating")
        return self

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """A config from plain values.

        Raises:
            ConfigurationError: names the setting, its value and what is wrong.
        """
        try:
            return cls(**values)
        except ValidationError as exc:
            first = exc.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the config"
            valid = ", ".join(cls.model_fields)
            hint = f"valid settings: {valid}" if first["type"] == "extra_forbidden" else ""
            raise ConfigurationError(
                f"data settings: {place} = {first['input']!r} is wrong: {first['msg']}", hint=hint
            ) from exc
