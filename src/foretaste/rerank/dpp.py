"""Determinantal point process: lists whose items are relevant and span much of the taste space together."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from foretaste.models.kernels.jit import kernel
from foretaste.rerank.base import Candidates, RerankConfig, Reranker
from foretaste.rerank.kernels import Floats, Ints, Longs, mark_pinned
from foretaste.rerank.mmr import cosine, gathered
from foretaste.rerank.slate import Rows, Slate

RANK_EPS = 1e-5
"""An item whose own part of the volume is below this is already said by those above it."""


class DPPConfig(RerankConfig):
    """How much relevance counts against volume."""

    kind: Literal["dpp"] = "dpp"
    trade_off: float = Field(default=0.7, ge=0, le=1)
    """Share θ of relevance; the rest is for the volume that the items span. 1 leaves the order as it is."""


class DPP(Reranker):
    """Greedy search for the list L with the largest θ·Σ relevance + (1 - θ)·log det(S_L).

    S holds (1 + cosine)/2 of the items' vectors. When no item adds to the volume any more (k above the rank of S), the
    others follow by relevance. Source: Chen, Zhang and Zhou 2018, arXiv:1709.05135, equations 9 and 21 (their α is
    θ / 2(1 - θ)), with their incremental Cholesky factor. Cost: O(n·k·(d + k)) a list.
    """

    name: ClassVar[str] = "dpp"
    config_class: ClassVar[type[RerankConfig]] = DPPConfig
    config: DPPConfig

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
def _product(factor: Floats, one: int, other: int, length: int) -> np.float32:
    """The product of the first ``length`` entries of two rows."""
    total = np.float32(0.0)
    for f in range(length):
        total += factor[one, f] * factor[other, f]
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
    """Candidates at each place (B, K); ``vectors`` (I, d) have length one."""
    n_lists, width = pinned.shape
    chosen = np.full((n_lists, width), -1, np.int32)
    rest = np.float32(1.0) - trade_off
    for b in range(n_lists):
        n = counts[b]
        own = gathered(rows[b, :n], vectors)
        taken = np.zeros(n, np.bool_)
        mark_pinned(pinned[b], taken)
        factor = np.empty((n, max(lengths[b], 1)), np.float32)  # row c: what of c lies along the items above
        volume = np.ones(n, np.float32)  # squared length of what does not
        placed = np.zeros(n, np.bool_)
        for place in range(lengths[b]):
            best = pinned[b, place]
            if best < 0:
                top = np.float32(-np.inf)
                for c in range(n):
                    if not taken[c]:
                        value = np.float32(-np.inf)
                        if trade_off == np.float32(1.0):
                            value = relevance[b, c]
                        elif volume[c] > RANK_EPS:
                            value = trade_off * relevance[b, c] + rest * np.log(volume[c])
                        if best < 0 or value > top:  # none adds volume: the most relevant one, which comes first
                            best, top = c, value
                taken[best] = True
            chosen[b, place] = best
            placed[best] = True
            length = np.sqrt(max(volume[best], np.float32(0.0)))
            factor[best, place] = length
            for c in range(n):
                if placed[c]:
                    continue
                if volume[best] <= RANK_EPS:
                    factor[c, place] = np.float32(0.0)
                    continue
                similarity = np.float32(0.5) * (np.float32(1.0) + cosine(own, c, best))
                along = (similarity - _product(factor, c, best, place)) / length
                factor[c, place] = along
                volume[c] -= along * along
    return chosen
