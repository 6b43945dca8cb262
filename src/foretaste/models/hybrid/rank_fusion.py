"""Lists of several models made one by the places that items take in them."""

from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeFloat, PositiveInt, model_validator

from foretaste.models.base import FloatBlock, Rows, UserBatch
from foretaste.models.hybrid.base import HybridBase, HybridConfig
from foretaste.models.hybrid.weighted import WeightedPart
from foretaste.models.ranking import rank_dense


class RankFusionConfig(HybridConfig):
    """Settings of :class:`RankFusion`."""

    parts: tuple[WeightedPart, ...] = (WeightedPart(model="item_knn"), WeightedPart(model="user_knn"))
    """The models, each with its parameters and weight."""
    method: Literal["reciprocal_rank", "borda"] = "reciprocal_rank"
    """Weight / (damping + place), or weight · (depth + 1 - place) / depth."""
    damping: NonNegativeFloat = 60.0
    """Larger gives the first places less of a lead (reciprocal_rank only)."""
    depth: PositiveInt = 1000
    """Places that count in each list; what a part has evidence for below them shares the next one."""

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if sum(part.weight for part in self.parts) <= 0:
            raise ValueError("a hybrid needs at least one part with a weight above 0")
        return self


class RankFusion(HybridBase):
    """Adds up what the places of an item in the lists of several models are worth.

    Reciprocal rank fusion: Σ w_p / (damping + place). Borda: Σ w_p · (depth + 1 - place) / depth. Places count from 1
    over the items outside the user's history (one of the history takes the place that it would have among them); a
    part without evidence for an item adds nothing. Scales of scores play no part.

    Source: Cormack, Clarke and Buettcher 2009, doi:10.1145/1571941.1572114 (damping 60); Aslam and Montague 2001,
    doi:10.1145/383952.384007 (Borda). Differs: weights, and places below ``depth`` are tied.
    Cost: a heap of ``depth`` over the scores of each part.
    """

    name = "rank_fusion"
    config_class = RankFusionConfig

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """The weights of the parts, summing to 1 (P,)."""
        given = np.array([part.weight for part in self.config.parts], dtype=np.float64)
        return np.asarray(given / given.sum(), dtype=np.float32)

    def _part_weights(self, batch: UserBatch) -> npt.NDArray[np.float32]:
        return self.weights

    def _worth(self, places: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if self.config.method == "borda":
            return np.asarray((self.config.depth + 1 - places) / self.config.depth, dtype=np.float32)
        return np.asarray(1.0 / (self.config.damping + places), dtype=np.float32)

    def _places(self, scores: FloatBlock, seen: npt.NDArray[np.bool_] | None, n_seen: int) -> FloatBlock:
        """The place of each item (B, I), 0 without evidence; ``scores`` is overwritten."""
        known = np.isfinite(scores)
        last = np.float32(self.config.depth + 1)
        out = np.where(known, last, np.float32(0))
        rows, _ = rank_dense(scores, k=min(self.config.depth + n_seen, scores.shape[1]))
        b, _ = np.nonzero(rows >= 0)
        items = rows[rows >= 0]
        if seen is None:
            places = np.broadcast_to(np.arange(1, rows.shape[1] + 1), rows.shape)[rows >= 0]
        else:
            hidden = np.take_along_axis(seen, np.maximum(rows, 0), axis=1)
            places = (np.cumsum(~hidden, axis=1) + hidden)[rows >= 0]
        out[b, items] = np.minimum(places, last)
        return out

    def _fused(self, blocks: list[FloatBlock], weights: npt.NDArray[np.float32], batch: UserBatch | None) -> FloatBlock:
        total = np.zeros_like(blocks[0])
        any_known = np.zeros(total.shape, dtype=bool)
        seen, n_seen = None, 0
        if batch is not None:
            seen = np.zeros(total.shape, dtype=bool)
            liked = batch.histories.matrix("binary")  # what was seen without interest moves no place
            seen[np.repeat(np.arange(len(batch)), np.diff(liked.indptr)), liked.indices] = True
            n_seen = int(batch.histories.lengths.max(initial=0))
        for block, weight in zip(blocks, weights, strict=True):
            places = self._places(block, seen, n_seen)
            known = places > 0
            any_known |= known
            total[known] += weight * self._worth(places[known])
        total[~any_known] = -np.inf
        return total

    def _scores(self, batch: UserBatch) -> FloatBlock:
        return self._fused([self._part_scores(model, batch) for model in self.models], self.weights, batch)

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        able = [n for n, model in enumerate(self.models) if model.finds_similar_items]
        return self._fused([self.models[n]._item_similarity(rows) for n in able], self.weights[able], None)
