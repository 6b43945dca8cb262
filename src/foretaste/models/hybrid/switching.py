"""One model or another for each user, by what is known of the user."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeInt

from foretaste.data import Reason
from foretaste.models.base import FloatBlock, Recommender, Rows, UserBatch
from foretaste.models.hybrid.base import HybridBase, HybridConfig, HybridPart, n_liked


class SwitchingPart(HybridPart):
    """One model of a switching hybrid, and for whom it is."""

    min_history: NonNegativeInt = 0
    """Fewest items that a user must have taken."""
    max_history: NonNegativeInt | None = None
    """Most items that a user may have taken; None for no limit."""
    min_items: int = Field(default=1, ge=1)
    """Fewest items that it must have evidence for, else the next part answers."""


class SwitchingHybridConfig(HybridConfig):
    """Settings of :class:`SwitchingHybrid`."""

    parts: tuple[SwitchingPart, ...] = (
        SwitchingPart(model="item_knn", min_history=1),
        SwitchingPart(model="popular"),
    )
    """The models in the order in which they are tried, each with its conditions."""


class SwitchingHybrid(HybridBase):
    """For each user the scores of the first part whose conditions hold and that has evidence.

    A part is passed over when the user has taken fewer or more items than it asks for, when it cannot serve the user,
    or when it has evidence for fewer than ``min_items`` items. The scores are those of the chosen part as they are;
    those of two users may be on different scales. A user for whom no part's conditions hold gets an empty list.

    Source: the «switching» hybrid of Burke 2002, doi:10.1023/A:1021240730564.
    Cost: each part scores only the users that the parts before it passed over.
    """

    name = "switching"
    config_class = SwitchingHybridConfig

    def _scores(self, batch: UserBatch) -> FloatBlock:
        return self._switched(batch)[0]

    def chosen(self, batch: UserBatch) -> npt.NDArray[np.int64]:
        """Which part answers each user of a batch (B,), -1 where none does."""
        return self._switched(batch)[1]

    def _switched(self, batch: UserBatch) -> tuple[FloatBlock, npt.NDArray[np.int64]]:
        out = np.full((len(batch), len(self.items)), -np.inf, dtype=np.float32)
        chosen = np.full(len(batch), -1, dtype=np.int64)
        counts = n_liked(batch)
        for n, (part, model) in enumerate(zip(self._switches(), self.models, strict=True)):
            fits = (chosen < 0) & (counts >= part.min_history)
            if part.max_history is not None:
                fits &= counts <= part.max_history
            picks = np.flatnonzero(fits)
            if len(picks) == 0:
                continue
            scores = self._part_scores(model, _taken(batch, picks))
            answers = np.isfinite(scores).sum(axis=1) >= min(part.min_items, len(self.items))
            out[picks[answers]] = scores[answers]
            chosen[picks[answers]] = n
        return out, chosen

    def _switches(self) -> Sequence[SwitchingPart]:
        found: tuple[SwitchingPart, ...] = self.config.parts
        return found

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        return self._first_similarity(rows)

    def _reasons_of_one(self, batch: UserBatch, item_rows: Rows) -> tuple[Reason | None, ...]:
        part = int(self.chosen(batch)[0])
        if part < 0:
            return (None,) * len(item_rows)
        model: Recommender = self.models[part]
        reasons = model._reasons_of_one(batch, item_rows)
        return tuple(replace(reason, exact=False) if reason is not None else None for reason in reasons)


def _taken(batch: UserBatch, picks: npt.NDArray[np.int64]) -> UserBatch:
    if len(picks) == len(batch):
        return batch
    return UserBatch(batch.rows[picks], batch.histories.take(picks), batch.folded[picks])
