"""The second stage: the merged candidates in a better order."""

from collections.abc import Callable, Mapping

import numpy as np

from foretaste.models import Recommender
from foretaste.serving.pipeline.batch import Batch
from foretaste.serving.pipeline.features import Floats, features
from foretaste.serving.pipeline.journal import Snapshot

Parts = Mapping[str, Floats]
"""What each feature adds to the scores (B, n)."""


def rank(batch: Batch) -> None:
    """Order each list anew by the scenario's ranking; items that it does not score keep their order at the end."""
    ranker = _ranker(batch)
    if ranker is None or not (batch.draft.rows >= 0).any():
        return
    if batch.watch.limit("ranking") == 0:
        batch.pass_over("ranking", "late")
        return
    [told] = batch.together("ranking", [ranker])
    if told.value is None:
        batch.pass_over("ranking", told.trouble or "error")
        return
    scores, parts = told.value
    draft = batch.draft
    if batch.journal is not None:
        batch.journal.features += [Snapshot(name, draft.rows, part) for name, part in parts.items()]
    draft.scores = np.where(draft.rows >= 0, scores, np.float32(np.nan))
    draft.reorder(np.argsort(-np.nan_to_num(draft.scores, nan=-np.inf), axis=1, kind="stable"))
    batch.note("ranking")


def _ranker(batch: Batch) -> tuple[str, Callable[[], tuple[Floats, Parts]]] | None:
    """Name of the scenario's ranking and its work: scores (B, n) of the candidates, and what they are made of."""
    config = batch.scenario.ranking
    if config is None:
        return None
    if config.model is None:
        weights = config.weights
        return "ranking", lambda: weighted(features(batch, list(weights)), weights)
    model = batch.bundle.models.get(config.model)
    return None if model is None else (config.model, lambda: (_scores(model, batch), {}))


def weighted(values: Parts, weights: Mapping[str, float]) -> tuple[Floats, Parts]:
    """Σ weight × feature (B, n), and its parts; a feature that is unknown adds nothing."""
    parts = {name: np.float32(weight) * np.nan_to_num(values[name], nan=0.0) for name, weight in weights.items()}
    return np.sum(list(parts.values()), axis=0, dtype=np.float32), parts


def _scores(model: Recommender, batch: Batch) -> Floats:
    """What the model gives the candidates (B, n), NaN where it has no evidence."""
    rows, places = batch.draft.rows, batch.places
    out = np.full(rows.shape, np.nan, dtype=np.float32)
    if places:
        out[places] = model.score_candidates(batch.asked(places), rows[places])
    return out
