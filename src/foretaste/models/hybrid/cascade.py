"""One model proposes, the next puts the proposals in order."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt

from foretaste.models.base import FloatBlock, Recommender, Rows, UserBatch
from foretaste.models.hybrid.base import HybridBase, HybridConfig, HybridPart
from foretaste.models.ranking import rank_dense


class CascadePart(HybridPart):
    """One stage of a cascade."""

    n_candidates: PositiveInt = 200
    """How many of its best items go on to the next stage, those of the history not counted; the last stage passes
    none on."""
    tie_width: float = Field(default=1.0, gt=0.0, le=1.0)
    """Share of the spread of the candidates' scores in the stage before within which they count as tied, so that this
    stage decides: 1 reorders all of them, a small value only breaks ties."""


class CascadeHybridConfig(HybridConfig):
    """Settings of :class:`CascadeHybrid`."""

    parts: tuple[CascadePart, ...] = (CascadePart(model="popular"), CascadePart(model="item_knn"))
    """The stages, first the one that proposes."""
    keep_rest: bool = True
    """Items that are no candidates follow below, in the order of the stage that they reached; False leaves them
    out."""


class CascadeHybrid(HybridBase):
    """The first part's best items, put in order by the next part, and so on.

    A stage orders the ``n_candidates`` best items of the stage before; where it has no evidence, and where it sees
    them as equal, the order of the stage before stays. The score of a candidate of stage s is s + (n - place) / n; an
    item that is no candidate keeps its score of the first stage scaled to 0 … 1.

    Source: the «cascade» of Burke 2002, doi:10.1023/A:1021240730564. Differs: ``tie_width`` goes from breaking ties
    to a full reordering.
    Cost: a heap of ``n_candidates`` over the first part's scores; the other parts score all items, too.
    """

    name = "cascade"
    config_class = CascadeHybridConfig

    def _flags(self, models: tuple[Recommender, ...]) -> dict[str, bool]:
        """Whom and what it serves is up to the first part, which proposes."""
        served = ("scores_new_users", "scores_without_history", "scores_new_items")
        return super()._flags(models) | {flag: getattr(models[0], flag) for flag in served}

    def _scores(self, batch: UserBatch) -> FloatBlock:
        stages: Sequence[CascadePart] = self.config.parts
        scores = self._part_scores(self.models[0], batch)
        out = _scaled(scores)
        if len(stages) > 1 and not self.config.keep_rest:
            out[:] = -np.inf
        liked = batch.histories.matrix("binary")
        seen = np.zeros(scores.shape, dtype=bool)
        seen[np.repeat(np.arange(len(batch)), np.diff(liked.indptr)), liked.indices] = True
        most = min(stages[0].n_candidates + int(seen.sum(axis=1).max(initial=0)), len(self.items))
        rows, values = _cut(*rank_dense(scores, k=most), seen, stages[0].n_candidates)
        for level in range(1, len(stages)):
            own = np.take_along_axis(self._part_scores(self.models[level], batch), np.maximum(rows, 0), axis=1)
            order = _ordered(values, own, rows >= 0, stages[level].tie_width)
            rows, values = np.take_along_axis(rows, order, axis=1), np.take_along_axis(own, order, axis=1)
            b, place = np.nonzero(rows >= 0)
            counts = (rows >= 0).sum(axis=1)
            out[b, rows[b, place]] = level + (counts[b] - place) / np.maximum(counts[b], 1)
            if level + 1 < len(stages):
                rows, values = _cut(rows, values, seen, stages[level].n_candidates)
        return out

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        return self._first_similarity(rows)


def _cut(
    rows: Rows, values: npt.NDArray[np.float32], seen: npt.NDArray[np.bool_], n_candidates: int
) -> tuple[Rows, npt.NDArray[np.float32]]:
    """The start of each row with ``n_candidates`` items outside the history; the rest becomes -1."""
    fresh = ~np.take_along_axis(seen, np.maximum(rows, 0), axis=1) & (rows >= 0)
    kept = np.cumsum(fresh, axis=1) <= n_candidates
    return np.where(kept, rows, np.int32(-1)), values


def _ordered(
    before: npt.NDArray[np.float32], own: npt.NDArray[np.float32], is_there: npt.NDArray[np.bool_], tie_width: float
) -> npt.NDArray[np.int64]:
    """The new order (B, n) of candidates that stand in the order of the stage before."""
    keys = np.where(np.isfinite(own) & is_there, -own, np.inf)
    if tie_width >= 1.0:
        groups = np.zeros(before.shape)
    else:
        valid = is_there & np.isfinite(before)
        low = np.min(np.where(valid, before, np.inf), axis=1, keepdims=True)
        high = np.max(np.where(valid, before, -np.inf), axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            groups = np.floor((high - before) / ((high - low) * tie_width))
        groups = np.where(valid, np.nan_to_num(groups, nan=0.0, posinf=0.0, neginf=0.0), np.inf)
    places = np.broadcast_to(np.arange(before.shape[1]), before.shape)
    return np.asarray(np.lexsort((places, keys, np.where(is_there, groups, np.inf)), axis=1))


def _scaled(scores: FloatBlock) -> FloatBlock:
    """Scores of each user from 0 to 1, no evidence -inf."""
    known = np.isfinite(scores)
    low = np.min(np.where(known, scores, np.inf), axis=1, keepdims=True)
    high = np.max(np.where(known, scores, -np.inf), axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        out = np.where(high > low, (scores - low) / (high - low), 1.0)
    return np.where(known, out, -np.inf).astype(np.float32)
