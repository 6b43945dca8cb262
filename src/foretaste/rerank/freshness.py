"""Freshness: young items come higher, and some places are kept for them."""

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeInt, PositiveFloat

from foretaste.rerank.base import Candidates, RerankConfig, Reranker
from foretaste.rerank.slate import Rows, Slate

DAY_S = 86_400.0


class FreshnessConfig(RerankConfig):
    """How much youth counts, and how many places it has."""

    kind: Literal["freshness"] = "freshness"
    trade_off: float = Field(default=0.8, ge=0, le=1)
    """Share of relevance; the rest is for youth. 1 leaves the order as it is, but for ``slots``."""
    half_life_days: PositiveFloat = 7.0
    """After this time an item is half as fresh."""
    slots: NonNegativeInt = 0
    """Items younger than ``younger_than_days`` that are in each list, as far as there are so many candidates."""
    younger_than_days: PositiveFloat = 30.0
    """What counts for ``slots``."""


class Freshness(Reranker):
    """The order of t·relevance + (1 - t)·2^(-age / half-life), with at least ``slots`` young items in the list.

    The young items that relevance and youth alone would not bring in stand at the end of the list. An item whose age
    is unknown is as old as can be, one from the future is new. Cost: O(n·k) a list.
    """

    name: ClassVar[str] = "freshness"
    config_class: ClassVar[type[RerankConfig]] = FreshnessConfig
    config: FreshnessConfig

    def lacks(self, slate: Slate) -> str | None:
        return "the items' ages" if slate.view.created_at is None else None

    def _choose(self, slate: Slate, candidates: Candidates) -> Rows:
        from foretaste.rerank.kernels import within_bounds

        assert slate.view.created_at is not None
        config = self.config
        days = ages(slate.view.created_at, candidates.rows, slate.now)
        youth = np.exp2(-days / config.half_life_days).astype(np.float32)
        score = np.float32(config.trade_off) * candidates.relevance + np.float32(1.0 - config.trade_off) * youth
        is_young = days < config.younger_than_days
        least = by_the_end(is_young, candidates, config.slots)
        most = np.full_like(least, candidates.width + 1)
        lengths, pinned = candidates.lengths, candidates.pinned
        return within_bounds(score, candidates.counts, lengths, pinned, is_young, least, most)


def ages(created_at: npt.NDArray[np.float64], rows: Rows, now: float) -> npt.NDArray[np.float64]:
    """Days since the items came (B, n), infinite where unknown and in the padding, never below 0."""
    born = created_at[rows]
    return np.where((born > 0) & (rows >= 0), np.maximum(now - born, 0.0) / DAY_S, np.inf)


def by_the_end(members: npt.NDArray[np.bool_], candidates: Candidates, wanted: int) -> npt.NDArray[np.int64]:
    """How many members must stand in the first p + 1 places (B, K), so that ``wanted`` still fit in the places left.

    No more are wanted than there are candidates; a place that is pinned to another item holds none.
    """
    pinned = candidates.pinned
    is_pinned_member = np.take_along_axis(members, np.maximum(pinned, 0).astype(np.int64), axis=1)
    may_hold = (pinned < 0) | is_pinned_member
    may_hold &= np.arange(candidates.width) < candidates.lengths[:, None]
    left = may_hold[:, ::-1].cumsum(axis=1)[:, ::-1] - may_hold
    there = np.minimum(members.sum(axis=1), wanted)[:, None]
    return np.ascontiguousarray(there - left, dtype=np.int64)
