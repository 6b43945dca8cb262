"""Candidates: all sources asked at the same time, and merged into one ranking."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from foretaste.data import RecLists
from foretaste.serving.answers import Skipped
from foretaste.serving.merge import merge
from foretaste.serving.pipeline.batch import Batch, Draft
from foretaste.serving.pipeline.journal import Candidates
from foretaste.serving.pipeline.parts import Source
from foretaste.serving.pipeline.sources import ModelSource, Sources, placed
from foretaste.serving.source_config import SourceConfig


def gather(batch: Batch, sources: Sources) -> None:
    """Fill the draft with the merged candidates of all sources.

    Models are asked for the users of whom enough is known (those that score attributes, also for users who have some),
    other kinds for everybody.
    """
    found = _ask_all(batch, sources)
    if not found:
        return
    width = batch.scenario.pool_for(int(batch.ks.max()))
    if len(found) == 1:  # nothing to merge: keep the model's own scores
        rows, scores = found[0].rows[:, :width], found[0].scores[:, :width]
        chosen = np.where(rows >= 0, np.int16(0), np.int16(-1))
    else:
        method = batch.config.merge
        parts, weights = [(one.rows, one.scores) for one in found], [one.config.weight for one in found]
        rows, scores, chosen = merge(parts, weights, k=width, method=method.method, damping=method.damping)
    codes = np.array([*(batch.draft.code(one.config.name) for one in found), -1], dtype=np.int16)
    batch.draft = Draft(rows, scores, codes[chosen], batch.draft.names)
    batch.candidates = found
    batch.note("merged")


def _ask_all(batch: Batch, sources: Sources) -> list[Candidates]:
    everybody = list(range(len(batch.queries)))
    asked: list[tuple[SourceConfig, Source, list[int]]] = []
    for config in batch.scenario.sources or ():
        source = sources.get(config)
        places = batch.places if config.model is not None else everybody
        if isinstance(source, ModelSource) and source.model.scores_attributes:
            places = [b for b in everybody if batch.warm[b] or batch.queries[b].attributes]
        if source is None:
            for b in places:
                batch.skipped[b].append(Skipped(config.name, "missing"))
        elif places:
            asked.append((config, source, places))
    calls = [(source.name, partial(_ask, batch, source, places, config.k)) for config, source, places in asked]
    found = []
    for (config, _, places), told in zip(asked, batch.together("candidates", calls), strict=True):
        if told.value is None:
            for b in places:
                batch.skipped[b].append(Skipped(config.name, told.trouble or "error"))
            continue
        rows, scores = told.value
        for b in places:
            if not (rows[b] >= 0).any():
                batch.skipped[b].append(Skipped(config.name, "empty"))
        found.append(Candidates(config, rows, scores))
    return found


def _ask(
    batch: Batch, source: Source, places: Sequence[int], k: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Catalogue rows and scores (B, n) of one source, empty where it was not asked."""
    is_all = len(places) == len(batch.queries)
    allowed = batch.shown if batch.shown.ndim == 1 or is_all else batch.shown[places]
    n = max(k, *(batch.queries[b].k for b in places))
    lists: RecLists = source.recommend(batch.asked(places), n, allowed=allowed, now=batch.now)
    rows, scores = placed(batch.catalogue, lists, allowed)
    if is_all:
        return rows, scores
    whole = Draft.empty(len(batch.queries), rows.shape[1])
    whole.rows[places], whole.scores[places] = rows, scores
    return whole.rows, whole.scores
