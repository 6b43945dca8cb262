"""The source of lists made in advance: candidates for next to nothing, up to date in what the user has seen since."""

from collections.abc import Sequence

import numpy as np

from foretaste.data import Query, Reason, RecLists
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.prepared import PreparedLists
from foretaste.serving.pipeline.parts import Mask
from foretaste.serving.pipeline.sources import refused_rows
from foretaste.serving.source_config import SourceConfig


class PreparedSource:
    """What ``[precompute]`` stored with the models; users whom the training did not know get nothing.

    A ranking stage puts the candidates in the order of the moment.
    """

    def __init__(self, name: str, lists: PreparedLists, bundle: Bundle, catalogue: Catalogue) -> None:
        self.name = name
        self._lists, self._bundle, self._catalogue = lists, bundle, catalogue

    def recommend(self, queries: Sequence[Query], k: int, *, allowed: Mask, now: float) -> RecLists:
        """The stored items that may be shown, without those that the user excludes or had meanwhile."""
        users = self._bundle.users
        found = np.array([-1 if query.user_id is None else users.row(query.user_id) for query in queries])
        found[found >= len(self._lists.rows)] = -1  # users whom an update brought in
        rows, scores = self._lists.rows[found], self._lists.scores[found]  # (B, k'), copies
        rows[found < 0] = -1
        at = np.maximum(rows, 0)
        kept = (rows >= 0) & (allowed[at] if allowed.ndim == 1 else np.take_along_axis(allowed, at, axis=1))
        for b, query in enumerate(queries):
            kept[b] &= ~np.isin(rows[b], refused_rows(query, self._bundle, self._catalogue))
        order = np.argsort(~kept, axis=1, kind="stable")[:, :k]
        rows = np.take_along_axis(np.where(kept, rows, np.int32(-1)), order, axis=1)
        scores = np.take_along_axis(np.where(kept, scores, np.float32(np.nan)), order, axis=1)
        return RecLists(rows, scores, self._catalogue.model_items, [query.user_id for query in queries])

    def explain(self, query: Query, item_ids: Sequence[str]) -> Sequence[Reason | None]:
        """The reasons of the first model that gave the lists."""
        model = self._bundle.models.get(self._lists.models[0]) if self._lists.models else None
        return [None] * len(item_ids) if model is None else model.explain(query, item_ids)


def prepared_source(config: SourceConfig, bundle: Bundle, catalogue: Catalogue) -> PreparedSource | None:
    """The source of a version; None where its training made no lists."""
    return None if bundle.lists is None else PreparedSource(config.name, bundle.lists, bundle, catalogue)
