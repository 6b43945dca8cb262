"""Fill: lists that are too short are lengthened by the fallback chain, then by the newest of the catalogue.

Caps hold here, too. Those that are not hard give way, the least important first, before a list stays short.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from foretaste.data import MAX_K, RecLists
from foretaste.serving.answers import Fallback
from foretaste.serving.pipeline.batch import Batch, Draft
from foretaste.serving.pipeline.parts import Mask, Source
from foretaste.serving.pipeline.sources import CATALOGUE, Sources, placed
from foretaste.serving.rules import fitting, still_open
from foretaste.serving.source_config import PRECOMPUTED

_AT_HAND = (PRECOMPUTED, CATALOGUE)
_LEAST_S = 0.05
"""Time that the chain gets even when all of it is over: a quick fallback is better than none."""


def fill(batch: Batch, sources: Sources, pool: Draft) -> tuple[Fallback, ...]:
    """Lengthen the lists that are shorter than their ``k``, and say for each why it was needed.

    ``pool`` holds the candidates that the lists were made of.
    """
    short = np.flatnonzero(batch.draft.lengths < batch.ks).tolist()
    reasons: list[Fallback] = ["none"] * len(batch.queries)
    if not short:
        return tuple(reasons)
    before = batch.draft.lengths
    for b in short:
        reasons[b] = _why(batch, b)
    for without in range(1 + max(_n_soft(batch, b) for b in short)):
        for b in short if without else ():
            _from_pool(batch, pool, b, without)
        for name in (*batch.config.fallback.chain, CATALOGUE):
            short = [b for b in short if batch.draft.lengths[b] < batch.queries[b].k]
            _lengthen(batch, sources, name, short, without)
    after = batch.draft.lengths
    return tuple("none" if why == "too_few" and after[b] == before[b] == 0 else why for b, why in enumerate(reasons))


def _why(batch: Batch, b: int) -> Fallback:
    if batch.bundle.version is None:
        return "no_model"
    if not batch.warm[b]:
        return "cold_user"
    return "model_error" if batch.failed else "too_few"


def _n_soft(batch: Batch, b: int) -> int:
    return sum(not cap.is_hard for cap in batch.decision.caps[b])


def _lengthen(batch: Batch, sources: Sources, name: str, short: Sequence[int], without: int) -> None:
    """Ask one source until it has no more that fits; a cap may be full after each answer, so what fits changes."""
    source = sources.named(name)
    while source is not None and short:
        allowed = _allowed(batch, short, without)
        found = _ask(batch, name, source, short, allowed)
        if found is None:
            return
        longer = [b for i, b in enumerate(short) if _append(batch, b, found[0][i], found[1][i], source.name, without)]
        short = [b for b in longer if batch.decision.caps[b] and batch.draft.lengths[b] < batch.queries[b].k]


def _allowed(batch: Batch, short: Sequence[int], without: int) -> Mask:
    """What may lengthen these lists: (I,), or by list."""
    decision, draft = batch.decision, batch.draft
    if not any(decision.caps[b] for b in short):
        return batch.shown if batch.shown.ndim == 1 else batch.shown[short]
    own = [draft.rows[b][draft.rows[b] >= 0].tolist() for b in short]
    return np.stack([still_open(decision, b, rows, without=without) for b, rows in zip(short, own, strict=True)])


def _ask(
    batch: Batch, name: str, source: Source, short: Sequence[int], allowed: Mask
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]] | None:
    """Catalogue rows and scores, best first; None where the source had none in time."""
    asked = [batch.queries[b] for b in short]
    # what is there already may come again
    longest = max(batch.queries[b].k + int(batch.draft.lengths[b]) for b in short)
    ask = partial(source.recommend, asked, min(MAX_K, longest), allowed=allowed, now=batch.now)
    if name in _AT_HAND:  # arithmetic on what is in memory; it must not depend on a free thread
        lists: RecLists | None = ask()
    else:
        [told] = batch.together("fill", [(name, ask)], least_s=_LEAST_S)
        lists = told.value
    return None if lists is None else placed(batch.catalogue, lists, allowed)


def _append(
    batch: Batch, b: int, rows: npt.NDArray[np.int32], scores: npt.NDArray[np.float32], name: str, without: int
) -> bool:
    """Lengthen list ``b`` by what fits; whether there was anything."""
    draft = batch.draft
    taken = draft.rows[b][draft.rows[b] >= 0].tolist()
    room = batch.queries[b].k - len(taken)
    fresh = fitting(batch.decision, b, taken, rows.tolist(), most=room, without=without)
    draft.append(b, rows[fresh].tolist(), scores[fresh].tolist(), name)
    return bool(fresh)


def _from_pool(batch: Batch, pool: Draft, b: int, without: int) -> None:
    """Lengthen list ``b`` by candidates that only a cap kept out."""
    draft = batch.draft
    taken = draft.rows[b][draft.rows[b] >= 0].tolist()
    room = batch.queries[b].k - len(taken)
    for place in fitting(batch.decision, b, taken, pool.rows[b].tolist(), most=room, without=without):
        source = pool.names[int(pool.codes[b, place])]
        draft.append(b, [int(pool.rows[b, place])], [float(pool.scores[b, place])], source)
