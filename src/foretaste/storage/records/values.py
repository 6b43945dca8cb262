"""What a record store keeps and gives: plain immutable values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from foretaste.events import Event

RecordKind = Literal["user", "item"]
Countable = Literal["event", "user", "item", "dead_letter", "exposure", "audit"]


@dataclass(frozen=True, slots=True)
class Record:
    """One user or item: its outside id and attributes (JSON values).

    ``is_available`` is False for an item that may not be shown (sold out, hidden). Times are seconds since 1970 UTC;
    ``version``
    grows with every change in the whole store, so that «what changed since» is one number.
    """

    record_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    is_available: bool = True
    created_at: float = 0.0
    updated_at: float = 0.0
    version: int = 0


class Stamp(NamedTuple):
    """Where the store stands for one user. A list made for the user is current for as long as its stamp's ``user``
    and ``shared`` are; no change, in whatever order, ever brings an earlier pair of the two back.
    """

    user: tuple[int, int] = (0, 0)
    """Sequence of the user's newest event, version of the user's record; 0 where there is none."""
    shared: int = 0
    """Grows with every shared value that is put and may change lists (rules, scenarios, settings)."""
    items: int = 0
    """Grows with every change of an item: the catalogue in memory is behind when it is smaller. Apart from the
    others, so that one new item does not make everybody's list stale."""

    def serves(self, now: "Stamp") -> bool:
        """Whether a list made at this stamp is still current when the store stands at ``now``."""
        return self.user == now.user and self.shared == now.shared


class Position(NamedTuple):
    """A point in the life of a store, from which its changes can be followed."""

    sequence: int = 0
    """Of the newest event."""
    version: int = 0
    """Of the newest change of a user or item."""
    shared: int = 0
    """As in :class:`Stamp`."""


@dataclass(frozen=True, slots=True)
class Touched:
    """Whose stamps have changed since a position."""

    position: Position
    """From which to go on."""
    user_ids: frozenset[str] | None = frozenset()
    """None for everybody: a shared value changed, or too many users to name."""


@dataclass(frozen=True, slots=True)
class UserState:
    """What is known of a user now: the newest events, oldest first, and the attributes of the user's record.

    Never older than ``stamp``: a list made from it and kept under that stamp is not called current for too long.
    """

    events: tuple[Event, ...]
    stamp: Stamp = field(default_factory=Stamp)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Empty for a user without a record."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that was refused, with the reason; kept so that nothing is lost."""

    kind: str
    """``event``, ``user`` or ``item``."""
    raw: str
    """The record as it came (JSON text, cut at 64 kB)."""
    code: str
    message: str
    received_at: float
    letter_id: int = 0


@dataclass(frozen=True, slots=True)
class Exposure:
    """A list that was shown: to whom, what made it, what stood in it, how often. Clicks name it by its
    ``recommendation_id``.
    """

    recommendation_id: str
    item_ids: tuple[str, ...]
    """In the order shown."""
    user_id: str | None = None
    scenario: str = "default"
    model_version: str | None = None
    experiment: str | None = None
    propensities: tuple[float, ...] = ()
    """Probability with which an exploration policy took the item for its place, 1 for the others, one an item; empty
    when nothing was left to chance."""
    explored: tuple[bool, ...] = ()
    """Which places an exploration policy filled; empty for none."""
    arms: Mapping[str, Any] = field(default_factory=dict)
    """What that policy chose by (its name, the share of lists that explore, what was offered, the features): it learns
    from the clicks with it."""
    shown: int = 1
    """How often the list was served."""
    first_at: float = 0.0
    last_at: float = 0.0
    """First and latest serving, in seconds since 1970 UTC."""
    number: int = 0
    """Grows in order of storing; 0 before."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Somebody did something that changes what others see, or tried to."""

    at: float
    """Seconds since 1970 UTC."""
    actor: str
    """Name of the key, never the key."""
    action: str
    """What was done, e.g. ``rules.put``."""
    subject: str
    """What it was done to."""
    outcome: str
    """``ok``, or the code of the refusal."""
    details: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    entry_id: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing: ``next_cursor`` continues it, None at the end."""

    records: tuple[Record, ...]
    next_cursor: str | None
