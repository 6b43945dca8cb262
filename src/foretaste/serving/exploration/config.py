"""The description of exploration in a pipeline file: which places, which items, which policy."""

from typing import Annotated, Any, Literal, Self
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from foretaste.data.weights import default_weights, normal_action
from foretaste.errors import ForetasteError
from foretaste.models.bandits import Bandit, bandit_class, create_bandit

Reward = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_ACTIONS = default_weights().table()


class ExplorationConfig(BaseModel):
    """Places of each list that a bandit fills, and from what. The arms are items; one table is one policy."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    policy: str = "thompson"
    """Name of a bandit: ``epsilon_greedy``, ``ucb``, ``thompson``, ``linucb`` or ``linear_thompson``."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """What the bandit is created with, such as ``epsilon``; the length of the features follows from the keys below."""
    slots: PositiveInt = Field(default=1, le=50)
    """Places that are explored: the last ones of the list, but never its first."""
    places: tuple[PositiveInt, ...] = ()
    """Ranks from 1 at which they are, instead of the last ones; ranks beyond a list are passed over."""
    pool: Literal["candidates", "newest", "rare"] = "newest"
    """From what: the best candidates that are not in the list, the items that came last, or those that the fewest
    people have taken (among equals, other ones each day)."""
    pool_size: PositiveInt = Field(default=50, le=1000)
    """Items of the pool that are offered to the policy."""
    share: float = Field(default=0.1, ge=0, le=1)
    """Share of lists that explore; 0 explores nowhere."""
    hold_s: PositiveFloat = 300.0
    """For so long a known user whose state is the same gets the same draws, from every worker."""
    seed: int = 0
    """Changes all draws."""
    context: tuple[str, ...] = ()
    """By what linear policies tell situations apart: keys of the request's context, ``user.NAME`` for an attribute of
    the user; ``hour`` (four bands) and ``weekday`` (UTC) are known without being sent."""
    attributes: tuple[str, ...] = ()
    """Text attributes of the items by which a linear policy with ``shared = true`` tells arms apart."""
    buckets: PositiveInt = Field(default=8, le=64)
    """Places of the features for the values of one key; values that share a place are not told apart."""
    rewards: dict[str, Reward] = Field(default_factory=dict)
    """Event type → what it is worth; by default 1 for all that speak for an item, 0 for the others (``impression``,
    ``skip``, ``dislike``, ``hide`` …)."""

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if len(set(self.places)) < len(self.places):
            raise ValueError(f"places = {list(self.places)} names a rank twice")
        if self.places and "slots" in self.model_fields_set and self.slots != len(self.places):
            raise ValueError(f"slots = {self.slots} and {len(self.places)} places do not fit: leave slots out")
        if "n_features" in self.parameters:
            raise ValueError("n_features follows from context, attributes and buckets: leave it out of the parameters")
        try:
            bandit = self.new_bandit()
        except ForetasteError as exc:
            raise ValueError(f"{exc.message} ({exc.hint})" if exc.hint else exc.message) from exc
        if not bandit.needs_features and (self.context or self.attributes):
            raise ValueError(
                f"policy {self.policy!r} knows no context and no attributes: take linucb, or leave them out"
            )
        return self

    @property
    def n_features(self) -> int:
        """Length of the features of one arm."""
        return 1 + self.buckets * (len(self.context) + len(self.attributes) + len(self.context) * len(self.attributes))

    def new_bandit(self) -> Bandit:
        """A bandit that has seen nothing.

        Raises:
            UnknownNameError, UnknownParameterError, ConfigurationError: from the policy and its parameters.
        """
        parameters = dict(self.parameters)
        if bandit_class(self.policy).needs_features:
            parameters["n_features"] = self.n_features
        return create_bandit(self.policy, **parameters)

    @property
    def fingerprint(self) -> str:
        """What was learnt holds for as long as this is the same: policy, parameters, features and rewards."""
        values = (self.policy, sorted(self.parameters.items()), self.context, self.attributes, self.buckets)
        return f"{crc32(repr((*values, sorted(self.rewards.items()))).encode()):08x}"

    def reward(self, event_type: str) -> float:
        """What an event on an explored item is worth, 0 … 1."""
        found = self.rewards.get(event_type)
        if found is None:
            found = 1.0 if _ACTIONS.get(normal_action(event_type), 1.0) > 0 else 0.0
        return found

    def ranks(self, k: int) -> list[int]:
        """Places from 0, ascending, in a list of ``k``."""
        if self.places:
            return sorted(place - 1 for place in self.places if place <= k)
        return list(range(max(1, k - self.slots), k))
