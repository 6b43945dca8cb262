"""Maximal marginal relevance: each next item is relevant and unlike those above it."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from foretaste.models.kernels.jit import kernel
from foretaste.rerank.base import Candidates, RerankConfig, Reranker
from foretaste.rerank.kernels import Floats, Ints, Longs, mark_pinned
from foretaste.rerank.slate import Rows, Slate

_MOST = np.float32(1.001)
"""No two vectors are less alike than minus this, however they were rounded."""


class MMRConfig(RerankConfig):
    """How much relevance counts against being unlike."""

    kind: Literal["mmr"] = "mmr"
    trade_off: float = Field(default=0.7, ge=0, le=1)
    """Share λ of relevance; the rest is for being unlike the items above. 1 leaves the order as it is."""


class MMR(Reranker):
    """Greedy: next comes the item with the largest λ·relevance - (1 - λ)·(largest similarity to an item above it).

    Similarity is the cosine of the items' vectors. Source: Carbonell and Goldstein 1998, doi:10.1145/290941.291025.
    Cost: O(n·k·d) a
    list at most, mostly a small part of it.
    """

    name: ClassVar[str] = "mmr"
    config_class: ClassVar[type[RerankConfig]] = MMRConfig
    config: MMRConfig

    def lacks(self, slate: Slate) -> str | None:
        return "item vectors" if slate.view.vectors is None else None

    def _choose(self, slate: Slate, candidates: Candidates) -> Rows:
        assert slate.view.vectors is not None
        return choose(
            candidates.rows,
            candidates.relevance,
            candidates.counts,
            candidates.lengths,
            candidates.pinned,
            slate.view.vectors,
            np.float32(self.config.trade_off),
        )


@kernel(fastmath={"reassoc", "contract"})
def cosine(vectors: Floats, one: int, other: int) -> np.float32:
    """The product of two rows (d,): the cosine, as they have length one; 0 where one has none."""
    if max(one, other) >= len(vectors):
        return np.float32(0.0)
    total = np.float32(0.0)
    for f in range(vectors.shape[1]):
        total += vectors[one, f] * vectors[other, f]
    return total


@kernel
def choose(
    rows: Ints,
    relevance: Floats,
    counts: Longs,
    lengths: Longs,
    pinned: Ints,
    vectors: Floats,
    trade_off: np.float32,
) -> Ints:
    """Candidates at each place (B, K); ``vectors`` (I, d) have length one.

    What a candidate is worth can only fall from place to place, so its last known value bounds it from above: it is
    compared with the items that came since only where that bound still beats the best of the place.
    """
    n_lists, width = pinned.shape
    chosen = np.full((n_lists, width), -1, np.int32)
    rest = np.float32(1.0) - trade_off
    for b in range(n_lists):
        n = counts[b]
        taken = np.zeros(n, np.bool_)
        mark_pinned(pinned[b], taken)
        closest = np.full(n, -np.inf, np.float32)  # similarity to the closest of the items above
        known = np.zeros(n, np.int32)  # how many of these are in it
        bound = trade_off * relevance[b, :n] + rest * _MOST
        for place in range(lengths[b]):
            best = pinned[b, place]
            if best < 0:
                top = np.float32(-np.inf)
                for c in range(n):
                    if taken[c] or (best >= 0 and bound[c] <= top):
                        continue
                    for above in range(known[c], place):
                        other = rows[b, chosen[b, above]]
                        closest[c] = max(closest[c], cosine(vectors, rows[b, c], other))
                    known[c] = place
                    value = trade_off * relevance[b, c]
                    if place > 0:
                        value -= rest * closest[c]
                        bound[c] = value
                    if best < 0 or value > top:
                        best, top = c, value
                taken[best] = True
            chosen[b, place] = best
    return chosen
