"""What the engine answers: plain immutable values, the same for the API, the command line and the tool."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

Fallback = Literal["none", "cold_user", "new_item", "no_model", "model_error", "store_error", "too_few"]


@dataclass(frozen=True, slots=True)
class AnswerItem:
    """One place of a list."""

    item_id: str
    score: float
    rank: int
    """From 1."""
    title: str | None = None
    """Readable name, when the catalogue has one."""
    source: str = ""
    """The model (or ``catalogue``) that gave it; ``pinned`` where a rule put it there, ``rare`` where exploration took
    it because few people did."""
    reason: str | None = None
    """A sentence a person can read; None when it was not asked for or nothing can be said."""


@dataclass(frozen=True, slots=True)
class ExploredItem(AnswerItem):
    """A place that exploration filled."""

    explored: bool = True
    propensity: float = 1.0
    """Chance that the policy took this item for this place, given the places that it filled before."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A source or a stage that gave nothing, and why."""

    source: str
    """A source, or the stage (``ranking``, ``rerank`` …) that was passed over."""
    why: Literal["error", "late", "paused", "empty", "missing"]
    """It raised, was not there in time, is left alone after trouble, had nothing, or is not there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One list, with everything that made it."""

    items: tuple[AnswerItem, ...]
    user_id: str | None = None
    item_id: str | None = None
    """The item asked for, in a list of similar items."""
    session_id: str | None = None
    """The anonymous session that the list is for."""
    scenario: str = "default"
    model_version: str | None = None
    """Version of the model bundle; None when no model is live."""
    sources: tuple[str, ...] = ()
    """Sources of the items in the list, in the order of their first item."""
    fallback: Fallback = "none"
    """Why the fallback chain was used."""
    fallbacks: tuple[Skipped, ...] = ()
    """Sources that were asked and gave nothing."""
    degraded: bool = False
    """Something failed on the way; the list is valid all the same."""
    short_by: int = 0
    """How many items fewer than asked for, because no more exist."""
    recommendation_id: str = ""
    """Send it back with events on these items."""
    experiment: str | None = None
    """What chose the version for this user, such as ``canary:VERSION``; None when nothing did."""


@dataclass(frozen=True, slots=True)
class TracedPlace:
    """Where an item stood after a source or a stage."""

    name: str
    """The source; or ``merged``, ``ranking``, ``rules`` (boosts), ``rerank KIND``, ``pins and caps``, ``explore``."""
    rank: int
    """From 1."""
    score: float | None = None
    """None where it has none."""


@dataclass(frozen=True, slots=True)
class TracedItem:
    """How one item came to its place, or what left it out."""

    item_id: str
    rank: int | None
    """From 1; None when it is not in the list."""
    source: str | None = None
    """What gave it to the list."""
    found_by: tuple[TracedPlace, ...] = ()
    """Its place in the candidates of each source that gave it."""
    stages: tuple[TracedPlace, ...] = ()
    """Its place after each stage that ordered the candidates, in their order."""
    left_out: tuple[str, ...] = ()
    """Why it is not in the list."""
    features: Mapping[str, float] = field(default_factory=dict)
    """What each feature of the ranking added to its score."""


@dataclass(frozen=True, slots=True)
class Traced:
    """An answer with what was measured and noted while it was made."""

    answer: Answer
    timings_ms: Mapping[str, float]
    """Stage → milliseconds."""
    items: tuple[TracedItem, ...]


class WriteResult(msgspec.Struct, frozen=True):
    """What became of one record of a batch; a struct, as it takes a fifth of a dataclass's time to make."""

    index: int
    status: Literal["stored", "duplicate", "rejected"]
    record_id: str | None = None
    code: str = ""
    message: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """How the service is."""

    ready: bool
    state: Literal["ok", "degraded", "down"]
    version: str
    """Of the program."""
    model_version: str | None
    models: tuple[str, ...]
    store: str
    """``ok`` or what is wrong."""
    model: str
    """``ok``, ``none`` or why a newer version was refused."""
    uptime_s: float
    details: dict[str, Any] = field(default_factory=dict)
