"""What plugs into a pipeline beside its models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from foretaste.data import Query, Reason, RecLists
from foretaste.serving.exploration import Explorer
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.pipeline.guard import Guard
from foretaste.serving.source_config import SourceConfig

Mask = npt.NDArray[np.bool_]


class Source(Protocol):
    """Gives candidates for a batch of queries; called from several threads.

    A model is wrapped into one; others (live counters, friends, arrivals, lists made in advance) are made by kind.
    """

    @property
    def name(self) -> str:
        """What its items are labelled with in answers, traces and metrics."""
        ...

    def recommend(self, queries: Sequence[Query], k: int, *, allowed: Mask, now: float) -> RecLists:
        """At most ``k`` items a query, best first, none for a query that it cannot serve.

        ``allowed`` is a mask over the rows of the catalogue, (I,) for all queries or (B, I). What the queries exclude,
        and where they say so what the user had, is left out too. Rows of the result are rows of its own ``items``,
        of any vocabulary; those of the catalogue or of the models are the quickest.
        """
        ...


@runtime_checkable
class Explaining(Protocol):
    """A source that can say why."""

    def explain(self, query: Query, item_ids: Sequence[str]) -> Sequence[Reason | None]:
        """One reason for each item of the source's list."""
        ...


SourceMaker = Callable[[SourceConfig, Bundle, Catalogue], Source | None]
"""Makes the source of one kind for the models and the catalogue of the moment (None where they have nothing for it);
called when either has changed, so it has to be quick."""


@dataclass(frozen=True)
class Parts:
    """What a running service adds to a pipeline. Evaluation and batch jobs run the same pipeline without it."""

    sources: Mapping[str, SourceMaker] = field(default_factory=dict)
    """Kind → maker, for ``[[sources]]`` that name a ``kind``; a kind that is not here is answered as missing."""
    guard: Guard | None = None
    """Threads with time limits; without them there are no deadlines."""
    explorer: Explorer = field(default_factory=Explorer)
    """What has been learnt by exploring."""
