"""The second stage: the merged candidates in a better order."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from foretaste.data import RecLists
from foretaste.models import Recommender
from foretaste.serving.pipeline.batch import Batch


def rank(batch: Batch) -> None:
    """Order each list anew by the scores of one model; items that it does not score keep their order at the end."""
    config = batch.scenario.ranking
    model = batch.bundle.models.get(config.model) if config is not None else None
    if config is None or model is None or not (batch.draft.rows >= 0).any():
        return
    if batch.watch.limit("ranking") == 0:
        batch.pass_over("ranking", "late")
        return
    [told] = batch.together("ranking", [(config.model, lambda: _scores(model, batch))])
    if told.value is None:
        batch.pass_over("ranking", told.trouble or "error")
        return
    draft, scores = batch.draft, told.value
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), axis=1, kind="stable")
    draft.scores = scores
    draft.reorder(order)
    batch.note("ranking")


def _scores(model: Recommender, batch: Batch) -> npt.NDArray[np.float32]:
    """What the model gives the candidates (B, n), NaN where it has no evidence."""
    rows = batch.draft.rows
    places = batch.places
    out = np.full(rows.shape, np.nan, dtype=np.float32)
    union = np.zeros((len(places), len(model.items)), dtype=bool)
    for i, b in enumerate(places):
        known = rows[b][(rows[b] >= 0) & (rows[b] < len(model.items))]
        union[i, known] = True
    width = max(1, int(union.sum(axis=1).max(initial=0)))
    asked = [replace(batch.queries[b], exclude_seen=False, k=width) for b in places]
    found: RecLists = model.recommend(asked, width, allowed=union, unknown="empty")
    for i, b in enumerate(places):
        score = dict(zip(found.item_rows[i].tolist(), found.scores[i].tolist(), strict=True))
        out[b] = [score.get(row, np.nan) if row >= 0 else np.nan for row in rows[b].tolist()]
    return out
