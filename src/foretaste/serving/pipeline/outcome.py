"""What a pipeline gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from foretaste.data import RecLists
from foretaste.serving.answers import Fallback, Skipped, TracedItem
from foretaste.serving.exploration import Explored


@dataclass(frozen=True)
class Outcome:
    """The lists of one batch, and for each query how they came about."""

    lists: RecLists
    fallbacks: tuple[Fallback, ...]
    skipped: tuple[tuple[Skipped, ...], ...]
    """For each query the sources and stages that gave nothing, and why."""
    failed: tuple[str, ...]
    """Sources and stages that raised or were late."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Stage → time it took for the whole batch."""
    explored: tuple[Explored | None, ...] = ()
    """For each query what was explored; empty where nothing could be."""
    traces: tuple[tuple[TracedItem, ...], ...] = ()
    """For each query the items that were asked about; empty without a trace."""
