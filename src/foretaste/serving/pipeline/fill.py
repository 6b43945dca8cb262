"""Fill: lists that are too short are lengthened by the fallback chain, then by the newest of the catalogue."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from foretaste.data import MAX_K, RecLists
from foretaste.serving.answers import Fallback
from foretaste.serving.pipeline.batch import Batch
from foretaste.serving.pipeline.sources import CATALOGUE, Sources, placed

_LEAST_S = 0.05
"""Time that the chain gets even when all of it is over: a quick fallback is better than none."""


def fill(batch: Batch, sources: Sources) -> tuple[Fallback, ...]:
    """Lengthen the lists that are shorter than their ``k``, and say for each why it was needed."""
    short = np.flatnonzero(batch.draft.lengths < batch.ks).tolist()
    reasons: list[Fallback] = ["none"] * len(batch.queries)
    if not short:
        return tuple(reasons)
    before = batch.draft.lengths
    for b in short:
        reasons[b] = _why(batch, b)
    for name in (*batch.config.fallback.chain, CATALOGUE):
        short = [b for b in short if batch.draft.lengths[b] < batch.queries[b].k]
        if not short:
            break
        _lengthen(batch, sources, name, short)
    after = batch.draft.lengths
    return tuple("none" if why == "too_few" and after[b] == before[b] == 0 else why for b, why in enumerate(reasons))


def _why(batch: Batch, b: int) -> Fallback:
    if batch.bundle.version is None:
        return "no_model"
    if not batch.warm[b]:
        return "cold_user"
    return "model_error" if batch.failed else "too_few"


def _lengthen(batch: Batch, sources: Sources, name: str, short: Sequence[int]) -> None:
    source = sources.named(name)
    if source is None:
        return
    draft = batch.draft
    asked = [batch.queries[b] for b in short]
    allowed = batch.shown if batch.shown.ndim == 1 else batch.shown[short]
    longest = max(batch.queries[b].k + int(draft.lengths[b]) for b in short)  # what is there already may come again
    ask = partial(source.recommend, asked, min(MAX_K, longest), allowed=allowed, now=batch.now)
    if name == CATALOGUE:  # arithmetic on what is in memory; it must not depend on a free thread
        lists: RecLists | None = ask()
    else:
        [told] = batch.together("fill", [(name, ask)], least_s=_LEAST_S)
        lists = told.value
    if lists is None:
        return
    rows, scores = placed(batch.catalogue, lists, allowed)
    for i, b in enumerate(short):
        taken = draft.rows[b][draft.rows[b] >= 0]
        room = batch.queries[b].k - len(taken)
        fresh = np.flatnonzero((rows[i] >= 0) & ~np.isin(rows[i], taken))[:room]
        draft.append(b, rows[i, fresh].tolist(), scores[i, fresh].tolist(), source.name)
