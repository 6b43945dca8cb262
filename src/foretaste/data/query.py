"""What is asked: one list for one user, known or not, in one situation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral

from foretaste.errors import ConfigurationError

MAX_K = 1000
"""Longest list that one query may ask for."""


@dataclass(frozen=True, slots=True)
class Query:
    """Asks for ``k`` items for a known user, for a history, or for both.

    With only ``user_id`` a model uses what it learnt of that user. With ``history`` (item ids, oldest first) it folds
    that history in: it replaces the one known from training, so it must be complete. Unknown item ids in it are passed
    over.

    Raises:
        ConfigurationError: k out of range, a history that is one text, weights or times that do not fit the history,
            a weight that is not a finite number (a time may be NaN: unknown), or an importance that is not above 0.
    """

    user_id: str | None = None
    history: Sequence[str] | None = None
    history_weights: Sequence[float] | None = None
    history_timestamps: Sequence[float] | None = None
    history_importance: Sequence[float] | None = None
    """How much each item of the history counts now, above 0, on top of its weight; see ``Histories.importance``."""
    k: int = 10
    exclude: frozenset[str] = frozenset()
    """Item ids that may not be in the list."""
    exclude_seen: bool = True
    """Leave out the items of the history."""
    scenario: str = "default"
    context: Mapping[str, object] = field(default_factory=dict)
    attributes: Mapping[str, object] = field(default_factory=dict)
    """What is known of the user (age, country …); for sources that serve whole groups of users."""

    def __post_init__(self) -> None:
        if not _is_whole(self.k) or not 1 <= self.k <= MAX_K:
            raise ConfigurationError(f"k = {self.k!r} is out of range", hint=f"ask for 1 to {MAX_K} items")
        if any(isinstance(ids, str) for ids in (self.history, self.exclude)):
            raise ConfigurationError("a history and excluded items are lists of item ids, not one text")
        for name in ("history_weights", "history_timestamps", "history_importance"):
            values = getattr(self, name)
            if values is not None and (self.history is None or len(values) != len(self.history)):
                raise ConfigurationError(f"{name} needs one value for each item of the history")
        for weight in () if self.history_weights is None else self.history_weights:
            if not math.isfinite(weight):
                raise ConfigurationError(f"history weight {weight} is not a finite number")
        for share in () if self.history_importance is None else self.history_importance:
            if not (math.isfinite(share) and share > 0):
                raise ConfigurationError(f"history importance {share} is not a finite number above 0")


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
