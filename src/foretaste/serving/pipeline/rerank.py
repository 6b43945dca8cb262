"""Rerankers: the ranked candidates in another order, for diversity, freshness and fairness."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from foretaste.rerank import Reranker, Slate
from foretaste.serving.pipeline.batch import Batch
from foretaste.serving.pipeline.sources import history_rows


def rerank(batch: Batch, rerankers: Mapping[int, Reranker]) -> None:
    """Send the lists through the scenario's rerankers; ``rerankers`` holds them by the identity of their settings."""
    steps = batch.scenario.rerank
    if not steps or not (batch.draft.rows >= 0).any():
        return
    if batch.watch.limit("rerank") == 0:
        batch.pass_over("rerank", "late")
        return
    [told] = batch.together("rerank", [("rerank", lambda: _reranked(batch, [rerankers[id(step)] for step in steps]))])
    if told.value is None:
        batch.pass_over("rerank", told.trouble or "error")
        return
    slates = told.value
    if batch.journal is not None:
        for step, slate in zip(steps, slates, strict=True):
            batch.journal.note(f"rerank {step.kind}", slate.rows, slate.scores)
    last, draft = slates[-1], batch.draft
    there = last.places >= 0
    codes = np.take_along_axis(draft.codes, np.where(there, last.places, 0), axis=1)
    draft.rows, draft.scores, draft.codes = last.rows, last.scores, np.where(there, codes, np.int16(-1))


def _reranked(batch: Batch, rerankers: list[Reranker]) -> list[Slate]:
    """The slate after each reranker."""
    histories, weights = _histories(batch)
    draft = batch.draft
    slate = Slate(
        draft.rows,
        draft.scores,
        batch.ks,
        batch.view(),
        histories,
        weights,
        now=batch.now,
        seed=batch.seed,
    )
    slates = []
    for reranker in rerankers:
        slate = reranker.rerank(slate)
        slates.append(slate)
    return slates


def _histories(batch: Batch) -> tuple[list[npt.NDArray[np.int32]], list[npt.NDArray[np.float32]]]:
    """Rows and weights of each user's history, without what the catalogue does not know."""
    rows, weights = [], []
    for query in batch.queries:
        found, own = history_rows(query, batch.bundle, batch.catalogue)
        rows.append(found[found >= 0])
        weights.append(own[found >= 0])
    return rows, weights
