"""Determinantal point process: lists whose items are relevant and span much of the taste space together."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from foretaste.models.kernels.jit import kernel
from foretaste.rerank.base import Candidates, RerankConfig, Reranker
from foretaste.rerank.kernels import Floats, Ints, Longs, mark_pinned
from foretaste.rerank.mmr import cosine
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
    θ / 2(1 - θ)), with their incremental Cholesky factor. Cost: O(n·k·(d + k)) a list at most,
    mostly a small part of it.
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
def _catch_up(
    c: int,
    known: int,
    place: int,
    rows: Ints,
    above: Ints,
    lengths: Floats,
    vectors: Floats,
    factor: Floats,
    volume: Floats,
) -> None:
    """Bring candidate ``c`` from what it was after ``known`` items of the list to what it is after ``place``.

    Row c of ``factor`` is the part of c that lies along each item above, ``volume[c]`` the square of what does not.
    """
    for p in range(known, place):
        if lengths[p] <= 0.0:  # that item adds nothing of its own
            factor[c, p] = np.float32(0.0)
            continue
        similarity = np.float32(0.5) * (np.float32(1.0) + cosine(vectors, rows[c], rows[above[p]]))
        along = (similarity - _product(factor, c, above[p], p)) / lengths[p]
        factor[c, p] = along
        volume[c] -= along * along


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

    What a candidate adds can only fall from place to place, so its last known value bounds it from above: it is brought
    up to date only where that bound still beats the best of the place.
    """
    n_lists, width = pinned.shape
    chosen = np.full((n_lists, width), -1, np.int32)
    rest = np.float32(1.0) - trade_off
    for b in range(n_lists):
        n = counts[b]
        taken = np.zeros(n, np.bool_)
        mark_pinned(pinned[b], taken)
        factor = np.empty((n, max(lengths[b], 1)), np.float32)
        volume = np.ones(n, np.float32)
        known = np.zeros(n, np.int32)
        own = np.zeros(max(lengths[b], 1), np.float32)  # length of what is new in the item at each place, 0 if nothing
        bound = trade_off * relevance[b, :n]
        for place in range(lengths[b]):
            best = pinned[b, place]
            if best < 0:
                top = np.float32(-np.inf)
                for c in range(n):
                    if taken[c] or (best >= 0 and bound[c] <= top):
                        continue
                    if trade_off < np.float32(1.0):
                        _catch_up(c, known[c], place, rows[b], chosen[b], own, vectors, factor, volume)
                        known[c] = place
                        bound[c] = -np.inf
                        if volume[c] > RANK_EPS:
                            bound[c] = trade_off * relevance[b, c] + rest * np.log(volume[c])
                    if best < 0 or bound[c] > top:  # none adds volume: the most relevant one, which comes first
                        best, top = c, bound[c]
                taken[best] = True
            elif trade_off < np.float32(1.0):
                _catch_up(best, known[best], place, rows[b], chosen[b], own, vectors, factor, volume)
            chosen[b, place] = best
            if volume[best] > RANK_EPS:
                own[place] = np.sqrt(volume[best])
    return chosen
